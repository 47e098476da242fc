"""The private object store of a workspace: git's format, written without starting git.

Few new objects are written loose, many as one pack. Reading takes git only for packed objects.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha1
from itertools import count
from pathlib import Path
from typing import IO, NamedTuple, cast

from terret.errors import SandboxError
from terret.sandbox._git import GitFailed, environment, git, make_repository
from terret.sandbox._pack import write_pack

FILE, EXECUTABLE, LINK, TREE = b"100644", b"100755", b"120000", b"40000"
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_MOST_LOOSE = 200
_PENDING_BYTES = 32 << 20
_CHUNK = 1 << 20
_serial = count()


class Item(NamedTuple):
    """One entry of a tree: raw name, git mode, hex object id."""

    name: bytes
    mode: bytes
    id: str


class ObjectStore:
    """Blobs and trees by id; new ones are readable at once and durable after :meth:`flush`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._objects = folder / "objects"
        self._known: set[str] | None = None
        self._pending: dict[str, tuple[bytes, bytes]] = {}
        self._pending_bytes = 0
        self._trees: dict[str, list[Item]] = {EMPTY_TREE: []}

    @classmethod
    def make(cls, folder: Path) -> ObjectStore:
        """A new, empty store."""
        make_repository(folder)
        store = cls(folder)
        store._known = set()
        return store

    def forget(self) -> None:
        """Somebody else added objects: look again what is there."""
        self._known = None

    def add(self, kind: bytes, content: bytes) -> str:
        """Take an object (``blob`` or ``tree``) and give its id."""
        name = sha1(b"%s %d\0" % (kind, len(content)), usedforsecurity=False)
        name.update(content)
        found = name.hexdigest()
        if found not in self._ids() and found not in self._pending:
            self._pending[found] = (kind, content)
            self._pending_bytes += len(content)
            if self._pending_bytes > _PENDING_BYTES:
                self.flush()
        return found

    def add_stream(self, handle: int, size: int) -> str:
        """Store a large open file without holding it in memory.

        Raises:
            SandboxError: It shrank while being read.
        """
        header = b"blob %d\0" % size
        digest, packer = sha1(header, usedforsecurity=False), zlib.compressobj(1)
        partial = self._objects / f"partial-{os.getpid()}-{next(_serial)}"
        try:
            with partial.open("wb") as file:
                file.write(packer.compress(header))
                left = size
                while left:
                    chunk = os.read(handle, min(left, _CHUNK))
                    if not chunk:
                        raise SandboxError("a file of the workspace shrank while it was read", value=size)
                    left -= len(chunk)
                    digest.update(chunk)
                    file.write(packer.compress(chunk))
                file.write(packer.flush())
            found = digest.hexdigest()
            if found in self._ids():
                partial.unlink()
            else:
                self._place(partial, found)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return found

    def add_tree(self, items: Iterable[Item]) -> str:
        """Store one folder's entries and give the tree's id."""
        ordered = sorted(items, key=lambda item: item.name + b"/" if item.mode == TREE else item.name)
        found = self.add(b"tree", b"".join(b"%s %s\0%s" % (i.mode, i.name, bytes.fromhex(i.id)) for i in ordered))
        self._trees.setdefault(found, ordered)
        return found

    def add_paths(self, paths: Mapping[tuple[bytes, ...], tuple[bytes, str]]) -> str:
        """Store nested trees from path components -> (mode, id)."""
        items: list[Item] = []
        below: dict[bytes, dict[tuple[bytes, ...], tuple[bytes, str]]] = {}
        for (first, *rest), entry in paths.items():
            if rest:
                below.setdefault(first, {})[tuple(rest)] = entry
            else:
                items.append(Item(first, *entry))
        items += [Item(name, TREE, self.add_paths(inner)) for name, inner in below.items()]
        return self.add_tree(items)

    def flush(self) -> None:
        """Write everything taken since the last time.

        Raises:
            SandboxError: The disk is full or read-only.
        """
        if not self._pending:
            return
        try:
            if len(self._pending) > _MOST_LOOSE:
                write_pack(self._objects / "pack", self._pending)
            else:
                for name, (kind, content) in self._pending.items():
                    self._write_loose(name, kind, content)
        except OSError as error:
            raise SandboxError(f"a snapshot cannot be written: {error.strerror}", where=str(self.folder)) from None
        self._ids().update(self._pending)
        self._pending.clear()
        self._pending_bytes = 0

    def tree(self, name: str) -> list[Item]:
        """The entries of a tree.

        Raises:
            SandboxError: There is no such tree.
        """
        found = self._trees.get(name)
        if found is None:
            found = self._trees[name] = _parse_tree(self.read(name))
        return found

    def load_trees(self, name: str) -> None:
        """Read a tree with all trees below it at once, where they would be read one by one from a pack."""
        if name in self._trees or self._loose(name).exists():
            return
        below: dict[bytes, list[Item]] = {}
        try:
            listing = git(self.folder, "ls-tree", "-r", "-t", "-z", "--full-tree", name)
        except GitFailed as error:
            raise SandboxError(f"a tree cannot be read: {error}", value=name) from None
        names: dict[bytes, str] = {b"": name}
        for line in listing.split(b"\0")[:-1]:
            meta, _, path = line.partition(b"\t")
            mode, kind, found = meta.split(b" ")
            folder, _, base = path.rpartition(b"/")
            if kind == b"tree":
                names[path] = found.decode()
            below.setdefault(folder, []).append(Item(base, mode.lstrip(b"0"), found.decode()))
        for path, found in names.items():
            self._trees.setdefault(found, below.get(path, []))

    def walk(self, tree: str, below: bytes = b"") -> Iterator[tuple[bytes, Item]]:
        """Every file and link of a tree with its path; submodules are left out.

        Raises:
            SandboxError: There is no such tree.
        """
        if not below:
            self.load_trees(tree)
        for item in self.tree(tree):
            if item.mode == TREE:
                yield from self.walk(item.id, below + item.name + b"/")
            elif item.mode in (FILE, EXECUTABLE, LINK):
                yield below + item.name, item

    def read(self, name: str) -> bytes:
        """The content of one object.

        Raises:
            SandboxError: There is no such object.
        """
        return next(self.read_many([name]))[1]

    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Contents of objects; what is not packed comes first.

        Raises:
            SandboxError: One of them is missing.
        """
        packed: list[str] = []
        for name in dict.fromkeys(names):
            if name in self._pending:
                yield name, self._pending[name][1]
                continue
            try:
                raw = zlib.decompress(self._loose(name).read_bytes())
            except FileNotFoundError:
                packed.append(name)
                continue
            except (OSError, zlib.error) as error:
                raise SandboxError(f"a snapshot is damaged: {error}", value=name) from None
            yield name, raw[raw.index(b"\0") + 1 :]
        if packed:
            yield from self._read_packed(packed)

    def has(self, name: str) -> bool:
        """Whether an object is stored."""
        return name in self._pending or name in self._ids() or name == EMPTY_TREE

    def _ids(self) -> set[str]:
        if self._known is None:
            listing = git(self.folder, "cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname)")
            self._known = set(listing.decode().split())
        return self._known

    def _read_packed(self, names: list[str]) -> Iterator[tuple[str, bytes]]:
        with tempfile.TemporaryFile() as asked:
            asked.write("".join(f"{name}\n" for name in names).encode())
            asked.seek(0)
            process = subprocess.Popen(
                ["git", "cat-file", "--batch", "--buffer"],
                stdin=asked,
                stdout=subprocess.PIPE,
                env=environment(self.folder),
                cwd="/",
            )
        with process:
            stream = cast(IO[bytes], process.stdout)
            for name in names:
                fields = stream.readline().split()
                if len(fields) != 3:
                    process.kill()
                    raise SandboxError("a snapshot lacks an object", value=name, where=str(self.folder))
                content = stream.read(int(fields[2]))
                stream.read(1)
                yield name, content

    def _loose(self, name: str) -> Path:
        return self._objects / name[:2] / name[2:]

    def _write_loose(self, name: str, kind: bytes, content: bytes) -> None:
        partial = self._objects / f"partial-{os.getpid()}-{next(_serial)}"
        partial.write_bytes(zlib.compress(b"%s %d\0" % (kind, len(content)) + content, 1))
        self._place(partial, name)

    def _place(self, partial: Path, name: str) -> None:
        target = self._loose(name)
        target.parent.mkdir(exist_ok=True)
        partial.replace(target)
        self._ids().add(name)


def _parse_tree(content: bytes) -> list[Item]:
    items: list[Item] = []
    at = 0
    while at < len(content):
        space = content.index(b" ", at)
        end = content.index(b"\0", space)
        items.append(Item(content[space + 1 : end], content[at:space], content[end + 1 : end + 21].hex()))
        at = end + 21
    return items
