"""How long terret takes to be there, and how much it installs.

Whole processes are timed, interpreter included, with cached bytecode; the median of the runs counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from benchmarks._report import Figure, finish, median, parser

IMPORT_MS = 40
HELP_MS = 70
CORE_DISTRIBUTIONS = 6


def milliseconds(command: list[str], runs: int) -> list[float]:
    """Wall time of each run, after two that fill the caches."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    times: list[float] = []
    for turn in range(runs + 2):
        began = time.perf_counter()
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        if turn >= 2:
            times.append((time.perf_counter() - began) * 1000)
    return times


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


def main() -> int:
    """Measure and report."""
    options = parser("start-up time and size of terret")
    options.add_argument("--runs", type=int, default=15, help="timed runs of each command, at least 9")
    chosen = options.parse_args()
    runs = max(9, chosen.runs)
    python = sys.executable
    bare = milliseconds([python, "-c", "pass"], runs)
    importing = milliseconds([python, "-c", "import terret"], runs)
    script = Path(python).with_name("terret")
    terret = [str(script)] if script.exists() else [python, "-m", "terret"]
    helping = milliseconds([*terret, "--help"], runs)
    commanding = milliseconds([*terret, "run", "--help"], runs)
    core = core_distributions()
    figures = [
        Figure("bare interpreter", median(bare), "ms"),
        Figure("import terret", median(importing), "ms", IMPORT_MS),
        Figure("terret --help", median(helping), "ms", HELP_MS),
        Figure("terret run --help", median(commanding), "ms"),
        Figure("core distributions", len(core), "", CORE_DISTRIBUTIONS, note=" ".join(sorted(core))),
    ]
    return finish("startup", figures, as_json=chosen.json, extra={"runs": runs})


if __name__ == "__main__":
    sys.exit(main())
