"""Turns a folder into a git tree and back, never following a link and never touching anything outside the folder.

Every step is made relative to an open folder. ``.git`` in any case of letters is neither stored nor written; sockets,
pipes, devices and links at or below ``.gitmodules`` (no patch may hold one) are not stored. What lies deeper than
:data:`DEEPEST` levels is not stored either.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Generator, Iterator
from itertools import count
from typing import NamedTuple

from terret.sandbox._objects import EMPTY_TREE, EXECUTABLE, FILE, LINK, TREE, Item, ObjectStore

DEEPEST = 200
_LARGE = 8 << 20
_UNSURE_NS = 25_000_000
"""A file changed this shortly before it was read may have been changed again within the same clock tick."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)
"""What opening gives when a name has meanwhile become something else."""

_serial = count()

Signature = tuple[int, int, int, int, int]


class _Seen(NamedTuple):
    """A file as last read; ``signature`` is None when it has to be read again."""

    signature: Signature | None
    item: Item


class Write(NamedTuple):
    """A file or link that restoring has still to write."""

    folder: tuple[bytes, ...]
    item: Item


def reserved(name: bytes) -> bool:
    """Whether a name belongs to version control and stays outside every tree."""
    return name.lower() == b".git"


class TreeKeeper:
    """The tree of one folder with a cache of what was read: an unchanged file is not read again.

    Args:
        root: The folder.
        store: Where objects go.
        mend: Whether an unreadable file is made readable (the workspace is ours, a caller's folder is not).
        skip: Device and inode of a folder to leave out.
    """

    def __init__(
        self, root: bytes, store: ObjectStore, *, mend: bool = True, skip: tuple[int, int] | None = None
    ) -> None:
        self.root = root
        self._store = store
        self._mend = mend
        self._skip = skip
        self._cache: dict[tuple[bytes, ...], dict[bytes, _Seen]] = {}

    def snapshot(self) -> str:
        """The id of the folder's tree as it is now.

        Raises:
            OSError: Something cannot be read.
            SandboxError: The store cannot be written.
        """
        cache: dict[tuple[bytes, ...], dict[bytes, _Seen]] = {}
        with _opened(os.open(self.root, _FOLDER)) as handle:
            found = self._take(handle, (), cache)
        self._cache = cache
        self._store.flush()
        return found

    def _take(self, handle: int, at: tuple[bytes, ...], cache: dict[tuple[bytes, ...], dict[bytes, _Seen]]) -> str:
        before = self._cache.get(at, {})
        now: dict[bytes, _Seen] = {}
        items: list[Item] = []
        for name, status in _listing(handle):
            mode = status.st_mode
            if stat.S_ISREG(mode):
                seen = before.get(name)
                if seen is None or seen.signature != _signature(status):
                    seen = self._read(handle, name)
                    if seen is None:
                        continue
                now[name] = seen
                items.append(seen.item)
            elif stat.S_ISDIR(mode):
                if len(at) >= DEEPEST or (status.st_dev, status.st_ino) == self._skip:
                    continue
                try:
                    inner = self._open(name, _FOLDER, handle)
                except OSError as error:
                    if error.errno in _GONE:
                        continue
                    raise
                with _opened(inner):
                    found = self._take(inner, (*at, name), cache)
                if found != EMPTY_TREE:
                    items.append(Item(name, TREE, found))
            elif stat.S_ISLNK(mode) and not any(part.lower() == b".gitmodules" for part in (*at, name)):
                with contextlib.suppress(OSError):
                    target = os.readlink(name, dir_fd=handle)
                    items.append(Item(name, LINK, self._store.add(b"blob", target)))
        cache[at] = now
        return self._store.add_tree(items)

    def _read(self, handle: int, name: bytes) -> _Seen | None:
        """Read a file into the store; None when it has gone."""
        try:
            file = self._open(name, _READ, handle)
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise
        with _opened(file):
            begun = time.time_ns()
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                return None
            found = self._store_file(file, status.st_size)
            item = Item(name, EXECUTABLE if status.st_mode & 0o100 else FILE, found)
            sure = status.st_ctime_ns < begun - _UNSURE_NS and _signature(os.fstat(file)) == _signature(status)
            return _Seen(_signature(status) if sure else None, item)

    def _store_file(self, file: int, size: int) -> str:
        if size > _LARGE:
            return self._store.add_stream(file, size)
        parts: list[bytes] = []
        while chunk := os.read(file, max(size + 1, 65536)):
            parts.append(chunk)
        return self._store.add(b"blob", b"".join(parts))

    def restore(self, tree: str, *, alone: bool = False) -> None:
        """Make the folder exactly that tree.

        Args:
            tree: Its id.
            alone: Whether surely nobody else writes to the folder, so that what is written need not be read again.

        Raises:
            SandboxError: The store lacks an object, or the disk is full.
            OSError: Something cannot be written.
        """
        self._store.load_trees(tree)
        writes: list[Write] = []
        cache: dict[tuple[bytes, ...], dict[bytes, _Seen]] = {}
        with _opened(os.open(self.root, _FOLDER)) as root:
            self._match(root, root, tree, (), writes, cache)
            self._write(root, writes, cache, alone)
        self._cache = cache

    def _match(
        self,
        root: int,
        handle: int,
        tree: str,
        at: tuple[bytes, ...],
        writes: list[Write],
        cache: dict[tuple[bytes, ...], dict[bytes, _Seen]],
    ) -> None:
        """Remove what does not belong, make folders, and note the files to write."""
        _make_writable(handle)
        wanted = {item.name: item for item in self._store.tree(tree) if not reserved(item.name)}
        present = dict(_listing(handle, everything=True))
        kept: dict[bytes, _Seen] = {}
        for name, status in present.items():
            item = wanted.get(name)
            if item is not None and item.mode == TREE and stat.S_ISDIR(status.st_mode):
                continue
            seen = self._same(handle, at, item, status) if item is not None else None
            if seen is not None:
                kept[name] = seen
                del wanted[name]
            elif item is None or stat.S_ISDIR(status.st_mode):
                remove(root, handle, name)
        cache[at] = kept
        for name, item in wanted.items():
            if item.mode != TREE:
                if item.mode in (FILE, EXECUTABLE, LINK):
                    writes.append(Write(at, item))
                continue
            if name in present and not stat.S_ISDIR(present[name].st_mode):
                os.unlink(name, dir_fd=handle)
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=handle)
            with self._folder(handle, name) as inner:
                self._match(root, inner, item.id, (*at, name), writes, cache)

    def _same(self, handle: int, at: tuple[bytes, ...], item: Item, status: os.stat_result) -> _Seen | None:
        """What is known of a file that already is what is wanted."""
        if not stat.S_ISREG(status.st_mode) or item.mode not in (FILE, EXECUTABLE):
            return None
        seen = self._cache.get(at, {}).get(item.name)
        if seen is None or seen.signature != _signature(status):
            seen = self._read(handle, item.name)
        return seen if seen is not None and seen.item == item else None

    def _write(
        self,
        root: int,
        writes: list[Write],
        cache: dict[tuple[bytes, ...], dict[bytes, _Seen]],
        alone: bool,
    ) -> None:
        places: dict[str, list[Write]] = {}
        for write in writes:
            places.setdefault(write.item.id, []).append(write)
        open_at: tuple[bytes, ...] | None = None
        handle = -1
        try:
            for name, content in self._store.read_many(places):
                for at, item in places[name]:
                    if at != open_at:
                        if handle >= 0:
                            os.close(handle)
                        handle, open_at = -1, at
                        handle = _descend(root, at)
                    put(handle, item.name, content, item.mode)
                    if alone and item.mode != LINK:
                        signature = _signature(os.stat(item.name, dir_fd=handle, follow_symlinks=False))
                        cache[at][item.name] = _Seen(signature, item)
        finally:
            if handle >= 0:
                os.close(handle)

    @contextlib.contextmanager
    def _folder(self, handle: int, name: bytes) -> Generator[int]:
        with _opened(self._open(name, _FOLDER, handle)) as inner:
            yield inner

    def _open(self, name: bytes, flags: int, handle: int) -> int:
        try:
            return os.open(name, flags, dir_fd=handle)
        except PermissionError:
            if not self._mend:
                raise
        unlock(handle, name)
        return os.open(name, flags, dir_fd=handle)


