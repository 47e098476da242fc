"""Added blocks that exist elsewhere: six or more lines, compared without blanks, comments and imports."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from terret.entropy._burden import Burden, burden
from terret.entropy._change import Change
from terret.entropy._paths import BRACES, PYTHON, SCRIPT, is_generated, is_source, is_test, suffix

WINDOW = 6
"""Lines a block must have."""

_PLACES = 50
_SUBSTANTIAL = 4
_CHARACTERS = 90
_LEFT_OUT = re.compile(r"(?:#|//|\*|/\*|import\b|from\b.*\bimport\b|export\b.*\bfrom\b|use\b|#include|package\b|@)")
_PLAIN = re.compile(
    r"[\w.]+\??: [\w\[\]., |\"'<>]+;?(?: = [\w.\[\]{}()\"']+)?,?|[\w.*=]+,?|[\w.]+=[\w.]+,?|[\"'].*[\"'],?"
    r"|\{?[\"'].*\},?"
)
"""Fields, arguments and literals: rows that are alike without having been copied."""

_DOCSTRING = re.compile(r"[rRuU]?(\"\"\"|''')")

Key = tuple[str, ...]


class _Row(NamedTuple):
    line: int
    text: str


class _Place(NamedTuple):
    path: str
    at: int  # index into the rows of the file


def duplicates(change: Change) -> Iterator[Burden]:
    """One burden a copied block, at its first line."""
    rows = {file.path: _rows(file.new or "") for file in change.written(is_source)}
    before = _counts([_rows(file.old) for file in change.files if file.old and is_source(file.path)])
    wanted: dict[Key, list[_Place]] = {}
    for path, found in rows.items():
        added = change.by_path[path].added_numbers
        for at in range(len(found) - WINDOW + 1):
            window = found[at : at + WINDOW]
            if all(row.line in added for row in window) and _matters(window):
                places = wanted.setdefault(_key(window), [])
                if len(places) < _PLACES:
                    places.append(_Place(path, at))
    now = _counts(list(rows.values())) if wanted else Counter[Key]()
    wanted = {key: places for key, places in wanted.items() if now[key] > before[key]}
    if wanted:
        yield from _report(change, rows, wanted, _copies(change, rows, wanted))


def _counts(files: Sequence[list[_Row]]) -> Counter[Key]:
    """How often each window occurs."""
    return Counter(_key(rows[at : at + WINDOW]) for rows in files for at in range(len(rows) - WINDOW + 1))


def _copies(change: Change, rows: dict[str, list[_Row]], wanted: dict[Key, list[_Place]]) -> dict[Key, list[_Place]]:
    """Where the wanted windows occur in the tree with the patch."""
    firsts = {key[0] for key in wanted}
    found: dict[Key, list[_Place]] = {}
    for path, text in change.sources():
        if path not in rows:
            if is_generated(path, text):
                continue
            rows[path] = _rows(text)
        mine = rows[path]
        for at in range(len(mine) - WINDOW + 1):
            if mine[at].text in firsts and (key := _key(mine[at : at + WINDOW])) in wanted:
                places = found.setdefault(key, [])
                if len(places) < _PLACES:
                    places.append(_Place(path, at))
    return found


def _report(
    change: Change, rows: dict[str, list[_Row]], wanted: dict[Key, list[_Place]], copies: dict[Key, list[_Place]]
) -> Iterator[Burden]:
    origin: dict[_Place, _Place] = {}
    for key, places in wanted.items():
        for place in places:
            for other in copies.get(key, ()):
                apart = other.path != place.path or abs(other.at - place.at) >= WINDOW
                if apart and _family(other.path) == _family(place.path) and _comes_first(change, rows, other, place):
                    origin.setdefault(place, other)
    done: set[_Place] = set()
    for place in sorted(origin):
        if place in done:
            continue
        length = 1
        while _Place(place.path, place.at + length) in origin:
            done.add(_Place(place.path, place.at + length))
            length += 1
        mine, other = rows[place.path], origin[place]
        line, last = mine[place.at].line, mine[place.at + length + WINDOW - 2].line
        evidence = f"lines {line}-{last} repeat {other.path}:{rows[other.path][other.at].line}: {mine[place.at].text}"
        yield burden("duplicate_block", place.path, line, evidence, 1 if is_test(place.path) else None)


def _comes_first(change: Change, rows: dict[str, list[_Row]], other: _Place, place: _Place) -> bool:
    """Whether ``other`` is the original: it was there before, or of two new copies it is the earlier."""
    diff = change.by_path.get(other.path)
    new = diff is not None and rows[other.path][other.at].line in diff.added_numbers
    return not new or other < place


def _rows(text: str) -> list[_Row]:
    """The lines of a text that count; docstrings do not."""
    found: list[_Row] = []
    closing = ""
    for number, line in enumerate(text.split("\n"), 1):
        plain = " ".join(line.split())
        if closing:
            closing = "" if closing in plain else closing
        elif opening := _DOCSTRING.match(plain):
            closing = "" if opening[1] in plain[opening.end() :] else opening[1]
        elif plain and not _LEFT_OUT.match(plain):
            found.append(_Row(number, plain))
    return found


def _key(window: Sequence[_Row]) -> Key:
    return tuple(row.text for row in window)


def _matters(window: Sequence[_Row]) -> bool:
    """Whether the lines are more than brackets, fields, arguments and table rows."""
    substantial = sum(1 for row in window if len(re.findall(r"\w", row.text)) >= 6 and not _PLAIN.fullmatch(row.text))
    return substantial >= _SUBSTANTIAL and sum(len(row.text) for row in window) >= _CHARACTERS


def _family(path: str) -> int:
    kind = suffix(path)
    return next((at for at, group in enumerate((PYTHON, SCRIPT, BRACES)) if kind in group), -1)
