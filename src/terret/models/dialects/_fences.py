"""Finds fenced blocks, in one pass over the lines."""

from __future__ import annotations

import re
from typing import NamedTuple

from terret.models._types import Reply
from terret.models.dialects._action import FormatError, refuse

_TAG = re.compile(r"[\w+#.-]{1,40}")


class Block(NamedTuple):
    """A fenced block; ``line`` is the number of its opening fence, ``before`` the nearest text line above it.

    ``tag`` is the language the info string begins with, in lower case; ``info`` is all of it. ``body`` ends in
    a line feed unless it is empty.
    """

    line: int
    tag: str
    info: str
    body: str
    before: str
    nested: bool
    """Whether a line of the body looks like the opening of another block."""


class Fences(NamedTuple):
    """The closed blocks of a text, the line of an unclosed opening fence (or 0), and the text outside."""

    blocks: list[Block]
    unclosed: int
    prose: str


class _Fence(NamedTuple):
    char: str
    length: int
    indent: int
    info: str


def scan(text: str) -> Fences:
    """The fenced blocks of a text.

    A fence is a line of at least three backticks or tildes; it is closed by as many or more of the same character
    with nothing behind them. The body loses the indentation of its opening fence.
    """
    blocks: list[Block] = []
    prose: list[str] = []
    body: list[str] = []
    opened: _Fence | None = None
    at = 0
    nested = False
    before = ""
    for number, line in enumerate(text.split("\n"), 1):
        fence = _fence(line)
        if opened is None:
            if fence is None:
                prose.append(line)
                before = line if line.strip() else before
            else:
                opened, at, body, nested = fence, number, [], False
        elif fence is not None and _closes(fence, opened):
            joined = "".join(f"{part}\n" for part in body)
            blocks.append(Block(at, _tag(opened.info), opened.info, joined, before, nested))
            opened, before = None, ""
        else:
            nested = nested or fence is not None
            body.append(_dedent(line, opened.indent))
    return Fences(blocks, 0 if opened is None else at, "\n".join(prose).strip())


def _fence(line: str) -> _Fence | None:
    bare = line.lstrip(" \t")
    if not bare.startswith(("```", "~~~")):
        return None
    char = bare[0]
    rest = bare.lstrip(char)
    if char == "`" and "`" in rest:
        return None
    return _Fence(char, len(bare) - len(rest), len(line) - len(bare), rest.strip())


def _tag(info: str) -> str:
    found = _TAG.match(info)
    return found[0].lower() if found else ""


def _closes(fence: _Fence, opened: _Fence) -> bool:
    same = fence.char == opened.char and fence.length >= opened.length
    return same and not fence.info and fence.indent <= opened.indent + 3


def _dedent(line: str, indent: int) -> str:
    if not indent:
        return line
    bare = line.lstrip(" \t")
    return line[min(indent, len(line) - len(bare)) :]


def closed(fences: Fences, reply: Reply) -> FormatError | None:
    """Why the blocks of a reply cannot be trusted: one is not closed."""
    if not fences.unclosed:
        return None
    if reply.finish == "length":
        message = f"the reply was cut off inside the block that begins in line {fences.unclosed}; answer shorter"
        return refuse("truncated", message)
    if any(block.nested for block in fences.blocks):
        message = "a block holds ``` lines itself, so its end is not clear; open and close the outer block with ````"
        return refuse("nested_fence", message)
    return refuse(
        "unclosed_fence", f"the block that begins in line {fences.unclosed} is not closed; end it with a line ```"
    )


def listed(blocks: list[Block]) -> str:
    """Where blocks begin, for a message."""
    lines = [str(block.line) for block in blocks[:8]]
    return "lines " + ", ".join(lines) + (", ..." if len(blocks) > 8 else "")
