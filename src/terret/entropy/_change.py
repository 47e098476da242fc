"""A change as the detectors see it: texts before and after, lines added and removed, cached trees."""

from __future__ import annotations

import ast
import difflib
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

from terret.entropy._paths import is_generated, is_source, is_test
from terret.entropy._python import used_names

Reader = Callable[[str], bytes | None]
"""A path's content, nothing when there is no such file."""

TEXT_LIMIT = 512 * 1024
"""Larger files are not read."""

_DIFF_LIMIT = 4000
_FILES_LIMIT = 5000


class Changed(Protocol):
    """What is needed of a changed file; ``status`` is git's letter: A, M, D or T."""

    @property
    def path(self) -> str:
        """Relative to the repository."""
        ...

    @property
    def status(self) -> str:
        """How it changed."""
        ...


class Hunk(NamedTuple):
    """Lines ``old[i1:i2]`` became ``new[j1:j2]``."""

    i1: int
    i2: int
    j1: int
    j2: int


class FileDiff:
    """One changed file; ``old`` and ``new`` are texts, nothing when absent, binary or too large."""

    def __init__(self, path: str, status: str, old: str | None, new: str | None) -> None:
        self.path = path
        self.status = status
        self.old = old
        self.new = new
        self.old_lines = lines_of(old or "")
        self.new_lines = lines_of(new or "")

    @cached_property
    def hunks(self) -> list[Hunk]:
        """Where the lines differ."""
        return list(_hunks(self.old_lines, self.new_lines))

    @cached_property
    def added(self) -> list[tuple[int, str]]:
        """New lines with their numbers."""
        return [(at + 1, self.new_lines[at]) for hunk in self.hunks for at in range(hunk.j1, hunk.j2)]

    @cached_property
    def removed(self) -> list[tuple[int, str]]:
        """Lines that are gone with their old numbers."""
        return [(at + 1, self.old_lines[at]) for hunk in self.hunks for at in range(hunk.i1, hunk.i2)]

    @cached_property
    def added_numbers(self) -> frozenset[int]:
        """The numbers of the new lines."""
        return frozenset(number for number, _ in self.added)

    @cached_property
    def written(self) -> bool:
        """Whether someone wrote the new text: there is one, and no tool made it."""
        return self.new is not None and not is_generated(self.path, self.new)


class Change:
    """The whole change.

    Args:
        before: Reads the tree without the patch.
        after: Reads the tree with it.
        files: What changed.
        paths: Every path of the tree with the patch.
        hints: Files, folders or patterns the task is about.
    """

    def __init__(
        self, before: Reader, after: Reader, files: Sequence[Changed], paths: Sequence[str], hints: Sequence[str] = ()
    ) -> None:
        self._after = after
        self._texts: dict[str, str | None] = {}
        self._trees: dict[tuple[str, bool], ast.Module | None] = {}
        self._names: dict[tuple[str, bool], Counter[str]] = {}
        self.paths = tuple(sorted(set(paths)))
        self.known = frozenset(self.paths)
        self.hints = tuple(hints)
        self.files: list[FileDiff] = []
        for changed in sorted(files, key=lambda item: item.path):
            old = decode(before(changed.path)) if changed.status != "A" else None
            new = decode(after(changed.path)) if changed.status != "D" else None
            self.files.append(FileDiff(changed.path, changed.status, old, new))
        self.by_path: Mapping[str, FileDiff] = {file.path: file for file in self.files}

    @cached_property
    def deleted(self) -> list[str]:
        """Paths that are gone."""
        return [file.path for file in self.files if file.status == "D" and file.path not in self.known]

    @cached_property
    def old_paths(self) -> frozenset[str]:
        """Every path of the tree without the patch."""
        return (self.known - {file.path for file in self.files if file.status == "A"}) | frozenset(self.deleted)

    @cached_property
    def removed_lines(self) -> Counter[str]:
        """Every removed line of the whole change, stripped."""
        return Counter(line.strip() for file in self.files for _, line in file.removed)

    def raw(self, path: str) -> bytes | None:
        """The content with the patch."""
        return self._after(path)

    def text(self, path: str) -> str | None:
        """The text with the patch."""
        if path in self.by_path:
            return self.by_path[path].new
        if path not in self._texts:
            self._texts[path] = decode(self._after(path)) if path in self.known else None
        return self._texts[path]

    def old_text(self, path: str) -> str | None:
        """The text without the patch."""
        return self.by_path[path].old if path in self.by_path else self.text(path)

    def tree(self, path: str, *, old: bool = False) -> ast.Module | None:
        """The syntax tree of a Python module; nothing when there is none."""
        old = old and path in self.by_path
        key = (path, old)
        if key not in self._trees:
            text = self.old_text(path) if old else self.text(path)
            self._trees[key] = None if text is None else parse(text)
        return self._trees[key]

    def names(self, path: str, *, old: bool = False) -> Counter[str]:
        """How often a Python module uses each name; empty when there is none."""
        key = (path, old and path in self.by_path)
        if key not in self._names:
            tree = self.tree(path, old=old)
            self._names[key] = used_names(tree) if tree is not None else Counter()
        return self._names[key]

    def written(self, select: Callable[[str], bool]) -> Iterator[FileDiff]:
        """Changed files with a text someone wrote, whose path is selected."""
        return (file for file in self.files if file.written and select(file.path))

    def sources(self, *, tests: bool = True) -> Iterator[tuple[str, str]]:
        """Paths and texts of the programs of the tree with the patch, 5,000 at most."""
        chosen = [path for path in self.paths if is_source(path) and (tests or not is_test(path))]
        for path in chosen[:_FILES_LIMIT]:
            if text := self.text(path):
                yield path, text


def decode(content: bytes | None) -> str | None:
    """The text of a file; nothing when it is absent, binary or larger than ``TEXT_LIMIT``."""
    if content is None or len(content) > TEXT_LIMIT or b"\0" in content:
        return None
    return content.decode("utf-8-sig", "replace")


def lines_of(text: str) -> list[str]:
    """The lines without their ends; no last line when the text ends with a newline."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def parse(text: str) -> ast.Module | None:
    """The syntax tree; nothing when it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def mentions(text: str, name: str) -> bool:
    """Whether a name occurs as a whole word."""
    return name in text and re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", text) is not None


def _hunks(old: list[str], new: list[str]) -> Iterator[Hunk]:
    """The differing stretches; long ones are told apart by their line contents alone, without order."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    one, other = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(one) + len(other) > _DIFF_LIMIT and one and other:
        yield from _unordered(one, other, head)
        return
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind != "equal":
            yield Hunk(i1 + head, i2 + head, j1 + head, j2 + head)


def _unordered(one: list[str], other: list[str], head: int) -> Iterator[Hunk]:
    gained, lost = Counter(other) - Counter(one), Counter(one) - Counter(other)
    for at, line in enumerate(one):
        if lost[line] > 0:
            lost[line] -= 1
            yield Hunk(at + head, at + head + 1, head, head)
    for at, line in enumerate(other):
        if gained[line] > 0:
            gained[line] -= 1
            yield Hunk(head, head, at + head, at + head + 1)
