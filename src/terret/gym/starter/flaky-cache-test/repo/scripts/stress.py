"""Runs the tests under many hash seeds: ``python scripts/stress.py [ROUNDS]``."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    failed = []
    for seed in range(1, rounds + 1):
        environment = os.environ | {"PYTHONHASHSEED": str(seed)}
        command = [sys.executable, "-m", "pytest", "-q", "-x"]
        run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if run.returncode != 0:
            failed.append(seed)
            last = run.stdout
    if failed:
        print(last)
    print(f"{rounds - len(failed)} of {rounds} rounds passed; failing hash seeds: {failed or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
