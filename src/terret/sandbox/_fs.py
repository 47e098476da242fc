"""Acts on names inside an open folder, never following a link."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Generator, Sequence
from itertools import count

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_serial = count()


@contextlib.contextmanager
def opened(handle: int) -> Generator[int]:
    """Close a descriptor at the end."""
    try:
        yield handle
    finally:
        os.close(handle)


def write_all(handle: int, content: bytes) -> None:
    """Write everything, however many calls it takes."""
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def put_file(handle: int, name: bytes, content: bytes, mode: int) -> None:
    """Write a file in place of a file or link of that name."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=handle)
    with opened(os.open(name, _CREATE, mode, dir_fd=handle)) as file:
        write_all(file, content)
        # The caller's mask may have taken rights away.
        if stat.S_IMODE(os.fstat(file).st_mode) != mode:
            os.fchmod(file, mode)


def put_link(handle: int, name: bytes, target: bytes) -> None:
    """Make a link in place of a file or link of that name."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=handle)
    os.symlink(target, name, dir_fd=handle)


def remove(root: int, handle: int, name: bytes) -> None:
    """Remove whatever has that name in an open folder, however deep it is.

    Folders below are moved up to ``root`` first, so that neither names nor the number of open folders grow with depth.
    """
    waiting = [(handle, name)]
    while waiting:
        parent, last = waiting.pop()
        try:
            os.unlink(last, dir_fd=parent)
            continue
        except FileNotFoundError:
            continue
        except (IsADirectoryError, PermissionError):
            pass
        unlock(parent, last)
        with opened(os.open(last, FOLDER, dir_fd=parent)) as inner:
            for inside, status in listing(inner):
                if not stat.S_ISDIR(status.st_mode):
                    os.unlink(inside, dir_fd=inner)
                    continue
                unlock(inner, inside)
                moved = b".terret-removed-%d-%d" % (os.getpid(), next(_serial))
                os.rename(inside, moved, src_dir_fd=inner, dst_dir_fd=root)
                waiting.append((root, moved))
        os.rmdir(last, dir_fd=parent)


def unlock(handle: int, name: bytes) -> None:
    """Give the owner full rights to a file or folder."""
    with opened(os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)) as found:
        mode = os.fstat(found).st_mode
        wanted = 0o700 if stat.S_ISDIR(mode) else 0o600
        if not stat.S_ISLNK(mode) and mode & wanted != wanted:
            os.chmod(f"/proc/self/fd/{found}", stat.S_IMODE(mode) | wanted)  # noqa: PTH101


def make_writable(handle: int) -> None:
    """Give the owner full rights to an open folder."""
    mode = stat.S_IMODE(os.fstat(handle).st_mode)
    if mode & 0o700 != 0o700:
        os.fchmod(handle, mode | 0o700)


def descend(root: int, parts: Sequence[bytes]) -> int:
    """Open a folder below an open one."""
    handle = os.open(b".", FOLDER, dir_fd=root)
    for name in parts:
        try:
            inner = os.open(name, FOLDER, dir_fd=handle)
        finally:
            os.close(handle)
        handle = inner
    return handle


def listing(handle: int) -> list[tuple[bytes, os.stat_result]]:
    """The names in an open folder with their status."""
    found: list[tuple[bytes, os.stat_result]] = []
    with os.scandir(handle) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                found.append((os.fsencode(entry.name), entry.stat(follow_symlinks=False)))
    return found
