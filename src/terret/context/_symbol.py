"""A named piece of a source file."""

from __future__ import annotations

from typing import Literal

import msgspec

SymbolKind = Literal["function", "class", "method", "constant"]


class Symbol(msgspec.Struct, frozen=True):
    """A definition: lines from ``start`` to ``end`` (from 1, both included).

    ``parent`` is the class a method belongs to, ``signature`` one line as written, ``doc`` the first line of its
    documentation; each empty when there is none.
    """

    name: str
    kind: SymbolKind
    path: str
    start: int
    end: int
    parent: str = ""
    signature: str = ""
    doc: str = ""

    @property
    def qualified(self) -> str:
        """The name with its class before it."""
        return f"{self.parent}.{self.name}" if self.parent else self.name


def cut(text: str, limit: int = 160) -> str:
    """White space collapsed, at most ``limit`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
