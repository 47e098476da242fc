"""Where a workspace's initial tree comes from: a folder, a git repository at a commit, or files in the task itself."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from terret.errors import RepositoryError
from terret.sandbox._git import GitFailed, git, make_repository
from terret.sandbox._objects import EXECUTABLE, FILE, ObjectStore
from terret.sandbox._tree import TreeKeeper, reserved
from terret.task import Repository

_FETCH_S = 600.0
_PROTOCOLS = "file:git:http:https:ssh"
_PASSED = (
    "SSH_AUTH_SOCK",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
)
_FULL_ID = re.compile(r"[0-9a-f]{40}")


class Source(NamedTuple):
    """An initial tree in the store, the commit it stands for (None without one), and where it came from."""

    tree: str
    commit: str | None
    origin: str


def take(store: ObjectStore, repository: Repository, folder: Path, base_folder: Path | None) -> Source:
    """Bring a repository into the store.

    Args:
        store: The workspace's store.
        repository: Exactly one of path, url and files is set.
        folder: The workspace's folder: left out where it lies inside the repository; scratch space for a clone.
        base_folder: What a relative path starts from.

    Raises:
        RepositoryError: It is missing, unreadable, not what it should be, or has no such commit.
    """
    given = [part for part in (repository.path, repository.url, repository.files) if part is not None]
    if len(given) != 1:
        raise RepositoryError("a repository is exactly one of path, url and files", value=len(given))
    if repository.commit is not None and (repository.commit.startswith("-") or not repository.commit.strip()):
        raise RepositoryError("not a commit", value=repository.commit, hint="give a branch, tag or commit id")
    if repository.files is not None:
        return Source(_from_files(store, repository.files), None, "files")
    if repository.url is not None:
        return _from_url(store, repository.url, repository.commit, folder, base_folder)
    path = _absolute(repository.path or ".", base_folder)
    return _from_folder(store, path, repository.commit, folder)


def components(path: str) -> tuple[bytes, ...] | None:
    """A relative path as its parts; None when it is absolute, climbs, is empty or belongs to version control."""
    parts = os.fsencode(path).split(b"/")
    if any(part in (b"", b".", b"..") or b"\0" in part or len(part) > 255 or reserved(part) for part in parts):
        return None
    return tuple(parts)


def _absolute(path: str, base_folder: Path | None) -> Path:
    return Path(os.path.normpath((base_folder or Path.cwd()) / Path(path).expanduser()))


def _from_files(store: ObjectStore, files: Mapping[str, str]) -> str:
    paths: dict[tuple[bytes, ...], tuple[bytes, str]] = {}
    for path, text in files.items():
        parts = components(path)
        if parts is None:
            raise RepositoryError("a file lies outside the repository", value=path, hint="use plain relative paths")
        mode = EXECUTABLE if text.startswith("#!") else FILE
        paths[parts] = (mode, store.add(b"blob", text.encode("utf-8", "surrogatepass")))
    for parts in paths:
        if any(parts[:depth] in paths for depth in range(1, len(parts))):
            raise RepositoryError("a path is both file and folder", value=os.fsdecode(b"/".join(parts)))
    return store.add_paths(paths)


def _from_folder(store: ObjectStore, path: Path, commit: str | None, folder: Path) -> Source:
    where = str(path)
    if not path.exists():
        raise RepositoryError("the repository folder does not exist", value=where, hint="check repository.path")
    if not path.is_dir():
        raise RepositoryError("the repository is not a folder", value=where, hint="name the folder, not a file in it")
    git_dir = _git_dir(path)
    if git_dir is None:
        if commit is not None:
            hint = "leave out commit, or name the root of a git repository"
            raise RepositoryError(
                "the folder is not a git repository, so it has no commit", value=commit, where=where, hint=hint
            )
        return Source(_as_it_stands(store, path, folder), None, where)
    found = _resolve(git_dir, commit or "HEAD")
    if found is None:
        if commit is not None:
            raise RepositoryError("the repository has no such commit", value=commit, where=where)
        if git_dir == path:
            raise RepositoryError("the repository has no commit", where=where)
        return Source(_as_it_stands(store, path, folder), None, where)
    tree = _copy_tree(store, git_dir, found, where)
    if commit is None and git_dir != path and not _is_clean(store, git_dir, path, tree):
        return Source(_as_it_stands(store, path, folder), None, where)
    return Source(tree, found, where)


def _as_it_stands(store: ObjectStore, path: Path, folder: Path) -> str:
    """A folder without what Python compiled there: it differs from machine to machine and can hide a change."""
    status = folder.stat()
    skip = (status.st_dev, status.st_ino)
    try:
        return TreeKeeper(os.fsencode(path), store, mend=False, skip=skip, compiled=False).snapshot()
    except OSError as error:
        raise RepositoryError(
            f"the repository cannot be read: {error.strerror}",
            where=os.path.join(path, os.fsdecode(error.filename or b"")),  # noqa: PTH118
            hint="check rights",
        ) from None


def _git_dir(path: Path) -> Path | None:
    """The git folder of a repository root (or of a bare repository); None for any other folder."""
    inner = path / ".git"
    try:
        if inner.is_dir() and (inner / "HEAD").exists():
            return inner
        if inner.is_file():
            # A linked work tree or submodule.
            text = inner.read_text("utf-8", "replace")
            target = path / text.removeprefix("gitdir:").strip() if text.startswith("gitdir:") else None
            return target if target is not None and (target / "HEAD").exists() else None
        if (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir():
            return path
    except OSError as error:
        raise RepositoryError(f"the repository cannot be read: {error.strerror}", where=str(path)) from None
    return None


def _resolve(git_dir: Path, revision: str) -> str | None:
    try:
        found = git(git_dir, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except GitFailed:
        return None
    return found.decode().strip()


def _copy_tree(store: ObjectStore, git_dir: Path, commit: str, where: str) -> str:
    """Copy a commit's files, packed as they are, into the store; returns the tree's id."""
    try:
        tree = git(git_dir, "rev-parse", "--verify", f"{commit}^{{tree}}").decode().strip()
        listing = git(git_dir, "ls-tree", "-r", "-t", "-z", "--full-tree", tree).split(b"\0")[:-1]
        kept = (line.split(b"\t", 1)[0].split(b" ") for line in listing)
        wanted = dict.fromkeys([tree.encode(), *(fields[2] for fields in kept if fields[1] != b"commit")])
        # Names on standard input: nothing is followed, so submodules and history stay behind.
        names = b"".join(name + b"\n" for name in wanted)
        target = str(store.folder.resolve() / "objects" / "pack" / "pack")
        git(git_dir, "pack-objects", "-q", "--window=0", "--delta-base-offset", target, stdin=names)
    except GitFailed as error:
        raise RepositoryError(f"the commit cannot be read: {error}", value=commit, where=where) from None
    store.forget()
    return tree


def _is_clean(store: ObjectStore, git_dir: Path, path: Path, tree: str) -> bool:
    """Whether a folder holds exactly a tree and ignored files; nothing of the repository's configuration is obeyed."""
    index = store.folder / "clean-index"
    exclude = git_dir / "info" / "exclude"
    env = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(path)}
    settings = ["-c", "core.bare=false", "-c", f"core.excludesFile={exclude if exclude.is_file() else os.devnull}"]
    try:
        git(store.folder, "read-tree", tree, env={"GIT_INDEX_FILE": str(index)})
        listing = ("ls-files", "-z", "--modified", "--deleted", "--others", "--exclude-standard")
        differing = git(store.folder, *settings, *listing, env=env)
    except GitFailed:
        return False
    finally:
        index.unlink(missing_ok=True)
    return not differing


