"""Opens paths that cannot leave a folder, resolved by the kernel in one step."""

from __future__ import annotations

import errno
import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_OPENAT2 = 437
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@cache
def _openat2() -> Callable[[int, bytes, int, int, int], int] | None:
    """The system call, or None where the kernel (before 5.6) or a filter does not have it."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    syscall = libc.syscall
    syscall.restype = ctypes.c_long
    how_type = ctypes.c_uint64 * 3

    def call(folder: int, path: bytes, flags: int, mode: int, resolve: int) -> int:
        how = how_type(flags | os.O_CLOEXEC, mode, resolve)
        while True:
            found = syscall(_OPENAT2, ctypes.c_int(folder), path, ctypes.byref(how), ctypes.c_size_t(24))
            if found >= 0:
                return int(found)
            number = ctypes.get_errno()
            if number not in (errno.EINTR, errno.EAGAIN):
                raise OSError(number, os.strerror(number), os.fsdecode(path))

    try:
        handle = os.open("/", _OPEN_FOLDER)
        try:
            os.close(call(handle, b".", os.O_PATH, 0, _BENEATH))
        finally:
            os.close(handle)
    except OSError:
        return None
    return call


def open_beneath(folder: int, path: bytes, flags: int, mode: int = 0, *, links: bool = False) -> int:
    """Open a path relative to an open folder, never leaving it.

    Args:
        folder: An open folder.
        path: Relative, without ``..``.
        flags: As for :func:`os.open`.
        mode: Rights of a file that is created.
        links: Whether links inside the folder are followed; otherwise they are refused (ELOOP).

    Raises:
        OSError: EXDEV when a link leads outside, ELOOP when a link is refused, and all the usual reasons.
    """
    call = _openat2()
    if call is not None:
        return call(folder, path, flags, mode, _BENEATH | _NO_MAGICLINKS | (0 if links else _NO_SYMLINKS))
    return _walk(folder, path, flags, mode)


def _walk(folder: int, path: bytes, flags: int, mode: int) -> int:
    """The same step by step; links are refused always."""
    *parents, last = path.split(b"/")
    handle = os.dup(folder)
    try:
        for name in parents:
            inner = os.open(name, _OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = inner
        return os.open(last, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=handle)
    finally:
        os.close(handle)
