"""File primitives of a workspace: read, write, delete and list, confined to it by the kernel."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Generator
from itertools import count

from terret.sandbox._fs import remove, write_all
from terret.sandbox._openat import open_beneath
from terret.sandbox._tree import reserved
from terret.sandbox._types import Entry, FileRefused, Refusal

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_REASONS: dict[int, Refusal] = {
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.EXDEV: "outside",
    errno.ELOOP: "link",
    errno.EISDIR: "not_a_file",
    errno.ENXIO: "not_a_file",
    errno.ENAMETOOLONG: "not_a_file",
    errno.EINVAL: "not_a_file",
    errno.ENOSPC: "no_space",
    errno.EDQUOT: "no_space",
    errno.EFBIG: "no_space",
    errno.EACCES: "protected",
    errno.EPERM: "protected",
    errno.EROFS: "protected",
}
_serial = count()


class Files:
    """The primitives of one folder; paths are relative to it, with ``/`` between parts.

    Reading follows links that stay inside. Writing and deleting follow none, so that a rule about a path holds for the
    file that is touched.
    """

    def __init__(self, root: str) -> None:
        self._root = root

    def read(self, path: str, limit: int) -> bytes:
        """The content of a file of at most ``limit`` bytes.

        Raises:
            FileRefused: It is outside, missing, not a file or too large.
        """
        with self._refusing(path), self._opened() as root:
            parts = _parts(path)
            handle = open_beneath(root, b"/".join(parts), os.O_RDONLY | os.O_NONBLOCK, links=True)
            try:
                status = os.fstat(handle)
                if not stat.S_ISREG(status.st_mode):
                    raise FileRefused(path, "not_a_file")
                chunks: list[bytes] = []
                left = limit + 1
                while left > 0 and (chunk := os.read(handle, min(left, 1 << 20))):
                    chunks.append(chunk)
                    left -= len(chunk)
            finally:
                os.close(handle)
            if left <= 0:
                raise FileRefused(path, "too_large")
            return b"".join(chunks)

    def write(self, path: str, content: bytes) -> None:
        """Create or replace a file at once, with its folders; an existing file keeps its mode.

        Raises:
            FileRefused: It is outside, protected, behind a link, not a file, or the disk is full.
        """
        with self._refusing(path), self._opened() as root:
            parts = _parts(path)
            _guard(path, parts)
            folder = _make_folders(path, root, parts[:-1])
            try:
                _replace(path, folder, parts[-1], content)
            finally:
                os.close(folder)

    def delete(self, path: str) -> None:
        """Remove a file, a link (not what it points to) or a folder with everything in it.

        Raises:
            FileRefused: It is outside, protected, behind a link, or missing.
        """
        with self._refusing(path), self._opened() as root:
            parts = _parts(path)
            _guard(path, parts)
            folder = _open_folder(root, parts[:-1])
            try:
                os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
                remove(root, folder, parts[-1])
            finally:
                os.close(folder)

    def list(self, path: str, depth: int) -> list[Entry]:
        """Names below a folder, ``depth`` levels of them, sorted by path; links are shown, not followed.

        What version control keeps (``.git``) is shown without what is in it.

        Raises:
            FileRefused: It is outside, missing or not a folder.
        """
        with self._refusing(path), self._opened() as root:
            parts = [] if path in (".", "", "./") else _parts(path)
            try:
                handle = open_beneath(root, b"/".join(parts) or b".", _FOLDER, links=True)
            except NotADirectoryError:
                raise FileRefused(path, "not_a_file") from None
            found: list[Entry] = []
            try:
                _collect(handle, b"/".join(parts), depth, found)
            finally:
                os.close(handle)
            return sorted(found, key=lambda entry: entry.path)

    @contextlib.contextmanager
    def _opened(self) -> Generator[int]:
        handle = os.open(self._root, _FOLDER)
        try:
            yield handle
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def _refusing(self, path: str) -> Generator[None]:
        try:
            yield
        except OSError as error:
            reason = _REASONS.get(error.errno or 0)
            if reason is None:
                raise
            raise FileRefused(path, reason) from None


def _parts(path: str) -> list[bytes]:
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError:
        raise FileRefused(path, "missing") from None
    if b"\0" in raw:
        raise FileRefused(path, "missing")
    parts = [part for part in raw.split(b"/") if part not in (b"", b".")]
    if raw.startswith(b"/") or b".." in parts:
        raise FileRefused(path, "outside")
    if not parts:
        raise FileRefused(path, "not_a_file")
    return parts


def _guard(path: str, parts: list[bytes]) -> None:
    if any(reserved(part) for part in parts):
        raise FileRefused(path, "protected")


def _open_folder(root: int, parts: list[bytes]) -> int:
    return open_beneath(root, b"/".join(parts) or b".", _FOLDER)


def _make_folders(path: str, root: int, parts: list[bytes]) -> int:
    try:
        return _open_folder(root, parts)
    except FileNotFoundError:
        pass
    except NotADirectoryError:
        raise FileRefused(path, "not_a_file") from None
    for depth in range(1, len(parts) + 1):
        parent = _open_folder(root, parts[: depth - 1])
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(parts[depth - 1], 0o755, dir_fd=parent)
        finally:
            os.close(parent)
    return _open_folder(root, parts)


def _replace(path: str, folder: int, name: bytes, content: bytes) -> None:
    mode = 0o644
    with contextlib.suppress(FileNotFoundError):
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            raise FileRefused(path, "link")
        if not stat.S_ISREG(status.st_mode):
            raise FileRefused(path, "not_a_file")
        mode = stat.S_IMODE(status.st_mode) & 0o777
    partial = b".terret-partial-%d-%d" % (os.getpid(), next(_serial))
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        try:
            write_all(handle, content)
            os.fchmod(handle, mode)
        finally:
            os.close(handle)
        os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(partial, dir_fd=folder)
        raise


def _collect(handle: int, at: bytes, depth: int, found: list[Entry]) -> None:
    if depth < 1:
        return
    with os.scandir(handle) as entries:
        listing = list(entries)
    for entry in listing:
        name = os.fsencode(entry.name)
        path = at + b"/" + name if at else name
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        kind = "dir" if stat.S_ISDIR(status.st_mode) else "link" if stat.S_ISLNK(status.st_mode) else "file"
        found.append(Entry(os.fsdecode(path), kind, 0 if kind == "dir" else status.st_size))
        if kind == "dir" and not reserved(name):
            with contextlib.suppress(OSError):
                inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=handle)
                try:
                    _collect(inner, path, depth - 1, found)
                finally:
                    os.close(inner)
