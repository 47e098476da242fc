"""What isolation costs a command: a plain subprocess, a fresh sandbox, one that waited, and a shell that stays open."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks._report import Figure, median
from terret.sandbox import Command, Sandbox
from terret.task import Limits

ONE_SHOT_MS = 5.0
SESSION_MS = 1.0
GROUP_MS = 1.0


def sandboxes(full: bool) -> list[Figure]:
    """Medians over interleaved rounds, so that every row sees the same machine."""
    rounds = 60 if full else 12
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(Path(folder)) as cold,
        Sandbox(Path(folder), warm=True) as warm,
        warm.session(Limits()) as session,
    ):
        rows: dict[str, Callable[[], object]] = {
            "plain": lambda: subprocess.run(["/bin/bash", "-c", "true"], capture_output=True, check=True),
            "cold": lambda: cold.run(Command(run="true")),
            "warm": lambda: warm.run(Command(run="true")),
            "session": lambda: session.run("true"),
        }
        times: dict[str, list[float]] = {name: [] for name in rows}
        for _ in range(rounds):
            for name, call in rows.items():
                # An agent thinks between two commands; meanwhile the next sandbox gets ready.
                warm.settle()
                begun = time.perf_counter()
                call()
                times[name].append((time.perf_counter() - begun) * 1000)
    plain, one_shot = median(times["plain"]), median(times["warm"])
    return [
        Figure("plain_subprocess", plain, "ms"),
        Figure("one_shot_over_plain", one_shot - plain, "ms", ONE_SHOT_MS, note=f"{one_shot:.1f} ms in all"),
        Figure("one_shot_cold_over_plain", median(times["cold"]) - plain, "ms", note="no sandbox waiting"),
        Figure("session_command", median(times["session"]), "ms", SESSION_MS),
        *_groups(rounds),
    ]


def _groups(rounds: int) -> list[Figure]:
    from terret.sandbox._cgroup import find_hierarchy

    hierarchy = find_hierarchy()
    if hierarchy is None:
        return [Figure("control_group", 0.0, "ms", note="this machine has none to give: not measured")]
    times: list[float] = []
    for _ in range(rounds):
        begun = time.perf_counter()
        hierarchy.group(Limits()).close()
        times.append((time.perf_counter() - begun) * 1000)
    return [Figure("control_group", median(times), "ms", GROUP_MS, note="made, limited and removed")]
