"""What a command prints and where: results on stdout, news on stderr, JSON instead of both when asked."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import click

Body = Callable[..., int]
"""A command's function: parameters in, exit code out."""


class Output(NamedTuple):
    """The output options of one call."""

    as_json: bool = False
    quiet: bool = False

    def line(self, text: str = "") -> None:
        """A line of the result, for people."""
        if not self.as_json and not self.quiet:
            sys.stdout.write(printable(text) + "\n")

    def note(self, text: str) -> None:
        """A line of news, never part of the result."""
        if not self.quiet:
            sys.stderr.write(printable(text) + "\n")
            sys.stderr.flush()

    def error(self, text: str) -> None:
        """An error line for what did not raise; ``--quiet`` does not silence it."""
        sys.stderr.write(f"terret: {printable(' '.join(text.split()))}\n")
        sys.stderr.flush()

    def document(self, value: Any) -> None:
        """The result, for programs; ``value`` may hold msgspec structs, paths and tuples."""
        if self.as_json:
            import msgspec

            plain = msgspec.to_builtins(value, enc_hook=str)
            sys.stdout.write(json.dumps(plain, ensure_ascii=False, indent=2) + "\n")

    @property
    def live(self) -> bool:
        """Whether a person is watching stderr."""
        return not self.quiet and not self.as_json and sys.stderr.isatty()

    @property
    def told_live(self) -> bool:
        """Whether the person who reads the result has just watched it happen."""
        return self.live and sys.stdout.isatty()


def printable(text: str) -> str:
    """Text that cannot drive the terminal: control characters other than tab and newline are shown as escapes."""
    return "".join(c if (c >= " " and c != "\x7f") or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def output_options(body: Body) -> Body:
    """Add ``--json`` and ``--quiet``; the function gets them as its first argument, an :class:`Output`."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
    @click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
    @functools.wraps(body)
    def wrapped(*, as_json: bool, quiet: bool, **rest: Any) -> int:
        return body(Output(as_json, quiet), **rest)

    return wrapped


def table(rows: list[tuple[str, ...]], indent: str = "") -> list[str]:
    """Rows as left-aligned columns; the last column is not padded."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        (
            indent + "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]])
        ).rstrip()
        for row in rows
    ]
