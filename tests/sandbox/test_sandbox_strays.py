"""What a process that was killed has left running in a workspace is ended before somebody else works there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from terret.sandbox import end_strays

pytestmark = pytest.mark.sandbox

RUN = """
import sys
from pathlib import Path
from terret.sandbox import Command, Sandbox
print("ready", flush=True)
Sandbox(Path(sys.argv[1])).run(Command(run="touch begun; sleep 50"))
"""


def start(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", RUN, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    while not (folder / "begun").exists():
        os.sched_yield()
    return process


def test_only_what_runs_in_this_folder_is_ended(tmp_path: Path) -> None:
    mine, other = tmp_path / "a b", tmp_path / "other"
    mine.mkdir()
    other.mkdir()
    first, second = start(mine), start(other)
    try:
        assert end_strays(mine) >= 1
        assert first.wait(20) == 0, "its sandbox was ended under it, which it survives"
        assert second.poll() is None
        assert end_strays(mine) == 0
    finally:
        for process in (first, second):
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
    end_strays(other)
