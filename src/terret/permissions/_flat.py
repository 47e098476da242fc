"""Takes the plainest shell texts apart quickly: literal words joined by ``&&``, ``||``, ``;`` and ``|``.

Such a text says exactly what runs: no expansion, substitution, assignment, redirection (but ``2>&1`` and those from and
to ``/dev/null``), reserved word or comment. Everything else is left to the full parser.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    r"""[ \t]*(?:
        (?P<redirect>(?:2>&1|[12&]?>>?[ \t]*/dev/null|<[ \t]*/dev/null)(?=[ \t;|&]|\Z))
      | (?P<operator>&&|\|\||;(?!;)|\|(?![|&]))
      | (?P<word>(?:[A-Za-z0-9_./:,@%+=^\-]+(?![!*?\[~{}()<>$`\\\#])|'[^']*'|"[^"$`\\!]*")+)(?=[ \t;|&]|\Z)
    )[ \t]*""",
    re.VERBOSE,
)
_SPLIT: Final = re.compile(r"(&&|\|\||;|\|)")
_WORDS: Final = re.compile(r"[ \tA-Za-z0-9_./:,@%+=^\-]*[A-Za-z0-9_./:,@%+=^\-][ \tA-Za-z0-9_./:,@%+=^\-]*")
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_RESERVED: Final = frozenset(
    {"if", "then", "elif", "else", "fi", "while", "until", "do", "done", "esac", "for", "select", "case", "function"}
    | {"time", "coproc", "in"}
)
_LONGEST: Final = 4096


class Part(NamedTuple):
    """One command of a plain text: the operator before it, and its words."""

    operator: str
    words: tuple[str, ...]


def flat(text: str) -> tuple[Part, ...] | None:
    """The commands of a plain text; nothing for any other, and for one without a command."""
    if len(text) > _LONGEST:
        return None
    return _plainest(text) or _tokens(text)


def _plainest(text: str) -> tuple[Part, ...] | None:
    """As :func:`flat`, for a text without quotes and redirections; nothing for any other."""
    pieces = _SPLIT.split(text)
    parts: list[Part] = []
    for at in range(0, len(pieces), 2):
        if not _WORDS.fullmatch(pieces[at]):
            return None
        words = tuple(pieces[at].split())
        if words[0] in _RESERVED or ("=" in words[0] and _ASSIGNMENT.match(words[0])):
            return None
        parts.append(Part(pieces[at - 1] if at else "", words))
    return tuple(parts)


def _tokens(text: str) -> tuple[Part, ...] | None:
    parts: list[Part] = []
    operator, words, at = "", list[str](), 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            return None
        at = found.end()
        if word := found["word"]:
            quoted = "'" in word or '"' in word
            if not words and (quoted or word in _RESERVED or _ASSIGNMENT.match(word)):
                return None
            words.append(_unquoted(word) if quoted else word)
        elif found["operator"]:
            if not words:
                return None
            parts.append(Part(operator, tuple(words)))
            operator, words = found["operator"], []
        elif not words:
            return None
    if words:
        parts.append(Part(operator, tuple(words)))
    elif operator != ";":
        return None
    return tuple(parts) or None


def _unquoted(word: str) -> str:
    return re.sub(r"""'([^']*)'|"([^"]*)\"""", lambda found: found[1] or found[2] or "", word)
