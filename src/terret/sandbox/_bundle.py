"""Trees beyond a base as one git pack: how a package keeps every state of a workspace at the price of the change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from terret.errors import PackageError, SandboxError
from terret.sandbox._git import GitFailed, git
from terret.sandbox._objects import EMPTY_TREE, TREE, ObjectStore


class Bundle(NamedTuple):
    """A pack, and the contents of the files in it."""

    pack: bytes
    files: list[bytes]


def bundle(store: ObjectStore, known_trees: Sequence[str], trees: Sequence[str]) -> Bundle:
    """Pack the objects of ``trees`` that ``known_trees`` have not."""
    known = {name for name, _ in _objects(store, known_trees, set())}
    added = list(_objects(store, trees, known))
    files = [content for _, content in store.read_many([name for name, is_tree in added if not is_tree])]
    asked = "".join(f"{name}\n" for name, _ in added).encode()
    try:
        pack = git(store.folder, "pack-objects", "--stdout", "-q", stdin=asked)
    except GitFailed as error:
        raise SandboxError(f"the history cannot be packed: {error}") from None
    return Bundle(pack, files)


def unbundle(store: ObjectStore, pack: bytes) -> None:
    """Take in a pack."""
    try:
        git(store.folder, "unpack-objects", "-q", stdin=pack)
    except GitFailed as error:
        raise PackageError(f"the history of the workspace cannot be read: {error}") from None
    store.forget()


def _objects(store: ObjectStore, trees: Iterable[str], known: set[str]) -> Iterable[tuple[str, bool]]:
    """The objects below trees that are not known, each once: its id and whether it is a tree."""
    seen = set(known) | {EMPTY_TREE}
    waiting = list(trees)
    for tree in waiting:
        if tree not in seen:
            store.load_trees(tree)
    while waiting:
        tree = waiting.pop()
        if tree in seen:
            continue
        seen.add(tree)
        yield tree, True
        for item in store.tree(tree):
            if item.mode == TREE:
                waiting.append(item.id)
            elif item.id not in seen and store.has(item.id):
                seen.add(item.id)
                yield item.id, False
