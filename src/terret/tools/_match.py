"""Finds the place a replacement belongs to: exactly, or in one of two declared tolerant ways, never by guessing."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from typing import NamedTuple

from terret.tools._condense import numbered, split_lines
from terret.tools._result import ToolFailure

_NUMBERED = re.compile(r"\s*\d+\|")

MOST_CANDIDATES = 1000
"""Places that are looked at before a text counts as occurring several times."""

SHOWN = 10
"""Similar lines a failure shows."""


class Match(NamedTuple):
    """Where ``old`` lies (character offsets), what goes there, and how it was found (empty: exactly)."""

    start: int
    end: int
    new: str
    how: str = ""


def replace_once(text: str, old: str, new: str, *, tolerant: bool) -> tuple[str, Match]:
    """``text`` with its only occurrence of ``old`` replaced, and the match.

    A text of whole lines (it ends in a line feed) prefers an occurrence that begins at a line start, and matches the
    last line of a file without a final line feed. ``tolerant`` also accepts a unique match of whole lines that
    differs in trailing white space only, then one that differs in common indentation only; the replacement is
    re-indented.

    Raises:
        ToolFailure: ``not_found`` or ``several``, with line numbers; ``indentation``.
    """
    padded = text + "\n" if old.endswith("\n") and text and not text.endswith("\n") else text
    match = _exact(padded, old, new)
    if match is None and tolerant:
        match = _lines_match(padded, old, new)
    if match is None:
        raise ToolFailure("not_found", _not_found(text, old))
    changed = padded[: match.start] + match.new + padded[match.end :]
    if padded is not text:
        changed = changed.removesuffix("\n")
    return changed, match


def _exact(text: str, old: str, new: str) -> Match | None:
    hits = _find_all(text, old)
    if old.endswith("\n"):
        aligned = [at for at in hits if at == 0 or text[at - 1] == "\n"]
        hits = aligned or hits
    if len(hits) > 1:
        raise _several(text, hits)
    return Match(hits[0], hits[0] + len(old), new) if hits else None


def _find_all(text: str, old: str) -> list[int]:
    hits: list[int] = []
    at = text.find(old)
    while at >= 0 and len(hits) < MOST_CANDIDATES:
        hits.append(at)
        at = text.find(old, at + 1)
    return hits


def _lines_match(text: str, old: str, new: str) -> Match | None:
    """A unique match of whole lines, modulo trailing white space, then modulo common indentation."""
    lines = text.split("\n")
    wanted = split_lines(old)
    if not any(line.strip() for line in wanted):
        return None
    block = new if new.endswith("\n") or not new else new + "\n"
    places = _places([line.rstrip() for line in lines], [line.rstrip() for line in wanted])
    if places:
        return _spanning(text, lines, wanted, places, block, "ignoring trailing white space")
    places = _places([line.strip() for line in lines], [line.strip() for line in wanted])
    places = [place for place in places if _shift(wanted, lines[place : place + len(wanted)]) is not None]
    if not places:
        return None
    match = _spanning(text, lines, wanted, places, block, "ignoring indentation")
    shift = _shift(wanted, lines[places[0] : places[0] + len(wanted)])
    assert shift is not None
    return match._replace(new=_reindented(block, *shift, line=places[0] + 1))


def _places(lines: list[str], wanted: list[str]) -> list[int]:
    """The indices at which ``wanted`` occurs as consecutive lines."""
    hits = _find_all("\n" + "\n".join(lines) + "\n", "\n" + "\n".join(wanted) + "\n")
    if not hits:
        return []
    starts: dict[int, int] = {}
    offset = 0
    for index, line in enumerate(lines):
        starts[offset] = index
        offset += len(line) + 1
    return [starts[hit] for hit in hits]


def _spanning(text: str, lines: list[str], wanted: list[str], places: list[int], new: str, how: str) -> Match:
    starts = [sum(len(line) + 1 for line in lines[:place]) for place in places[:8]]
    if len(places) > 1:
        raise _several(text, starts, len(places))
    end = starts[0] + sum(len(line) + 1 for line in lines[places[0] : places[0] + len(wanted)])
    return Match(starts[0], min(end, len(text)), new, how)


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _common(indents: list[str]) -> str:
    first, last = min(indents), max(indents)
    same = 0
    while same < len(first) and first[same] == last[same]:
        same += 1
    return first[:same]


def _shift(wanted: list[str], found: list[str]) -> tuple[str, str] | None:
    """The common indentation of both, if that is all in which they differ."""
    pairs = [(old, line) for old, line in zip(wanted, found, strict=True) if old.strip()]
    old_indent = _common([_indent(old) for old, _ in pairs])
    new_indent = _common([_indent(line) for _, line in pairs])
    same = all(old[len(old_indent) :].rstrip() == line[len(new_indent) :].rstrip() for old, line in pairs)
    return (old_indent, new_indent) if same else None


def _reindented(block: str, old_indent: str, new_indent: str, *, line: int) -> str:
    moved: list[str] = []
    for part in split_lines(block):
        if part.strip() and not part.startswith(old_indent):
            raise ToolFailure(
                "indentation",
                f"the lines to replace (from line {line}) are indented differently in the file, and the replacement "
                "cannot be moved along with them; copy the indentation of the file",
            )
        moved.append(new_indent + part[len(old_indent) :] if part.strip() else "")
    return "".join(f"{part}\n" for part in moved)


def line_at(text: str, offset: int) -> int:
    """The number of the line that holds a character."""
    return text.count("\n", 0, offset) + 1


def _several(text: str, hits: list[int], count: int | None = None) -> ToolFailure:
    count = count or len(hits)
    shown = ", ".join(str(line_at(text, at)) for at in hits[:8]) + (", ..." if count > 8 else "")
    many = f"at least {count}" if count >= MOST_CANDIDATES else str(count)
    return ToolFailure("several", f"the text to replace occurs {many} times (lines {shown}); add lines around it")


def _not_found(text: str, old: str) -> str:
    wanted = [line for line in split_lines(old) if line.strip()]
    if wanted and all(_NUMBERED.match(line) for line in wanted):
        return "the text to replace holds line numbers; leave out the `NUMBER|` at the beginning of each line"
    near = _nearest(split_lines(text), split_lines(old))
    message = "the text to replace does not occur in the file"
    if not near:
        return f"{message}, nor anything like it; read the file again"
    return f"{message}. Most similar, copy exactly from here without the numbers:\n{near}"


def _nearest(lines: list[str], wanted: list[str]) -> str:
    """The stretch of lines that shares most with what was looked for, from shortly before they first differ."""
    places: dict[str, list[int]] = {}
    for index, line in enumerate(wanted):
        if line.strip() and len(places.setdefault(line.strip(), [])) < 3:
            places[line.strip()].append(index)
    votes: Counter[int] = Counter()
    for index, line in enumerate(lines):
        for place in places.get(line.strip(), ()):
            votes[index - place] += min(len(line.strip()), 40)
    start, score = max(votes.items(), key=lambda item: (item[1], -item[0]), default=(0, 0))
    if score < 4:
        start = _closest_line(lines, max(wanted, key=len, default=""))
        if start < 0:
            return ""
    start = max(0, start)
    size = len(wanted)
    if size > SHOWN:
        pairs = zip(wanted, lines[start : start + size], strict=False)
        start += max(0, next((at for at, (old, line) in enumerate(pairs) if old != line), 0) - 3)
    last = min(len(lines), start + min(size, SHOWN))
    return "\n".join(numbered(number, lines[number - 1], len(str(last))) for number in range(start + 1, last + 1))


def _closest_line(lines: list[str], wanted: str) -> int:
    short = [line.strip()[:120] for line in lines[:3000]]
    found = difflib.get_close_matches(wanted.strip()[:120], [line for line in short if line], n=1, cutoff=0.6)
    return short.index(found[0]) if found else -1
