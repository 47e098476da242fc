"""Long texts: their beginning and end now, the rest on request; and numbered pages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from terret.tools._result import ToolFailure

PAGE_LINES = 250
"""Lines of one page."""

PAGE_CHARS = 7000
"""Characters of one page."""

LINE_CHARS = 1000
"""Characters shown of one line."""

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")


def condense(text: str, limit: int, *, handle: str = "") -> tuple[str, bool]:
    """A text of at most ``limit`` characters as it is; of a longer one the beginning and the end, and True.

    Args:
        text: The text.
        limit: Characters of the result, the line about what is left out included.
        handle: What ``read_output`` takes to show the whole text; empty when it is kept nowhere.
    """
    if len(text) <= limit:
        return text, False
    room = max(0, limit - len(_notice(len(text), 4 * len(text), len(text), handle)))
    head = text[: room // 2]
    head = head[: head.rfind("\n") + 1 or len(head)]
    tail = text[len(text) - (room - room // 2) :] if room else ""
    line = tail.find("\n") + 1
    tail = tail[line:] if 0 < line < len(tail) else tail
    dropped = text[len(head) : len(text) - len(tail)]
    size = len(dropped.encode("utf-8", "replace"))
    return head + _notice(dropped.count("\n"), size, head.count("\n") + 1, handle) + tail, True


def _notice(lines: int, size: int, start: int, handle: str) -> str:
    more = f'; read_output("{handle}", start={start}) shows them' if handle else ""
    return f"\n[... {lines} lines / {size} bytes left out{more} ...]\n"


def readable(output: bytes) -> str:
    """A command's output as text: undecodable bytes replaced, colours gone, overwritten progress lines gone."""
    text = _ESCAPE.sub("", output.decode("utf-8", "replace")).replace("\r\n", "\n")
    if "\r" in text:
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return text


def page(title: str, lines: Sequence[str], start: int, end: int | None) -> str:
    """Numbered lines ``start`` to ``end`` (1-based, inclusive), at most a page, and where to read on.

    Raises:
        ToolFailure: ``bad_range``.
    """
    total = len(lines)
    if start < 1:
        raise ToolFailure("bad_range", f"start={start}: lines are counted from 1")
    if start > total:
        raise ToolFailure("bad_range", f"start={start} is past the end: {title} has {total} lines")
    if end is not None and end < start:
        raise ToolFailure("bad_range", f"end={end} is before start={start}; leave end out to read on to the end")
    last = min(total, start + PAGE_LINES - 1, end or total)
    shown: list[str] = []
    room = PAGE_CHARS
    for number in range(start, last + 1):
        line = numbered(number, lines[number - 1], len(str(last)))
        room -= len(line) + 1
        if room < 0 and shown:
            last = number - 1
            break
        shown.append(line)
    more = f"; read on with start={last + 1}" if last < min(total, end or total) else ""
    return f"{title}, lines {start}-{last} of {total}{more}:\n" + "\n".join(shown)


def numbered(number: int, line: str, width: int = 0) -> str:
    """A line with its number, cut if it is very long."""
    if len(line) > LINE_CHARS:
        line = f"{line[:LINE_CHARS]} [... {len(line) - LINE_CHARS} more characters]"
    return f"{number:>{width}}|{line}"


def region(text: str, first: int, last: int, around: int = 2, most: int = 24) -> str:
    """The lines ``first`` to ``last`` with some around them, numbered, the middle left out when there are many."""
    lines = split_lines(text)
    begin, end = max(1, first - around), min(len(lines), last + around)
    width = len(str(end))
    shown = [numbered(number, lines[number - 1], width) for number in range(begin, end + 1)]
    if len(shown) > most:
        half = most // 2
        shown[half:-half] = [f"[... {len(shown) - 2 * half} lines ...]"]
    return "\n".join(shown)


def split_lines(text: str) -> list[str]:
    """The lines of a text; a final line feed does not begin another one."""
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines
