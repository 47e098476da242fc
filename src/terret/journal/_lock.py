"""The lock beside a journal: one owner on a machine, freed by the kernel when its process dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from terret.errors import JournalBusy, JournalWriteFailed

_LOCK = "lock"

_DYING_POLLS, _DYING_POLL_S = 150, 0.02
"""How often and how long to wait for what a killed owner left running."""

_LOOKING_POLLS = 2
"""How often to try again although the owner is alive."""


def acquire(folder: Path, *, take_over: bool = False) -> int:
    """Lock a folder for one journal object; a descriptor to close.

    ``take_over`` puts a new lock in the place of one whose owner no longer answers; the lease in the store keeps
    that owner from writing.

    Raises:
        JournalBusy: A live process owns the folder.
        JournalWriteFailed: The folder cannot be written.
    """
    path = folder / _LOCK
    if take_over:
        return _replace(path)
    owner: str | None = None
    for left in range(_DYING_POLLS, -1, -1):
        handle = _open(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
        else:
            if _in_place(handle, path):
                _sign(handle)
                return handle
            owner = None
        os.close(handle)
        if left and (owner is None or left > _DYING_POLLS - _LOOKING_POLLS or not _alive(owner)):
            # A killed owner's child may hold the lock until it has died too; so may, for an instant, who only looks.
            time.sleep(_DYING_POLL_S if owner is not None else 0)
            continue
        break
    raise JournalBusy(
        "another process owns the episode",
        value=owner or None,
        where=str(folder),
        hint="wait for it, or end it; if it is frozen, terret resume --take-over",
    ) from None


def holder(folder: Path) -> int | None:
    """The process id in a held lock, 0 when it is unreadable; ``None`` when nobody holds it. Takes nothing away."""
    try:
        handle = os.open(folder / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        owner = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
        return int(owner) if owner.isdecimal() else 0
    else:
        return None
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise JournalWriteFailed(
            f"the journal cannot be locked: {error.strerror}",
            where=str(path),
            hint="free disk space or check rights; no event is lost",
        ) from None


def _replace(path: Path) -> int:
    partial = path.with_name(f"{_LOCK}.{os.getpid()}")
    handle = _open(partial)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _sign(handle)
        partial.replace(path)
    except OSError as error:
        os.close(handle)
        raise JournalWriteFailed(f"the journal cannot be locked: {error.strerror}", where=str(path)) from None
    return handle


def _in_place(handle: int, path: Path) -> bool:
    """Whether nobody put another lock in this one's place since it was opened."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


def _sign(handle: int) -> None:
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)


def _alive(pid: str) -> bool:
    """Whether a process of that number runs; an unreadable number counts as running."""
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OSError):
        return True
    return True
