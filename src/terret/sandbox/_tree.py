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
from typing import NamedTuple

from terret.sandbox._fs import (
    FOLDER,
    READ,
    descend,
    listing,
    make_writable,
    opened,
    put_file,
    put_link,
    remove,
    unlock,
)
from terret.sandbox._objects import EMPTY_TREE, EXECUTABLE, FILE, LINK, TREE, Item, ObjectStore

DEEPEST = 200
_LARGE = 8 << 20
_UNSURE_NS = 25_000_000
"""A file changed this shortly before it was read may have been changed again within the same clock tick."""

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)
"""What opening gives when a name has meanwhile become something else."""

Signature = tuple[int, int, int, int, int]


class _Seen(NamedTuple):
    """A file or link as last read; ``signature`` is None when it has to be read again."""

    signature: Signature | None
    item: Item


class _Folder:
    """What is known of a folder: its files and links, its folders, and the tree they make (None: not worked out)."""

    __slots__ = ("files", "folders", "tree")

    def __init__(self) -> None:
        self.files: dict[str, _Seen] = {}
        self.folders: dict[str, _Folder] = {}
        self.tree: str | None = None


class _Write(NamedTuple):
    """A file or link that restoring has still to write."""

    path: tuple[bytes, ...]
    item: Item
    known: _Folder


def reserved(name: bytes) -> bool:
    """Whether a name belongs to version control and stays outside every tree."""
    return name.lower() == b".git"


def _is_git(name: str) -> bool:
    return name[0] == "." and name.lower() == ".git"


def _is_git_or_compiled(name: str) -> bool:
    return _is_git(name) or name == "__pycache__" or name.endswith((".pyc", ".pyo"))