def put(handle: int, name: bytes, content: bytes, mode: bytes) -> None:
    """Write one file or link into an open folder, in place of a file or link of that name."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=handle)
    if mode == LINK:
        os.symlink(content, name, dir_fd=handle)
        return
    with _opened(os.open(name, _CREATE, 0o600, dir_fd=handle)) as file:
        view = memoryview(content)
        while view:
            view = view[os.write(file, view) :]
        os.fchmod(file, 0o755 if mode == EXECUTABLE else 0o644)


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
        with _opened(os.open(last, _FOLDER, dir_fd=parent)) as inner:
            for inside, status in _listing(inner, everything=True):
                if not stat.S_ISDIR(status.st_mode):
                    os.unlink(inside, dir_fd=inner)
                    continue
                unlock(inner, inside)
                moved = b".terret-removed-%d-%d" % (os.getpid(), next(_serial))
                os.rename(inside, moved, src_dir_fd=inner, dst_dir_fd=root)
                waiting.append((root, moved))
        os.rmdir(last, dir_fd=parent)


def unlock(handle: int, name: bytes) -> None:
    """Give the owner full rights to a file or folder, links not followed."""
    with _opened(os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)) as found:
        mode = os.fstat(found).st_mode
        wanted = 0o700 if stat.S_ISDIR(mode) else 0o600
        if not stat.S_ISLNK(mode) and mode & wanted != wanted:
            os.chmod(f"/proc/self/fd/{found}", stat.S_IMODE(mode) | wanted)  # noqa: PTH101


def _make_writable(handle: int) -> None:
    mode = stat.S_IMODE(os.fstat(handle).st_mode)
    if mode & 0o700 != 0o700:
        os.fchmod(handle, mode | 0o700)


def _descend(root: int, at: tuple[bytes, ...]) -> int:
    handle = os.open(b".", _FOLDER, dir_fd=root)
    for name in at:
        try:
            inner = os.open(name, _FOLDER, dir_fd=handle)
        finally:
            os.close(handle)
        handle = inner
    return handle


def _listing(handle: int, *, everything: bool = False) -> Iterator[tuple[bytes, os.stat_result]]:
    """Names with their status; without ``everything`` those of version control are left out."""
    with os.scandir(handle) as entries:
        found = list(entries)
    for entry in found:
        name = os.fsencode(entry.name)
        if everything or not reserved(name):
            with contextlib.suppress(FileNotFoundError):
                yield name, entry.stat(follow_symlinks=False)


def _signature(status: os.stat_result) -> Signature:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_mode


@contextlib.contextmanager
def _opened(handle: int) -> Generator[int]:
    try:
        yield handle
    finally:
        os.close(handle)
