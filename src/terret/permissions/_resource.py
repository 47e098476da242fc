"""Typed resources, and the patterns that stand for many of them.

A resource is written ``KIND:SEGMENT/SEGMENT``; a colon separates segments as a slash does, so ``net:host:443`` and
``fs:src/a.py`` both read naturally. A segment that holds ``:``, ``/``, ``%`` or is ``*`` is written with percent
escapes (``%3A``, ``%2F``, ``%25``, ``%2A``).

In a pattern a segment ``*`` is any one segment, and a last segment ``**`` is one or more. Wildcards stand for whole
segments only, and the kind is always spelled out.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

from terret.errors import InputError

_KIND: Final = re.compile(r"[a-z][a-z0-9_.-]*", re.ASCII)
_PLAIN: Final = re.compile(
    r"[a-z][a-z0-9_.-]*:(?:(?!(?:\.{1,2}|\*\*?)(?:[:/]|\Z))[^/:%\0]+(?:[/:](?!\Z)|\Z))+", re.ASCII
)
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_BAD: Final = frozenset({"", ".", ".."})
_HINT: Final = "write KIND:SEGMENT/SEGMENT, such as fs:src/a.py"


class Resource(NamedTuple):
    """One thing that authority is about."""

    kind: str
    segments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Resource:
        """Read a resource.

        Raises:
            InputError: It has no kind, an empty, ``.`` or ``..`` segment, or a wildcard.
        """
        if text.isascii() and _PLAIN.fullmatch(text):
            kind, _, rest = text.partition(":")
            return cls(kind, tuple(rest.replace(":", "/").split("/")))
        kind, parts = _split(text)
        for part in parts:
            if part in ("*", "**"):
                raise InputError("a resource has no wildcards", value=text, hint="write %2A for the character itself")
        return cls(kind, tuple(_segment(part, text) for part in parts))

    @classmethod
    def of(cls, kind: str, *segments: str) -> Resource:
        """The resource with these very segments, whatever characters they hold.

        Raises:
            InputError: A segment is empty, ``.``, ``..`` or holds NUL.
        """
        text = f"{kind}:{'/'.join(map(_escaped, segments))}"
        return cls.parse(text)

    def checked(self) -> Resource:
        """Itself.

        Raises:
            InputError: It was built by hand with a segment that :meth:`of` refuses.
        """
        if not self.segments or not _BAD.isdisjoint(self.segments):
            raise InputError("a segment of a resource is empty, '.' or '..'", value=self.segments)
        return self

    def __str__(self) -> str:
        """The text that :meth:`parse` reads back."""
        return f"{self.kind}:{'/'.join(map(_escaped, self.segments))}"


class Pattern(NamedTuple):
    """A set of resources of one kind: ``None`` in ``segments`` is any one segment, ``deep`` adds one or more."""

    kind: str
    segments: tuple[str | None, ...]
    deep: bool

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern.

        Raises:
            InputError: As for a resource, or a wildcard is part of a segment, or ``**`` is not the last one.
        """
        kind, parts = _split(text)
        deep = parts[-1] == "**"
        if deep:
            parts.pop()
        for part in parts:
            if "*" in part and part != "*":
                raise InputError("a wildcard stands for a whole segment", value=text, hint="use /* or a last /**")
        return cls(kind, tuple(None if part == "*" else _segment(part, text) for part in parts), deep)

    def __str__(self) -> str:
        """The text that :meth:`parse` reads back."""
        parts = ["*" if segment is None else _escaped(segment) for segment in self.segments]
        return f"{self.kind}:{'/'.join([*parts, '**'] if self.deep else parts)}"

    def matches(self, resource: Resource) -> bool:
        """Whether the resource is in the set."""
        own, other = self.segments, resource.segments
        size = len(own)
        if self.kind != resource.kind or (len(other) <= size if self.deep else len(other) != size):
            return False
        if None not in own:
            return own == other[:size]
        return all(mine is None or mine == theirs for mine, theirs in zip(own, other, strict=False))

    def reaches(self, folder: Resource) -> bool:
        """Whether the folder, or something below it, is in the set."""
        shared = zip(self.segments, folder.segments, strict=False)
        if self.kind != folder.kind or not all(mine is None or mine == theirs for mine, theirs in shared):
            return False
        return self.deep or len(self.segments) >= len(folder.segments)

    def covers(self, other: Pattern) -> bool:
        """Whether every resource of the other set is in this one."""
        own, theirs = self.segments, other.segments
        if self.kind != other.kind:
            return False
        if self.deep:
            if len(theirs) < len(own) + (0 if other.deep else 1):
                return False
        elif other.deep or len(theirs) != len(own):
            return False
        return all(mine is None or mine == theirs[at] for at, mine in enumerate(own))


def _split(text: str) -> tuple[str, list[str]]:
    kind, colon, rest = text.partition(":")
    if not colon or not _KIND.fullmatch(kind):
        raise InputError("a resource begins with its kind", value=text, hint=_HINT)
    return kind, rest.replace(":", "/").split("/")


def _segment(part: str, text: str) -> str:
    segment = unicodedata.normalize("NFC", _ESCAPE.sub(lambda found: chr(int(found.group(1), 16)), part))
    if segment in ("", ".", "..") or "\0" in segment or "%" in _ESCAPE.sub("", part):
        raise InputError("a segment of a resource is empty, '.', '..' or badly escaped", value=text, hint=_HINT)
    return segment


def _escaped(segment: str) -> str:
    return re.sub(r"[%:/*\0]", lambda found: f"%{ord(found.group()):02X}", segment)
