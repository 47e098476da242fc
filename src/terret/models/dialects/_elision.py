"""Notices code that was left out: a placeholder comment, or a diff where a file was asked for."""

from __future__ import annotations

import re

_COMMENT = re.compile(r"(?:#+|//+|/\*+|<!--|--|;+|%+|\*)[ \t]*(?P<text>[^\n]*)")
_DOTS = re.compile(r"\.{3,}|…")
_THINGS = r"(?:code|file|function|class|method|module|implementation|script)"
_LEFT_OUT = re.compile(
    rf"\b(?:rest|remainder) of (?:the |your |this )?(?:\w+ )?{_THINGS}\b"
    r"|\b(?:existing|previous|original|other|remaining|unchanged) (?:\w+ )?"
    r"(?:code|implementation|methods?|functions?|imports?|contents?|lines?|tests?|logic)\b",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"(?:the )?(?:rest|remainder) of (?:the |your |this )?(?:\w+ )?{_THINGS}(?: (?:goes )?here)?"
    r"|(?:the |your )?(?:existing|previous|original) code(?: (?:goes )?here)?",
    re.IGNORECASE,
)
_SAME = re.compile(
    r"\b(?:unchanged|omitted|stays? the same|remains? the same|same as (?:before|above|original)|goes here|as before|"
    r"remains? unchanged|not shown|truncated|rest)\b",
    re.IGNORECASE,
)
_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@")

LONGEST = 200
"""Characters of a line that can be a placeholder."""


def placeholder(text: str) -> tuple[int, str] | None:
    """The first line that stands for left-out code: its number in ``text``, and the line."""
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        if 3 <= len(bare) <= LONGEST and _is_placeholder(bare):
            return number, bare
    return None


def _is_placeholder(line: str) -> bool:
    comment = _COMMENT.match(line)
    if comment is None:
        # Without a comment sign only a line that begins with dots: `...` alone is Python.
        bare = line.lstrip("([{")
        dots = _DOTS.match(bare)
        # JavaScript's `...rest` is code, `... rest` is not.
        return bool(dots and (_LEFT_OUT.search(bare) or (bare[dots.end() :][:1] == " " and _SAME.search(bare))))
    said = comment["text"].rstrip("*/-> \t").strip("()[] ")
    words = _DOTS.sub("", said).strip()
    if not words:
        return bool(said)
    dots = bool(_DOTS.match(said) or said.endswith(("...", "…")))
    if _LEFT_OUT.search(said):
        return dots or bool(_SAME.search(said) or _BARE.fullmatch(said.rstrip(".")))
    return dots and bool(_SAME.search(said))


def is_diff(tag: str, text: str) -> bool:
    """Whether a block is a patch or a search/replace block rather than a file."""
    if tag in {"diff", "patch", "udiff"}:
        return True
    lines = text.split("\n")
    return any(line.startswith("@@ -") and _HUNK.match(line) for line in lines) or "<<<<<<< SEARCH" in lines
