# ruff: noqa: PTH112, PTH114, PTH115, PTH116, PTH118, PTH123, PTH208, PTH211
"""Round trips over random trees: snapshot, restore, diff, apply and archive lose nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from terret.sandbox import Workspace
from terret.task import Repository

NAMES = st.one_of(
    st.sampled_from(
        ["a", "b", "c", "a.txt", "A", "a b", ".hidden", "\u00e9", "e\u0301", "-x", ":(top)x", 'q"q', "back\\slash"]
    ),
    st.sampled_from([".git", ".Git", ".gitattributes", ".gitmodules", "git~1", "new\nline", "tab\t", "*", "\udcff"]),
    st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=6).filter(
        lambda name: name not in (".", "..")
    ),
)
FILE = st.tuples(
    st.sampled_from(["file", "exec"]),
    st.one_of(
        st.binary(max_size=40), st.just(b"a\nb\nc\n"), st.just(b"a\nB\nc"), st.just(b""), st.just(b"* text eol=crlf\n")
    ),
)
LINK = st.tuples(st.just("link"), st.sampled_from([b"a", b"../x", b"/etc/passwd", b"nowhere", b".git", b"\xff"]))
NODE = st.recursive(st.one_of(FILE, FILE, LINK), lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)
TREE = st.dictionaries(NAMES, NODE, max_size=6)


def build(folder: Path, tree: dict) -> None:
    for name, node in tree.items():
        path = folder / name
        if len(os.fsencode(name)) > 200:
            continue
        if isinstance(node, dict):
            path.mkdir()
            build(path, node)
        elif node[0] == "link":
            os.symlink(node[1], os.fsencode(path))
        else:
            path.write_bytes(node[1])
            path.chmod(0o755 if node[0] == "exec" else 0o644)


def seen(folder: bytes, below: bytes = b"") -> dict[bytes, tuple]:
    """Files and links as a tree keeps them."""
    found = {}
    for name in os.listdir(folder):
        path, shown = os.path.join(folder, name), below + name
        if os.path.islink(path):
            found[shown] = ("link", os.readlink(path))
        elif os.path.isdir(path):
            found |= seen(path, shown + b"/")
        else:
            with open(path, "rb") as file:
                found[shown] = (bool(os.stat(path).st_mode & 0o100), file.read())
    return found


def kept(files: dict[bytes, tuple]) -> dict[bytes, tuple]:
    def stored(path: bytes, kind: object) -> bool:
        parts = path.lower().split(b"/")
        return b".git" not in parts and not (kind == "link" and b".gitmodules" in parts)

    return {path: file for path, file in files.items() if stored(path, file[0])}


def clear(root: Path) -> None:
    for path in root.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@settings(max_examples=10)
@example(
    first={".gitmodules": ("link", b"a"), "d": {"e": {"f": ("file", b"x")}}, "m": ("file", b"y"), "t": ("link", b"a")},
    second={
        "d": ("file", b"now a file"),
        "m": ("exec", b"y"),
        "t": {"g": ("exec", b"")},
        ".git": {"HEAD": ("file", b"")},
    },
)
@given(first=TREE, second=TREE)
def test_nothing_is_lost_on_the_way(first, second):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workspace = Workspace.create(folder / "one", Repository(files={}), base_folder=None)
        states, trees = [], []
        for tree in (first, second):
            clear(workspace.root)
            build(workspace.root, tree)
            states.append(kept(seen(os.fsencode(workspace.root))))
            trees.append(workspace.snapshot())
        assert (trees[0] == trees[1]) == (states[0] == states[1])
        for index in (0, 1, 0):
            workspace.restore(trees[index])
            assert seen(os.fsencode(workspace.root)) == states[index]
            assert workspace.snapshot() == trees[index]
        patch = workspace.diff(trees[0], trees[1], exclude=())
        workspace.apply(patch)
        assert workspace.snapshot() == trees[1]
        assert seen(os.fsencode(workspace.root)) == states[1]
        changed = {path for path in states[0].keys() | states[1].keys() if states[0].get(path) != states[1].get(path)}
        assert {os.fsencode(c.path) for c in workspace.changes(trees[0], trees[1], exclude=())} == changed
        copy = Workspace.from_archive(folder / "two", workspace.archive(trees[0]))
        assert copy.base == trees[0]
        assert seen(os.fsencode(copy.root)) == states[0]
        assert [os.fsencode(path) for path in copy.paths(copy.base)] == sorted(states[0], key=os.fsdecode)
        again = Workspace.open(folder / "one")
        assert again.snapshot() == trees[1]
        again.restore(trees[0])
        assert seen(os.fsencode(again.root)) == states[0]
