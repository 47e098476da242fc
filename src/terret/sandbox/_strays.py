"""Ends what a killed process left running in a workspace.

Bubblewrap dies with the process that started it, but not at the same instant: on a busy machine a command can go on for
a moment and write into a workspace that somebody has taken over and restored meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path

from terret.errors import SandboxError
from terret.sandbox._bwrap import WORKSPACE

_DEATH_S = 30.0
_OCTAL = {9: "\\011", 10: "\\012", 32: "\\040", 92: "\\134"}
"""How mountinfo writes spaces and the like."""


def end_strays(workspace: Path) -> int:
    """Kill every process that sees the folder as a mount of its own, and wait until they are gone; how many there were.

    Raises:
        SandboxError: One of them does not end.
    """
    folder = os.path.realpath(workspace)
    ended = 0
    while found := _inside(folder.translate(_OCTAL), Path(folder).stat().st_dev):
        for pid in found:
            _end(pid)
        ended += len(found)
    return ended


def _inside(folder: str, device: int) -> list[int]:
    disk = f"{os.major(device)}:{os.minor(device)}"
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if _shows((entry / "mountinfo").read_text("utf-8", "replace"), folder, disk):
                    found.append(int(entry.name))
    return found


def _shows(mounts: str, folder: str, disk: str) -> bool:
    """Whether the folder is mounted as a workspace; a mount's root is told from the top of its own file system."""
    for line in mounts.splitlines():
        _, _, device, root, place, *_ = line.split(" ")
        if place == WORKSPACE and device == disk and root != "/" and folder.endswith(root):
            return True
    return False


def _end(pid: int) -> None:
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(_DEATH_S * 1000):
            raise SandboxError("a process of an earlier run does not end", value=pid)
    finally:
        os.close(handle)
