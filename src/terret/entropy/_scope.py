"""Edits that have nothing to do with the task, and files that were only reformatted.

A changed file is related when the task's hints name it, when it imports, is imported by or names a related file, or
when it is a text that names what a related file defines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from terret.entropy._burden import Burden, burden
from terret.entropy._change import Change, FileDiff, Hunk
from terret.entropy._format import line_ends
from terret.entropy._graph import Graph
from terret.entropy._paths import base, is_document, is_history, is_lock, is_manifest, is_source, is_test, stem, suffix
from terret.entropy._python import WORD
from terret.globs import Glob

_LINES = 8
_SHARE = 0.5
_COMMON = frozenset(
    {
        "main",
        "index",
        "utils",
        "util",
        "test",
        "tests",
        "conftest",
        "setup",
        "app",
        "common",
        "helpers",
        "types",
        "init",
    }
)


def scope(change: Change) -> Iterator[Burden]:
    """Every edit that leaves the task, and every mass reformatting."""
    reformatted: set[str] = set()
    for file in change.written(lambda path: not is_lock(path)):
        for item in _reformatting(file):
            reformatted.add(file.path)
            yield item
    if not change.hints:
        return
    related = _related(change)
    for file in change.files:
        if file.path not in related and file.path not in reformatted and not _goes_along(file.path):
            first = (file.added or file.removed or [(0, "")])[0]
            severity = 1 if is_document(file.path) else None
            evidence = f"{first[1].strip()} (the task is about {', '.join(change.hints[:3])})"
            yield burden("unrelated_edit", file.path, first[0], evidence, severity)


def is_hinted(change: Change, path: str) -> bool:
    """Whether a hint is this file, its folder, a pattern for it, or its name."""
    for hint in change.hints:
        plain = hint.removeprefix("./").rstrip("/")
        if path == plain or path.startswith(plain + "/") or path.endswith("/" + plain) or Glob(plain).covers(path):
            return True
    return False


def _goes_along(path: str) -> bool:
    """Whether it changes with whatever is changed; dependencies and residue are judged elsewhere."""
    return is_history(path) or is_lock(path) or is_manifest(path) or not (is_source(path) or is_document(path))


def _related(change: Change) -> set[str]:
    new, old = Graph(change), Graph(change, old=True)
    seeds = {path for path in {*change.known, *change.deleted} if is_hinted(change, path)}
    related = set(seeds)
    open_files = {file.path for file in change.files} - related
    while True:
        near = {path for path in open_files if _is_near(change, path, related, new, old)}
        if not near:
            return related
        related |= near
        open_files -= near


def _is_near(change: Change, path: str, related: set[str], new: Graph, old: Graph) -> bool:
    mine = {edge.path for graph in (new, old) for edge in graph.edges(path)}
    if mine & related:
        return True
    if any(path == edge.path for other in related for graph in (new, old) for edge in graph.edges(other)):
        return True
    if is_test(path) and any(_names_module(path, other) for other in related):
        return True
    return _shares_a_name(change, path, related)


def _names_module(path: str, other: str) -> bool:
    plain = re.sub(r"^tests?_|_tests?$|[._-](?:test|spec)$", "", stem(path))
    return plain == stem(other)


def _shares_a_name(change: Change, path: str, related: set[str]) -> bool:
    """Whether the changed lines name a related file, or a word that is new or gone in one."""
    file = change.by_path[path]
    words = {word for _, line in [*file.added, *file.removed] for word in WORD.findall(line)}
    if is_document(path):
        words |= set(WORD.findall(file.new or ""))
    names = {stem(other) for other in related if other in change.by_path} - _COMMON
    if words & {name for name in names if len(name) > 3}:
        return True
    return bool(words & _new_words(change, related))


def _new_words(change: Change, related: set[str]) -> set[str]:
    """Identifiers that the change brings to or takes from related files; words of prose left out."""
    found: set[str] = set()
    for other in related:
        file = change.by_path.get(other)
        if file is not None and is_source(other):
            new, old = set(WORD.findall(file.new or "")), set(WORD.findall(file.old or ""))
            found |= {word for word in new ^ old if (len(word) > 4 and not word.islower()) or "_" in word}
    return found


def _reformatting(file: FileDiff) -> Iterator[Burden]:
    old, new = file.old, file.new
    if old is None or new is None:
        return
    windows_before, unix_before = line_ends(old)
    windows, unix = line_ends(new)
    if (unix_before and not windows_before and windows and not unix) or (
        windows_before and not unix_before and unix and not windows
    ):
        yield burden("reformatting", file.path, 1, f"every line end of {base(file.path)} changed")
        return
    kept = [at for hunk in file.hunks for at in _only_blanks(file, hunk)]
    if (
        len(kept) >= _LINES
        and len(kept) >= _SHARE * len(file.added)
        and suffix(file.path) not in (".md", ".json", ".snap")
    ):
        share = f"{len(kept)} of {len(file.added)} changed lines differ in blanks and quotes only"
        evidence = f"{share}: {file.new_lines[kept[0]].strip()}"
        yield burden("reformatting", file.path, kept[0] + 1, evidence)


def _only_blanks(file: FileDiff, hunk: Hunk) -> list[int]:
    """Indices of new lines that say what old ones of the hunk said; lines moved under a new header are explained."""
    before = [_essence(line) for line in file.old_lines[hunk.i1 : hunk.i2]]
    raw = set(file.old_lines[hunk.i1 : hunk.i2])
    same: list[int] = []
    real = False
    indented = True
    for at in range(hunk.j1, hunk.j2):
        line = file.new_lines[at]
        essence = _essence(line)
        if essence and essence in before and line not in raw:
            before.remove(essence)
            same.append(at)
            indented = indented and line.strip() in {text.strip() for text in raw}
        elif line.strip():
            real = True
    real = real or any(before)
    return [] if real and indented else same


def _essence(line: str) -> str:
    """A line without blanks, kind of quotes and trailing commas and semicolons."""
    return re.sub(r"\s+", "", line).replace('"', "'").rstrip(",;")
