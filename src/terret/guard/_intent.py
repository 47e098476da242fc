"""What a tool does by its name, and what a task asks for by its words."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from terret.guard._types import Kind

_LOOKING: Final = frozenset(
    [
        "get",
        "search",
        "list",
        "read",
        "check",
        "find",
        "view",
        "show",
        "fetch",
        "lookup",
        "look",
        "count",
        "describe",
        "query",
        "inspect",
        "is",
        "has",
        "load",
        "summarize",
        "browse",
        "open",
        "select",
        "print",
        "retrieve",
        "explain",
        "compare",
        "validate",
        "verify",
        "watch",
        "diff",
        "stat",
    ]
)

_EFFECTS: Final[dict[str, str]] = {
    "message": "send email mail message post write reply respond answer forward dm notify tell publish announce text "
    "contact report feedback comment ask speak share submit upload send",
    "pay": "pay transfer refund wire reimburse money payment transaction invoice bill charge buy purchase order donate",
    "create": "create add make schedule book reserve set new generate plan remind reminder event reservation append "
    "open register insert put save write record start setup upload",
    "change": "update change modify adjust reschedule edit rename move set append reset fix correct replace put add "
    "increase decrease switch extend shorten postpone rotate",
    "delete": "delete remove cancel erase clear drop discard unsubscribe revoke close kick",
    "access": "share invite add grant permission allow give join assign enroll admit",
    "run": "run execute install deploy launch start eval build compile",
}
_BY_WORD: Final[dict[str, frozenset[str]]] = {}
for _effect, _words in _EFFECTS.items():
    for _word in _words.split():
        _BY_WORD[_word] = _BY_WORD.get(_word, frozenset()) | {_effect}

DELEGATES: Final = re.compile(
    r"\b(?:do|perform|follow|complete|execute|carry out|act on|take|handle|work through|finish)\b[^.!?\n]{0,30}"
    r"\b(?:actions?|tasks?|instructions?|steps?|to-?dos?|items?|requests?)\b(?![^.!?\n]{0,40}\bin the order\b)",
    re.IGNORECASE,
)
"""A task that hands its wording to other content."""


def words_of(name: str) -> list[str]:
    """The words of an identifier, lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


@lru_cache(maxsize=512)
def kind_of(name: str) -> Kind:
    """``read`` when the name begins with a word for looking, else ``privileged``: unknown tools are taken seriously."""
    words = words_of(name)
    return "read" if words and words[0] in _LOOKING else "privileged"


@lru_cache(maxsize=512)
def effects_of(name: str) -> frozenset[str]:
    """The kinds of effect the words of a tool's name stand for."""
    found: frozenset[str] = frozenset()
    for word in words_of(name):
        found |= _effects(word)
    return found


@lru_cache(maxsize=64)
def wanted_effects(task: str) -> frozenset[str]:
    """The kinds of effect the words of a task ask for."""
    found: frozenset[str] = frozenset()
    for word in re.findall(r"[a-z]+", task.lower()):
        found |= _effects(word)
    return found


def asks_for(task: str, name: str) -> bool:
    """Whether a task asks for what a tool does, as far as its name tells.

    Its verb must be of a kind that the task names, and what it acts on must be named, unless the verb itself is.
    """
    wanted = wanted_effects(task)
    words = words_of(name)
    effects = effects_of(name)
    if not effects:
        return True
    if not effects & wanted:
        return False
    spoken = set(re.findall(r"[a-z]+", task.lower()))
    verbs = _ALIKE.get(words[0], ())
    if any(word == words[0] or _is_ending(word, words[0]) or word.startswith(verbs) for word in spoken):
        return True
    objects = [word for word in words[1:] if word not in _SMALL]
    if not objects or any(_effects(word) & wanted for word in objects):
        return True
    names = {alike for word in objects for alike in _ALIKE.get(word, (word,))}
    return any(word.startswith(alike) for word in spoken for alike in names)


_SMALL: Final = frozenset(
    {
        "to",
        "from",
        "in",
        "on",
        "of",
        "for",
        "by",
        "with",
        "the",
        "a",
        "an",
        "my",
        "user",
        "direct",
        "new",
        "all",
        "current",
    }
)
_ALIKE: Final[dict[str, tuple[str, ...]]] = {
    "file": ("file", "document", "doc", "drive", "folder", "attachment"),
    "reserve": ("reserv", "book"),
    "info": ("info", "data", "detail", "profile", "account", "address"),
}


def delegates(task: str) -> bool:
    """Whether the task says to do what some other text says."""
    return DELEGATES.search(task) is not None


@lru_cache(maxsize=4096)
def _effects(word: str) -> frozenset[str]:
    for stem in (word, word[:-1], word[:-2], word[:-2] + "e", word[:-3], word[:-3] + "e", word[:-1] + "e"):
        if word != stem and not _is_ending(word, stem):
            continue
        if stem in _BY_WORD:
            return _BY_WORD[stem]
    return frozenset()


def _is_ending(word: str, stem: str) -> bool:
    return word in {stem + "s", stem + "es", stem + "d", stem + "ed", stem + "ing", stem[:-1] + "ing"}
