"""The path patterns of task files, and what they allow to be written.

Patterns are relative to the repository and match whole paths, case included. ``*`` and ``?`` stay within one
segment, ``[abc]`` and ``[!abc]`` are one character of it, a segment ``**`` is any number of segments (none too), and
a trailing ``/`` stands for everything below. ``src/*`` matches ``src/a.py``, never ``src2/a.py`` or ``src/b/c.py``.

The same rules decide live (``terret.permissions``) and afterwards on the finished patch (``terret.verification``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

PROTECTED = frozenset(
    {
        ".aider.conf.yml",
        ".bash_login",
        ".bash_logout",
        ".bash_profile",
        ".bashrc",
        ".bzr",
        ".claude",
        ".codex",
        ".continue",
        ".cshrc",
        ".cursor",
        ".cursorrules",
        ".devcontainer",
        ".dir-locals.el",
        ".direnv",
        ".envrc",
        ".exrc",
        ".fleet",
        ".gdbinit",
        ".gemini",
        ".git",
        ".gitconfig",
        ".gitmodules",
        ".hg",
        ".husky",
        ".idea",
        ".inputrc",
        ".jj",
        ".kshrc",
        ".lldbinit",
        ".mcp.json",
        ".netrc",
        ".nvim.lua",
        ".nvimrc",
        ".pijul",
        ".profile",
        ".ssh",
        ".svn",
        ".tcshrc",
        ".terret",
        ".vimrc",
        ".vscode",
        ".windsurf",
        ".zed",
        ".zlogin",
        ".zprofile",
        ".zshenv",
        ".zshrc",
    }
)
"""Names, at any depth, of version-control, editor, shell and agent configuration: they make other programs act."""

HARNESS = "harness"
"""The top-level folder of the harness's own artifacts."""

_PLAIN = re.compile(r"(?!/)(?:(?!\.{0,2}(?:/|\Z))[^/\0\\]+(?:/(?!\Z)|\Z))+", re.ASCII)
_GUARDED = re.compile(rf"(?:^|/)\.|~|[^\x00-\x7f]|^{HARNESS}(?:/|$)")
_WILD = re.compile(r"[*?\[]")


class Refusal(NamedTuple):
    """Why a path may not be written: ``rule`` names the rule, ``reason`` says it in words."""

    rule: str
    reason: str


class PathRefused(ValueError):
    """A path that cannot be relative to the repository; ``refusal`` says why."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.refusal = Refusal(rule, reason)


def normalise(path: str) -> str:
    """The path without ``.`` segments and doubled or trailing slashes; ``.`` for the repository itself.

    Raises:
        PathRefused: The path is empty, absolute, holds NUL, or has a ``..`` segment (even one that stays inside:
            what it means depends on links).
    """
    if _PLAIN.fullmatch(path):
        return path
    if not path:
        raise PathRefused("path:empty", "the path is empty")
    if "\0" in path:
        raise PathRefused("path:nul", "the path holds a NUL character")
    if path.startswith("/"):
        raise PathRefused("path:absolute", f"{path} is absolute; give a path relative to the repository")
    segments = [segment for segment in path.split("/") if segment not in ("", ".")]
    if ".." in segments:
        raise PathRefused("path:parent", f"{path} has a '..' segment; give the path without it")
    return "/".join(segments) or "."


class Glob:
    """One compiled pattern.

    Args:
        pattern: The pattern as written; a leading ``./`` and doubled slashes are dropped.
    """

    __slots__ = ("_below", "_regex", "pattern", "segments")

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        text = pattern + "**" if pattern.endswith("/") else pattern
        self.segments = tuple(part for part in text.split("/") if part not in ("", "."))
        regex = _translate(self.segments)
        self._regex = re.compile(regex, re.DOTALL)
        self._below = re.compile(f"(?:{regex})(?:/.*)?", re.DOTALL)

    def matches(self, path: str) -> bool:
        """Whether a normalised path matches as a whole; composed and decomposed accents are the same."""
        return self._regex.fullmatch(_composed(path)) is not None

    def covers(self, path: str) -> bool:
        """Whether a normalised path, or a folder it lies in, matches."""
        return self._below.fullmatch(_composed(path)) is not None

    def reaches_below(self, folder: str) -> bool:
        """Whether the pattern can match something below a normalised folder.

        A pattern that begins with ``**`` can match something below every folder, which says nothing: it reaches below
        those in which it matches every name. What it guards elsewhere is checked on the finished change.
        """
        if self.segments[:1] == ("**",):
            return self.covers(f"{folder}/any")
        states = {0}
        for segment in _composed(folder).split("/"):
            states = {after for state in states for after in self._step(state, segment)}
        return any(state < len(self.segments) for state in states)

    def _step(self, state: int, segment: str) -> list[int]:
        """The pattern positions after one more segment of a path."""
        if state >= len(self.segments):
            return []
        own = self.segments[state]
        if own == "**":
            return [state, *self._step(state + 1, segment)]
        return [state + 1] if re.fullmatch(_translate((own,)), segment, re.DOTALL) else []

    def names(self, path: str) -> bool:
        """Whether the pattern is this very path, without any wildcard."""
        return "/".join(self.segments) == path and not _WILD.search(path)

    def names_segment(self, segment: str) -> bool:
        """Whether one of the pattern's own segments is ``segment``, written out."""
        return segment in self.segments


