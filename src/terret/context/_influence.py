"""Whether what was offered was used: a rule over what the agent did, not over what it says."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from terret.context._span import Span

Item = Mapping[str, Any]

_PATH = re.compile(r"(?<![\w/.-])(?:[\w.-]+/)*[\w-]+\.[A-Za-z]{1,5}\b(?!\()|(?<![\w/.-])(?:[\w.-]+/)+[\w.-]+")
_SHAPED = re.compile(r"\b(?:[A-Za-z]\w*_\w+|_\w{3,}|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*)\b")
_DEFINED = re.compile(r"\b(?:def|class|function|const|let|interface|type)\s+([A-Za-z_$][\w$]{3,})")
_QUOTED = re.compile(r"`([^`\n]+)`")
_WORD = re.compile(r"[A-Za-z_$][\w$]{3,}")


def influenced(
    offered: Sequence[Item | Span], actions: Sequence[Item], patch_files: Sequence[str] = ()
) -> dict[str, bool]:
    """For every artifact offered, whether it influenced a decision.

    An artifact influenced a decision when a later action, or the final patch, uses a path, a symbol or a command that
    had until then been seen in that artifact only. What the task says and what tools printed is seen too: pass it
    as further items, so that nothing is credited to a guide that merely repeats it.

    A path is a word with a folder or a suffix, and the path of the item itself. A symbol is a name that the item
    defines, puts in backticks, or writes with underscores or humps; plain English words are none. A command is text
    of several words in backticks, or an entry of the item's ``commands``.

    Args:
        offered: Spans, or mappings with ``artifact`` (else ``path`` is the name), ``text``, ``turn`` (0 when absent),
            ``path`` and ``commands``.
        actions: Mappings with ``args`` and ``turn``; an action sees what was offered in its own turn.
        patch_files: Paths the patch changes; they count as an action after all others.
    """
    found: dict[str, bool] = {}
    seen: dict[str, dict[str, float]] = {}
    for entry in offered:
        item: Item = msgspec.structs.asdict(entry) if isinstance(entry, Span) else entry
        name = str(item.get("artifact") or item.get("path") or "")
        found.setdefault(name, False)
        turn = float(item.get("turn") or 0)
        for term in _terms(item):
            first = seen.setdefault(term, {})
            first[name] = min(turn, first.get(name, turn))
    commands = [term for term in seen if " " in term]
    uses = [(float(action.get("turn") or 0), _used(action, commands)) for action in actions]
    for turn, used in [*uses, (math.inf, set(patch_files))]:
        for term in used:
            holders = [name for name, first in seen.get(term, {}).items() if first <= turn]
            if len(holders) == 1:
                found[holders[0]] = True
    return found


def _terms(item: Item) -> set[str]:
    text = str(item.get("text") or "")
    quoted = {" ".join(words.split()) for words in _QUOTED.findall(text)}
    terms = set(_PATH.findall(text)) | set(_SHAPED.findall(text)) | set(_DEFINED.findall(text))
    terms |= {words for words in quoted if " " in words}
    terms |= {word for words in quoted if " " not in words for word in _WORD.findall(words)}
    terms |= {" ".join(str(command).split()) for command in item.get("commands") or ()}
    return terms | ({str(item["path"])} if item.get("path") else set())


def _used(action: Item, commands: Sequence[str]) -> set[str]:
    """The paths, words and known commands in an action's arguments."""
    used: set[str] = set()
    for text in _strings(action.get("args")):
        used |= set(_PATH.findall(text)) | set(_WORD.findall(text)) | {text.strip()}
        flat = " ".join(text.split())
        used |= {command for command in commands if command in flat}
    return used


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():  # pyright: ignore[reportUnknownVariableType]
            yield from _strings(part)
    elif isinstance(value, list | tuple):
        for part in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _strings(part)
