"""How long terret takes to be there, and how much it installs.

Whole processes are timed, interpreter included, with cached bytecode; the median of the runs counts. The processor
time beside it tells a slow terret from a busy machine.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import NamedTuple

from benchmarks._report import Figure, finish, median, parser

IMPORT_MS = 40
HELP_MS = 70
CORE_DISTRIBUTIONS = 6


class Timed(NamedTuple):
    """Medians of a command's runs in milliseconds: wall and processor time."""

    wall: float
    cpu: float


def timed(command: list[str], runs: int) -> Timed:
    """Run a command ``runs`` times, after two runs that fill the caches."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    wall: list[float] = []
    cpu: list[float] = []
    for turn in range(runs + 2):
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        spent = time.perf_counter() - began
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        if turn >= 2:
            wall.append(spent * 1000)
            cpu.append((now.ru_utime - used.ru_utime + now.ru_stime - used.ru_stime) * 1000)
    return Timed(median(wall), median(cpu))


def core_distributions(name: str = "terret") -> set[str]:
    """The distributions that installing ``name`` without extras brings, itself left out."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: set[str] = set()
    queue = [(name, "")]
    while queue:
        current, extra = queue.pop()
        try:
            wanted = requires(current) or []
        except PackageNotFoundError:
            raise SystemExit(f"startup: {current} is not installed; run make setup") from None
        for text in wanted:
            requirement = Requirement(text)
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
                continue
            key = canonicalize_name(requirement.name)
            if key not in found:
                found.add(key)
                queue.append((requirement.name, ""))
    return found


def _cpu(run: Timed) -> str:
    return f"{run.cpu:.1f} ms of processor time"


def main() -> int:
    """Measure and report."""
    options = parser("start-up time and size of terret")
    options.add_argument("--runs", type=int, default=15, help="timed runs of each command, at least 9")
    chosen = options.parse_args()
    runs = max(9, chosen.runs)
    python = sys.executable
    bare = timed([python, "-c", "pass"], runs)
    importing = timed([python, "-c", "import terret"], runs)
    script = Path(python).with_name("terret")
    terret = [str(script)] if script.exists() else [python, "-m", "terret"]
    helping = timed([*terret, "--help"], runs)
    commanding = timed([*terret, "run", "--help"], runs)
    core = core_distributions()
    figures = [
        Figure("bare interpreter", bare.wall, "ms", note=_cpu(bare)),
        Figure("import terret", importing.wall, "ms", IMPORT_MS, note=_cpu(importing)),
        Figure("terret --help", helping.wall, "ms", HELP_MS, note=_cpu(helping)),
        Figure("terret run --help", commanding.wall, "ms", note=_cpu(commanding)),
        Figure("core distributions", len(core), "", CORE_DISTRIBUTIONS, note=" ".join(sorted(core))),
    ]
    return finish("startup", figures, as_json=chosen.json, extra={"runs": runs})


if __name__ == "__main__":
    sys.exit(main())