class WriteRules:
    """What may be written: ``deny_write`` beats ``write``; protected names need a pattern that spells them out.

    A ``deny_write`` pattern also covers everything below a folder it matches; a ``write`` pattern does not.

    Args:
        write: Patterns of which one must match.
        deny_write: Patterns of which none may match.
    """

    __slots__ = ("_all", "_allow", "_deny")

    def __init__(self, write: Sequence[str] = ("**",), deny_write: Sequence[str] = ()) -> None:
        self._allow = tuple(Glob(pattern) for pattern in write)
        self._deny = tuple(Glob(pattern) for pattern in deny_write)
        self._all = next((glob.pattern for glob in self._allow if glob.segments == ("**",)), None)

    def refusal(self, path: str) -> Refusal | None:
        """Why a normalised path may not be written; nothing when it may."""
        return self.verdict(path)[0]

    def verdict(self, path: str) -> tuple[Refusal | None, str]:
        """The refusal of a normalised path, and the pattern that allows it."""
        if path == ".":
            return Refusal("path:root", "the repository itself is not a file"), ""
        for glob in self._deny:
            if glob.covers(path):
                return Refusal(f"deny_write:{glob.pattern}", f"{path} may not be changed in this task"), ""
        guarded = protected(path)
        if guarded is not None and not any(glob.names_segment(guarded) and glob.matches(path) for glob in self._allow):
            what = "a harness file" if guarded == HARNESS else "version-control, editor or agent configuration"
            return Refusal(f"protected:{guarded}", f"{path} is {what}, which the task does not open"), ""
        if self._all is not None:
            return None, self._all
        for glob in self._allow:
            if glob.matches(path):
                return None, glob.pattern
        return Refusal("write:none", f"{path} matches no pattern of permissions.write"), ""

    def removal(self, path: str) -> Refusal | None:
        """Why a normalised path may not be removed with all that may lie below it."""
        for glob in self._deny:
            if glob.reaches_below(path):
                return Refusal(f"deny_write:{glob.pattern}", f"{path} holds files that may not be changed")
        return self.refusal(path)


def protected(path: str) -> str | None:
    """The protected name a normalised path has among its segments, or nothing.

    Names count in any case and with invisible characters, because some file systems ignore both.
    """
    if not _GUARDED.search(path):
        return None
    top = True
    for segment in path.split("/"):
        if top and segment == HARNESS:
            return HARNESS
        if segment[:1] == "." or "~" in segment or not segment.isascii():
            plain = _plain(segment)
            if plain in PROTECTED:
                return plain
        top = False
    return None


def _composed(path: str) -> str:
    return path if path.isascii() else unicodedata.normalize("NFC", path)


def _plain(segment: str) -> str:
    if segment.isascii():
        plain = segment.lower().rstrip(" ")
    else:
        kept = (char for char in unicodedata.normalize("NFKC", segment) if unicodedata.category(char) != "Cf")
        plain = "".join(kept).casefold().rstrip(" ")
    return ".git" if plain == "git~1" else plain


def _translate(segments: Sequence[str]) -> str:
    """The regular expression of a pattern; fullmatch it."""
    out: list[str] = []
    last = len(segments) - 1
    for index, segment in enumerate(segments):
        if segment == "**":
            out.append(".+" if index == last else "(?:.+/)?")
        else:
            out.append(_segment(unicodedata.normalize("NFC", segment)) + ("" if index == last else "/"))
    return "".join(out) or r"(?!)"


def _segment(text: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "*":
            while text[at : at + 1] == "*":
                at += 1
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[" and (end := text.find("]", at + 2 if text[at : at + 1] == "!" else at + 1)) > 0:
            body = text[at:end]
            out.append(_one_of(body))
            at = end + 1
        else:
            out.append(re.escape(char))
    return "".join(out)


def _one_of(body: str) -> str:
    """One character of the class ``body``; a class that means nothing stands for its own text."""
    negated = body[0] == "!"
    inside = re.sub(r"[\\\[\]^&~|]", r"\\\g<0>", body[1:] if negated else body)
    try:
        re.compile(f"[{inside}]")
    except re.error:
        return re.escape(f"[{body}]")
    return f"(?!/)[^{inside}]" if negated else f"(?!/)[{inside}]"
