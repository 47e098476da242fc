"""Pieces of files that fit a budget."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import msgspec

from terret.context._symbol import Symbol
from terret.models import estimate_tokens


class Span(msgspec.Struct, frozen=True):
    """Lines ``start`` to ``end`` (from 1, both included) of a file; why they are offered; estimated tokens."""

    path: str
    start: int
    end: int
    text: str
    tokens: int
    score: float
    reason: str

    def item(self) -> dict[str, object]:
        """The span as the context trace records it."""
        return {"path": self.path, "start": self.start, "end": self.end, "tokens": self.tokens, "reason": self.reason}


def whole(path: str, text: str, score: float, reason: str) -> Span:
    """A file as one span."""
    lines = text.count("\n") + (not text.endswith("\n"))
    return Span(path, 1, max(1, lines), text, estimate_tokens(text), score, reason)


def pieces(text: str, symbols: Sequence[Symbol], longest: int = 60) -> list[tuple[int, int]]:
    """The file cut at its definitions, every line once: ranges of lines from 1, each at most ``longest`` lines.

    A class stays in one piece while it is short; a long one is cut at its methods.
    """
    lines = text.splitlines()
    total = len(lines)
    cuts = {1, total + 1}
    for symbol in symbols:
        if symbol.kind == "constant" or symbol.start > total:
            continue
        long_class = symbol.kind == "class" and symbol.end - symbol.start >= longest
        inside = symbol.kind == "method" and not _owner_is_long(symbol, symbols, longest)
        if not inside:
            cuts |= {_with_comment(lines, symbol.start)} | (set() if long_class else {min(symbol.end, total) + 1})
    edges = sorted(cuts)
    ranges: list[tuple[int, int]] = []
    for start, after in itertools.pairwise(edges):
        for at in range(start, after, longest):
            end = min(at + longest, after) - 1
            if any(line.strip() for line in lines[at - 1 : end]):
                ranges.append((at, end))
    return ranges


def _owner_is_long(method: Symbol, symbols: Sequence[Symbol], longest: int) -> bool:
    return any(
        item.kind == "class" and item.start <= method.start <= item.end and item.end - item.start >= longest
        for item in symbols
    )


def _with_comment(lines: list[str], start: int) -> int:
    """The first line of the comment block directly above a definition."""
    at = start
    while at > 1 and lines[at - 2].strip().startswith(("#", "//", "*", "/*")):
        at -= 1
    return at


FAINT = 0.3
"""Pieces that weigh less than this share of the file's best are left out even when they fit."""


def best_pieces(
    text: str, symbols: Sequence[Symbol], weigh: Callable[[int, int, str], float], budget: int
) -> list[tuple[int, int, str]]:
    """The ranges of a file that weigh most and fit ``budget`` tokens together, in the order of their lines.

    Neighbours are joined. A range that is itself too long gives as many whole lines as fit.

    Args:
        text: The file.
        symbols: Its outline.
        weigh: What a range is worth, from its first and last line and its text.
        budget: Estimated tokens.
    """
    lines = text.splitlines(keepends=True)
    ranges = [(start, end, "".join(lines[start - 1 : end])) for start, end in pieces(text, symbols)]
    weights = {item: weigh(*item) for item in ranges}
    least = FAINT * max(weights.values(), default=0.0)
    order = sorted((item for item in ranges if weights[item] >= least), key=lambda item: (-weights[item], item[0]))
    chosen: list[tuple[int, int]] = []
    for start, end, body in order:
        size = estimate_tokens(body)
        if size > budget and chosen:
            continue
        while size > budget and end >= start:
            end -= 1
            size = estimate_tokens("".join(lines[start - 1 : end]))
        if end >= start:
            chosen.append((start, end))
            budget -= size
    joined: list[tuple[int, int]] = []
    for start, end in sorted(chosen):
        if joined and start <= joined[-1][1] + 2 and not "".join(lines[joined[-1][1] : start - 1]).strip():
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return [(start, end, "".join(lines[start - 1 : end])) for start, end in joined]