class TreeKeeper:
    """The tree of one folder with a memory of what was read: an unchanged file is not read again.

    Args:
        root: The folder.
        store: Where objects go.
        mend: Whether an unreadable file is made readable (the workspace is ours, a caller's folder is not).
        skip: Device and inode of a folder to leave out.
        compiled: Whether Python's compiled files belong to the tree.
    """

    def __init__(
        self,
        root: bytes,
        store: ObjectStore,
        *,
        mend: bool = True,
        skip: tuple[int, int] | None = None,
        compiled: bool = True,
    ) -> None:
        self.root = root
        self._store = store
        self._mend = mend
        self._skip = skip
        self._left_out = _is_git if compiled else _is_git_or_compiled
        self._known = _Folder()

    def snapshot(self) -> str:
        """The id of the folder's tree as it is now.

        Raises:
            OSError: Something cannot be read.
            SandboxError: The store cannot be written.
        """
        with opened(os.open(self.root, FOLDER)) as handle:
            now = self._take(handle, self._known, 0, False)
        self._known = now
        self._store.flush()
        return now.tree or EMPTY_TREE

    def _take(self, handle: int, before: _Folder, depth: int, linkless: bool) -> _Folder:
        now = _Folder()
        files, folders = now.files, now.folders
        with os.scandir(handle) as entries:
            for entry in entries:
                name = entry.name
                if self._left_out(name):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                kind = stat.S_IFMT(status.st_mode)
                if kind == stat.S_IFREG:
                    seen = before.files.get(name)
                    if seen is None or seen.signature != _signature(status):
                        seen = self._read(handle, os.fsencode(name))
                    if seen is not None:
                        files[name] = seen
                elif kind == stat.S_IFDIR:
                    if depth < DEEPEST and (status.st_dev, status.st_ino) != self._skip:
                        inner = self._enter(handle, name, before, depth, linkless or name.lower() == ".gitmodules")
                        if inner is not None:
                            folders[name] = inner
                elif kind == stat.S_IFLNK and not linkless and name.lower() != ".gitmodules":
                    with contextlib.suppress(OSError):
                        target = os.readlink(os.fsencode(name), dir_fd=handle)
                        files[name] = _Seen(None, Item(os.fsencode(name), LINK, self._store.add(b"blob", target)))
        now.tree = before.tree if _alike(before, now) else self._make_tree(now)
        return now

    def _enter(self, handle: int, name: str, before: _Folder, depth: int, linkless: bool) -> _Folder | None:
        try:
            inner = self._open(os.fsencode(name), FOLDER, handle)
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise
        with opened(inner):
            return self._take(inner, before.folders.get(name) or _Folder(), depth + 1, linkless)

    def _make_tree(self, folder: _Folder) -> str:
        items = [seen.item for seen in folder.files.values()]
        for name, inner in folder.folders.items():
            if inner.tree is not None and inner.tree != EMPTY_TREE:
                items.append(Item(os.fsencode(name), TREE, inner.tree))
        return self._store.add_tree(items)

    def _read(self, handle: int, name: bytes) -> _Seen | None:
        """Read a file into the store; None when it has gone."""
        try:
            file = self._open(name, READ, handle)
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise
        with opened(file):
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
        writes: list[_Write] = []
        with opened(os.open(self.root, FOLDER)) as root:
            known = self._match(root, root, tree, (), self._known, writes)
            self._known = known
            self._write(root, writes, alone)

    def _match(
        self, root: int, handle: int, tree: str, path: tuple[bytes, ...], before: _Folder, writes: list[_Write]
    ) -> _Folder:
        """Remove what does not belong, make folders, and note the files to write."""
        make_writable(handle)
        now = _Folder()
        items = self._store.tree(tree)
        wanted = {item.name: item for item in items if not reserved(item.name)}
        if len(wanted) == len(items) and all(item.mode in (FILE, EXECUTABLE, LINK, TREE) for item in items):
            now.tree = tree
        present = dict(listing(handle))
        for name, status in present.items():
            item = wanted.get(name)
            if item is not None and item.mode == TREE and stat.S_ISDIR(status.st_mode):
                continue
            seen = self._same(handle, before, item, status) if item is not None else None
            if seen is not None:
                now.files[os.fsdecode(name)] = seen
                del wanted[name]
            elif item is None or stat.S_ISDIR(status.st_mode):
                remove(root, handle, name)
        for name, item in wanted.items():
            if item.mode != TREE:
                if item.mode in (FILE, EXECUTABLE, LINK):
                    writes.append(_Write(path, item, now))
                continue
            if name in present and not stat.S_ISDIR(present[name].st_mode):
                os.unlink(name, dir_fd=handle)
            if name not in present or not stat.S_ISDIR(present[name].st_mode):
                os.mkdir(name, 0o755, dir_fd=handle)
            text = os.fsdecode(name)
            with opened(self._open(name, FOLDER, handle)) as inner:
                known = before.folders.get(text) or _Folder()
                now.folders[text] = self._match(root, inner, item.id, (*path, name), known, writes)
        return now

    def _same(self, handle: int, before: _Folder, item: Item, status: os.stat_result) -> _Seen | None:
        """What is known of a file that already is what is wanted."""
        if not stat.S_ISREG(status.st_mode) or item.mode not in (FILE, EXECUTABLE):
            return None
        seen = before.files.get(os.fsdecode(item.name))
        if seen is None or seen.signature != _signature(status):
            seen = self._read(handle, item.name)
        return seen if seen is not None and seen.item == item else None

    def _write(self, root: int, writes: list[_Write], alone: bool) -> None:
        places: dict[str, list[_Write]] = {}
        for write in writes:
            places.setdefault(write.item.id, []).append(write)
        open_path: tuple[bytes, ...] | None = None
        handle = -1
        try:
            for name, content in self._store.read_many(places):
                for path, item, known in places[name]:
                    if path != open_path:
                        if handle >= 0:
                            os.close(handle)
                        handle, open_path = -1, path
                        handle = descend(root, path)
                    if item.mode == LINK:
                        put_link(handle, item.name, content)
                        continue
                    put_file(handle, item.name, content, 0o755 if item.mode == EXECUTABLE else 0o644)
                    if alone:
                        signature = _signature(os.stat(item.name, dir_fd=handle, follow_symlinks=False))
                        known.files[os.fsdecode(item.name)] = _Seen(signature, item)
        finally:
            if handle >= 0:
                os.close(handle)

    def _open(self, name: bytes, flags: int, handle: int) -> int:
        try:
            return os.open(name, flags, dir_fd=handle)
        except PermissionError:
            if not self._mend:
                raise
        unlock(handle, name)
        return os.open(name, flags, dir_fd=handle)


def _alike(before: _Folder, now: _Folder) -> bool:
    """Whether a folder makes the same tree as before."""
    if before.tree is None or len(before.files) != len(now.files) or before.folders.keys() != now.folders.keys():
        return False
    for name, seen in now.files.items():
        known = before.files.get(name)
        if known is not seen and (known is None or known.item != seen.item):
            return False
    return all(before.folders[name].tree == inner.tree for name, inner in now.folders.items())


def _signature(status: os.stat_result) -> Signature:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_mode
