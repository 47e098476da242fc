"""The agent's working copy of a repository, with snapshots outside it."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from terret.errors import PackageError, SandboxError
from terret.sandbox._files import Files
from terret.sandbox._git import GitFailed, git
from terret.sandbox._objects import EXECUTABLE, FILE, LINK, TREE, ObjectStore
from terret.sandbox._source import Source, take
from terret.sandbox._tree import TreeKeeper
from terret.sandbox._types import Entry, FileChange
from terret.task import Repository

if TYPE_CHECKING:
    from terret.sandbox._bundle import Bundle

_WHO = {"NAME": "terret", "EMAIL": "terret@localhost"}


class _Record(msgspec.Struct, frozen=True):
    """What ``workspace.json`` holds."""

    base: str
    commit: str | None
    source: str


class Workspace:
    """A folder ``tree`` to work in and a private store ``git`` of its snapshots beside it.

    There is no ``.git`` in the tree; what the agent makes of that name is neither stored nor obeyed. Snapshots are git
    tree ids: content, names, links and the executable bit. Safe to use from several threads.

    Attributes:
        root: The working copy.
        base: Id of its initial tree.
        commit: The commit it was made from; None for a plain folder or inline files.
        source: Where it came from.
    """

    def __init__(self, folder: Path, record: _Record, store: ObjectStore) -> None:
        self.root = folder / "tree"
        self.base = record.base
        self.commit = record.commit
        self.source = record.source
        self._store = store
        self._keeper = TreeKeeper(os.fsencode(self.root), store)
        self._files = Files(str(self.root))
        self._lock = threading.RLock()

    @classmethod
    def create(cls, folder: Path, repository: Repository, *, base_folder: Path | None) -> Workspace:
        """Make a working copy in an empty or new folder.

        Raises:
            RepositoryError: The repository or its commit cannot be used.
            SandboxError: The folder is in use or cannot be written.
        """
        return _make(folder, lambda store, at: take(store, repository, at, base_folder))

    @classmethod
    def from_archive(
        cls, folder: Path, archive: bytes, *, source: str = "archive", commit: str | None = None
    ) -> Workspace:
        """Make a working copy of a tree that :meth:`archive` wrote; ``source`` and ``commit`` say what it stands for.

        Raises:
            PackageError: It is not such an archive.
            SandboxError: The folder is in use or cannot be written.
        """
        from terret.sandbox._archive import unpack

        return _make(folder, lambda store, _: Source(unpack(store, archive), commit, source))

    @classmethod
    def open(cls, folder: Path) -> Workspace:
        """Open a working copy made earlier.

        Raises:
            SandboxError: There is none, or it is not complete.
        """
        folder = folder.absolute()
        try:
            record = msgspec.json.decode((folder / "workspace.json").read_bytes(), type=_Record)
            complete = (folder / "tree").is_dir() and (folder / "git").is_dir()
        except (OSError, msgspec.DecodeError):
            raise SandboxError("there is no workspace", where=str(folder)) from None
        if not complete:
            raise SandboxError("a workspace lacks its tree or its store", where=str(folder))
        return cls(folder, record, ObjectStore(folder / "git"))

    def archive(self, tree: str | None = None) -> bytes:
        """A tree (the base by default) as a ``.tar.gz`` whose bytes depend on nothing else.

        Raises:
            SandboxError: There is no such tree.
        """
        from terret.sandbox._archive import pack

        with self._lock:
            return pack(self._store, tree or self.base)

    def paths(self, tree: str) -> list[str]:
        """Every file and link of a tree, sorted.

        Raises:
            SandboxError: There is no such tree.
        """
        with self._lock:
            return sorted(os.fsdecode(path) for path, _ in self._store.walk(tree))

    def snapshot(self) -> str:
        """Store the present state; returns its tree id. Files that have not changed are not read again.

        Raises:
            SandboxError: It cannot be read or stored.
        """
        with self._lock, self._guarded("a snapshot cannot be taken"):
            return self._keeper.snapshot()

    def restore(self, tree: str) -> None:
        """Make the working copy exactly a tree; everything else in it is removed, empty folders too.

        Raises:
            SandboxError: There is no such tree, or it cannot be written.
        """
        with self._lock, self._guarded("a tree cannot be restored"):
            self._keeper.restore(tree)

    def diff(self, old: str, new: str, exclude: Sequence[str] = ("harness",)) -> bytes:
        """The change between two trees as a git patch: binary, full ids, no renames.

        Args:
            old: Tree id.
            new: Tree id.
            exclude: Files and folders to leave out, from the root.

        Raises:
            SandboxError: There is no such tree.
        """
        return self._compare(old, new, exclude, "-p", "--binary", "--full-index", "--unified=3")

    def changes(self, old: str, new: str, exclude: Sequence[str] = ("harness",)) -> list[FileChange]:
        """The paths that differ between two trees, with the lines added and deleted.

        Raises:
            SandboxError: There is no such tree.
        """
        fields = self._compare(old, new, exclude, "-z", "--raw", "--numstat").split(b"\0")
        status: dict[bytes, str] = {}
        lines: dict[bytes, tuple[int, int]] = {}
        rest = iter(fields)
        for field in rest:
            if field.startswith(b":"):
                status[next(rest)] = field.rsplit(b" ", 1)[1].decode()
            elif field:
                added, deleted, path = field.split(b"\t", 2)
                lines[path] = (int(added) if added.isdigit() else 0, int(deleted) if deleted.isdigit() else 0)
        rows = [
            {"path": os.fsdecode(p), "status": s, "added": lines[p][0], "deleted": lines[p][1]}
            for p, s in status.items()
        ]
        return msgspec.convert(rows, list[FileChange])

    def record(self, tree: str, message: str, *, ts: float, parent: str | None = None) -> str:
        """Record a tree as a commit of the workspace's private store, the tip of its branch ``main``; returns its id.

        The id follows from the arguments alone. The store, the folder ``git`` beside the tree, is then a repository
        that another workspace can start from.

        Args:
            tree: Tree id.
            message: The commit's message.
            ts: Unix time of the commit.
            parent: The commit it follows; none for the first.

        Raises:
            SandboxError: There is no such tree or parent, or the store cannot be written.
        """
        when = f"@{int(ts)} +0000"
        env = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _WHO.items()}
        env |= {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        parents = () if parent is None else ("-p", parent)
        with self._lock:
            self._store.flush()
            try:
                made = git(
                    self._store.folder, "commit-tree", *parents, tree, "-F", "-", stdin=message.encode(), env=env
                )
                commit = made.decode().strip()
                git(self._store.folder, "update-ref", "refs/heads/main", commit)
                git(self._store.folder, "symbolic-ref", "HEAD", "refs/heads/main")
            except GitFailed as error:
                raise SandboxError(f"a tree cannot be committed: {error}", value=tree) from None
        return commit

    def bundle(self, trees: Sequence[str], *, since: Sequence[str] = ()) -> Bundle:
        """What trees hold beyond the base and ``since``, as one pack for :meth:`unbundle`; grows with the change alone.

        Raises:
            SandboxError: There is no such tree.
        """
        from terret.sandbox._bundle import bundle

        with self._lock:
            self._store.flush()
            return bundle(self._store, [self.base, *since], trees)

    def unbundle(self, pack: bytes) -> None:
        """Take in what :meth:`bundle` wrote for a workspace of the same base.

        Raises:
            PackageError: It is not such a pack.
        """
        from terret.sandbox._bundle import unbundle

        with self._lock:
            unbundle(self._store, pack)

    def apply(self, patch: bytes) -> None:
        """Apply a git patch to the present state, all of it or nothing.

        Raises:
            PackageError: It does not apply.
            SandboxError: The working copy cannot be read or written.
        """
        if not patch.strip():
            return
        with self._lock:
            tree = self.snapshot()
            index = self._store.folder / "apply-index"
            env = {"GIT_INDEX_FILE": str(index)}
            try:
                git(self._store.folder, "read-tree", tree, env=env)
                git(self._store.folder, "apply", "--cached", "--whitespace=nowarn", "-", stdin=patch, env=env)
                changed = git(self._store.folder, "write-tree", env=env).decode().strip()
            except GitFailed as error:
                raise PackageError(f"the patch does not apply: {_reason(error)}") from None
            finally:
                index.unlink(missing_ok=True)
            self._store.forget()
            self.restore(changed)

    def show(self, tree: str, path: str) -> bytes | None:
        """A file's content (a link's target) in a tree; None when there is none.

        Raises:
            SandboxError: There is no such tree.
        """
        *folders, last = os.fsencode(path).split(b"/")
        with self._lock:
            for name in folders:
                item = next((item for item in self._store.tree(tree) if item.name == name), None)
                if item is None or item.mode != TREE:
                    return None
                tree = item.id
            item = next((item for item in self._store.tree(tree) if item.name == last), None)
            return self._store.read(item.id) if item is not None and item.mode in (FILE, EXECUTABLE, LINK) else None

    def read(self, path: str, limit: int = 10_000_000) -> bytes:
        """The content of a file of at most ``limit`` bytes.

        Raises:
            FileRefused: It is outside, missing, not a file or too large.
        """
        return self._files.read(path, limit)

    def write(self, path: str, content: bytes) -> None:
        """Create or replace a file at once, with its folders; an existing file keeps its mode.

        Raises:
            FileRefused: It is outside, protected, behind a link, not a file, or the disk is full.
        """
        with self._lock:
            self._files.write(path, content)

    def delete(self, path: str) -> None:
        """Remove a file, a link (not what it points to) or a folder with everything in it.

        Raises:
            FileRefused: It is outside, protected, behind a link, or missing.
        """
        with self._lock:
            self._files.delete(path)

    def list(self, path: str = ".", depth: int = 1) -> list[Entry]:
        """Names below a folder, ``depth`` levels of them, sorted by path; links are shown, not followed.

        Raises:
            FileRefused: It is outside, missing or not a folder.
        """
        return self._files.list(path, depth)

    def _compare(self, old: str, new: str, exclude: Sequence[str], *form: str) -> bytes:
        paths = [f":(exclude,literal,top){path}" for path in exclude]
        with self._lock:
            self._store.flush()
            options = ("--no-renames", "--no-ext-diff", "--no-textconv", "--no-color")
            try:
                return git(self._store.folder, "diff-tree", "-r", *form, *options, old, new, "--", *paths)
            except GitFailed as error:
                raise SandboxError(f"two trees cannot be compared: {error}") from None

    @contextlib.contextmanager
    def _guarded(self, what: str) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise SandboxError(f"{what}: {error.strerror}", where=str(self.root)) from None


def _make(folder: Path, source: Callable[[ObjectStore, Path], Source]) -> Workspace:
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SandboxError("a workspace needs an empty folder", where=str(folder))
    fresh = not folder.exists()
    try:
        # Nobody else may reach what the agent makes executable.
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        root = folder / "tree"
        root.mkdir()
        store = ObjectStore.make(folder / "git")
        found = source(store, folder)
        store.flush()
        keeper = TreeKeeper(os.fsencode(root), store)
        keeper.restore(found.tree, alone=True)
        record = _Record(keeper.snapshot(), found.commit, found.origin)
        partial = folder / "workspace.partial"
        partial.write_bytes(msgspec.json.encode(record))
        partial.replace(folder / "workspace.json")
    except BaseException as error:
        for name in ("tree", "git", "incoming"):
            shutil.rmtree(folder / name, ignore_errors=True)
        if fresh:
            with contextlib.suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise SandboxError(f"a workspace cannot be made: {error.strerror}", where=str(folder)) from None
        raise
    workspace = Workspace(folder, record, store)
    workspace._keeper = keeper  # pyright: ignore[reportPrivateUsage]
    return workspace


def _reason(error: GitFailed) -> str:
    return str(error).removeprefix("error: ").removeprefix("fatal: ")
