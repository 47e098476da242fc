"""A note of project memory, and when two known failures are the same one."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from typing import Literal

import msgspec

from terret.errors import InputError

NoteKind = Literal["note", "known_failure"]
"""``note``: knowledge about the project. ``known_failure``: something that is known to go wrong."""

TEXT_LIMIT = 4000
"""Characters kept of a note's text; its evidence keeps half as many."""

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_VARYING = (
    (re.compile(r"\b0x[0-9a-f]+\b"), "<address>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[t ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b\d+(?:\.\d+)?\s?(?:ms|s|secs?|seconds?|minutes?)\b"), "<duration>"),
    (re.compile(r"(?:/private)?/(?:tmp|var/folders)/[^\s:'\",)]+"), "<temporary>"),
    (re.compile(r"\bline \d+\b"), "line <n>"),
    (re.compile(r"(?<=[\w.])(?::\d+){1,2}(?=[:\s),]|$)"), ":<n>"),
    (re.compile(r"\s+"), " "),
)
"""What differs between two sightings of one failure; numbers elsewhere tell failures apart and stay."""


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """One piece of memory; ``ts`` is Unix time in seconds, ``episode`` the episode it comes from.

    ``id`` names the content: 16 hex digits, equal for equal notes and for known failures that are the same.
    """

    id: str
    kind: NoteKind
    text: str
    evidence: str = ""
    episode: str = ""
    ts: float = 0.0


def new_note(kind: NoteKind, text: str, *, evidence: str = "", episode: str = "", ts: float = 0.0) -> Note:
    """A note with its id; control characters are dropped and overlong texts cut.

    Raises:
        InputError: The text is empty.
    """
    text, evidence = clean(text, TEXT_LIMIT), clean(evidence, TEXT_LIMIT // 2)
    if not text:
        raise InputError("a note needs a text", value=text, hint="say what is to be remembered")
    return Note(identify(kind, text), kind, text, evidence, clean(episode, 200), ts)


def identify(kind: NoteKind, text: str) -> str:
    """The id of a note with this content."""
    content = normalise(text) if kind == "known_failure" else text
    return sha256(f"{kind}\0{content}".encode()).hexdigest()[:16]


def normalise(text: str) -> str:
    """A failure's text without what differs from one sighting to the next.

    Case, white space, terminal colours, memory addresses, times, durations, temporary paths and line numbers do not
    matter; other numbers do.
    """
    text = _ESCAPES.sub("", text).casefold()
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text.strip()


def clean(text: str, limit: int) -> str:
    """Text without terminal sequences and invisible characters, at most ``limit`` characters, end marked when cut."""
    text = "\n".join(_ESCAPES.sub("", text).splitlines())
    text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in _UNSEEN).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
