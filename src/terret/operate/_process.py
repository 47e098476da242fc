"""Ends the process that drives an episode, after making sure that it is the one."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path

from terret.errors import ConfigError, InfrastructureError

GRACE_S = 5.0
"""Seconds a process has to end by itself before it is killed."""


def end_process(pid: int, lock: Path, *, grace_s: float = GRACE_S) -> str:
    """Terminate the process that holds a lock, kill it when it does not end; says which of the two it took.

    Nothing is lost: an episode goes on from its journal. A number that meanwhile belongs to another process is no
    danger, for the process is held on to before it is checked.

    Raises:
        ConfigError: No process of that number holds the lock: it has just ended, or it runs where it cannot be seen.
        InfrastructureError: The machine does not let this user end it, or it did not die.
    """
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        raise _elsewhere(pid) from None
    try:
        if not _holds(pid, lock):
            raise _elsewhere(pid)
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if _gone(handle, grace_s):
            return "terminated"
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        if _gone(handle, grace_s):
            return "killed"
    except PermissionError:
        raise InfrastructureError(
            "the process belongs to another user", value=pid, hint="ask them, or use their account"
        ) from None
    except ProcessLookupError:
        return "terminated"
    finally:
        os.close(handle)
    raise InfrastructureError("the process does not die", value=pid, hint="see what it waits for")


def _holds(pid: int, lock: Path) -> bool:
    """Whether a process has the lock file open; raises PermissionError when that cannot be seen."""
    wanted = lock.stat()
    with contextlib.suppress(FileNotFoundError):
        for entry in list(os.scandir(f"/proc/{pid}/fd")):
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(Path(entry.path).stat(), wanted):
                    return True
    return False


def _gone(handle: int, seconds: float) -> bool:
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))


def _elsewhere(pid: int) -> ConfigError:
    return ConfigError(
        "no process here holds the episode's lock",
        value=pid,
        hint="it has just ended, or it runs in another container or machine: end it there",
    )