def _from_url(store: ObjectStore, url: str, commit: str | None, folder: Path, base_folder: Path | None) -> Source:
    if commit is None:
        raise RepositoryError("a repository url needs a commit", value=url, hint="add repository.commit")
    local = _local(url, base_folder)
    if local is not None:
        git_dir = _git_dir(local) if local.is_dir() else None
        if git_dir is None:
            raise RepositoryError("no git repository can be cloned from there", value=url)
        found = _resolve(git_dir, commit)
        if found is None:
            raise RepositoryError("the repository has no such commit", value=commit, where=url)
        return Source(_copy_tree(store, git_dir, found, url), found, url)
    if url.startswith("-") or "::" in url.split("/", 1)[0]:
        raise RepositoryError("not a repository url", value=url, hint="use https, ssh, git or file")
    incoming = folder / "incoming"
    try:
        make_repository(incoming)
        found = _fetch(incoming, url, commit)
        return Source(_copy_tree(store, incoming, found, url), found, _without_password(url))
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def _local(url: str, base_folder: Path | None) -> Path | None:
    """The folder a url names on this machine."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    path = _absolute(url, base_folder)
    # As in git, a colon before any slash makes it an ssh address unless such a folder exists.
    return path if not parts.scheme and (":" not in url.split("/", 1)[0] or path.exists()) else None


def _fetch(incoming: Path, url: str, commit: str) -> str:
    env = {name: os.environ[name] for name in _PASSED if name in os.environ}
    env |= {"GIT_ALLOW_PROTOCOL": _PROTOCOLS, "GIT_SSH_COMMAND": "ssh -oBatchMode=yes"}
    common = ("-c", "fetch.fsckObjects=true", "fetch", "--quiet", "--no-tags", "--no-recurse-submodules")
    wanted = [f"+{commit}:refs/heads/wanted"] if _FULL_ID.fullmatch(commit) or _plain(commit) else []
    with contextlib.suppress(GitFailed):
        git(incoming, *common, "--depth=1", "--", url, *wanted, env=env, timeout=_FETCH_S)
        found = _resolve(incoming, "refs/heads/wanted") if wanted else None
        if found is not None:
            return found
    everything = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
    try:
        git(incoming, *common, "--", url, *everything, env=env, timeout=_FETCH_S)
    except GitFailed as error:
        raise RepositoryError(f"the repository cannot be cloned: {error}", value=_without_password(url)) from None
    found = _resolve(incoming, commit)
    if found is None:
        raise RepositoryError("the repository has no such commit", value=commit, where=_without_password(url))
    return found


def _plain(commit: str) -> bool:
    return re.fullmatch(r"[\w./-]+", commit) is not None


def _without_password(url: str) -> str:
    return re.sub(r"(?<=://)[^/@]*@", "", url)
