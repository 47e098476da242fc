"""Parallel tool calls that together need more memory than there is: with admission and soft limits, and without.

Each call grows step by step to its peak, holds it, and ends; the calls of a round run in threads, below one control
group with a hard limit. ``with control`` they wait at the door or pause at their soft limit; ``limit only`` leaves it
to the kernel, which kills; ``frugal hints`` has every call promise less than it takes. ``python -m
benchmarks.memory_pressure [--json] [--full]``; the bound is that with control every call finishes.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from benchmarks._report import Figure, finish, parser
from terret.sandbox import Admission, Command, Completed, Sandbox, probe
from terret.task import Limits

CALLS, PEAK_MB, TOTAL_MB, MOST_MB = 8, 48, 192, 80

_GROW = """
import sys, time
held = []
for _ in range(int(sys.argv[1]) // 4):
    held.append(b"x" * (4 << 20))
    time.sleep(float(sys.argv[2]))
time.sleep(0.3)
print("finished")
"""


class Round(NamedTuple):
    """One way of running the calls."""

    name: str
    control: bool
    hint: str | None


ROUNDS = (
    Round("limit_only", control=False, hint=None),
    Round("with_control", control=True, hint="high"),
    Round("frugal_hints", control=True, hint="24m"),
)


def play(one: Round, calls: int, peak_mb: int, total_mb: int, most_mb: int) -> tuple[list[Completed], float]:
    """Run the calls of one round; their results and the seconds it took."""
    results: list[Completed] = []
    limits = Limits(wall_s=60.0, cpu_s=30.0, memory_mb=most_mb, pids=16, output_kb=64, disk_mb=16)
    with (
        tempfile.TemporaryDirectory(prefix="terret-pressure-") as folder,
        closing(Admission(total_mb, bounded=True, control=one.control)) as admission,
        Sandbox(Path(folder), tier="full", admission=admission) as sandbox,
    ):
        command = Command(f"python3 -I -S - {peak_mb} 0.02", stdin=_GROW.encode(), limits=limits, memory=one.hint)
        threads = [threading.Thread(target=lambda: results.append(sandbox.run(command))) for _ in range(calls)]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results, time.monotonic() - begun


def main() -> int:
    """Play the rounds and print the table."""
    options = parser("Parallel tool calls that need more memory than there is.")
    options.add_argument("--full", action="store_true", help="five times as often")
    args = options.parse_args()
    if probe().tier != "full":
        print("memory_pressure: skipped: this machine gives no control group for memory")
        return 0
    figures = [Figure("needed_over_limit", CALLS * PEAK_MB / TOTAL_MB, "x")]
    for one in ROUNDS:
        finished = killed = 0
        seconds, paused, waited, peak = 0.0, 0.0, 0.0, 0
        repeats = 5 if args.full else 1
        for _ in range(repeats):
            results, took = play(one, CALLS, PEAK_MB, TOTAL_MB, MOST_MB)
            done = sum(result.output.strip() == b"finished" and result.status == "ok" for result in results)
            finished, killed, seconds = finished + done, killed + len(results) - done, seconds + took
            paused += sum(result.resources.get("paused_ms", 0.0) for result in results) / 1000
            waited += sum(result.resources.get("waited_ms", 0.0) for result in results) / 1000
            peak = max(peak, *(result.peak_kb // 1024 for result in results))
        share = 100 * finished / (repeats * CALLS)
        note = (
            f"{killed} killed, {seconds / repeats:.1f} s, waited {waited:.1f} s, paused {paused:.1f} s, peak {peak} MB"
        )
        figures.append(
            Figure(f"{one.name}_finished", share, "%", 100.0 if one.control else None, least=True, note=note)
        )
    return finish("memory_pressure", figures, as_json=args.json)


if __name__ == "__main__":
    sys.exit(main())
