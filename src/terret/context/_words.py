"""Words of code and English as comparable terms."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ENDINGS = ("ations", "ation", "ings", "ing", "ions", "ion", "ment", "ers", "ies", "ily", "ied", "ed", "er", "es", "ly")
_STOP_TEXT = """
a about above add added after again all already also an and another any are as at be because been before being
below both but by can cannot could did do does doing done each either else even every exist exists few find
first fix for from get give given gives go goes had has have having he her here him his how however i if in
instead into is it its just keep keeps know last let like look make makes many may me means meant might more
most much must my name named need needs never new no none nor not nothing now of off often old on once one only
or other others our out over own part per please put rather really right said same say says see seem seems set
several shall she should show shows so some something stay stays still such take takes than that the their them
then there these they thing things this those through to today together too two under until up us use used uses
using very want was way we well were what when where whether which while who whose why will with within without
work works would wrong yet you your def return self import class none true false const let var function export
default async await null undefined require int str bool list dict tuple float type
"""
_STOP = frozenset(_STOP_TEXT.split())
_cache: dict[str, tuple[str, ...]] = {}


def raw_words(text: str) -> list[str]:
    """The identifiers and words of a text as written."""
    return _WORD.findall(text)


def terms_of(word: str) -> tuple[str, ...]:
    """The terms of one word: the stems of its parts, and the whole word when it has several.

    Parts are split at underscores and humps; words that say nothing about a program are left out.
    """
    found = _cache.get(word)
    if found is None:
        parts = [part.lower() for part in _PART.findall(word)]
        stems = [stemmed(part) for part in parts if len(part) > 1 and part not in _STOP]
        whole = [word.lower().strip("_")] if len(parts) > 1 else []
        found = tuple(stems + whole)
        if len(_cache) > 200_000:
            _cache.clear()
        _cache[word] = found
    return found


def terms(text: str) -> list[str]:
    """Every term of a text, in order."""
    return [term for word in raw_words(text) for term in terms_of(word)]


def stemmed(word: str) -> str:
    """A word without the endings of English inflection; at least four letters stay."""
    while len(word) > 4:
        ending = next((end for end in _ENDINGS if word.endswith(end) and len(word) - len(end) >= 4), "")
        if not ending and (word[-1] in "ey" or (word[-1] == "s" and word[-2] != "s")):
            ending = word[-1]
        if not ending:
            break
        word = word[: -len(ending)]
    return word


def identifiers(text: str) -> set[str]:
    """Words of a text that can only be names in code: joined by underscores or humps, called, or in backticks."""
    marked = set(re.findall(r"`\.?([A-Za-z_$][\w$]*)", text)) | set(re.findall(r"\b([A-Za-z_$][\w$]*)\(", text))
    shaped = {
        word for word in raw_words(text) if re.search(r"[a-z0-9$]_[a-z0-9]|[a-z][A-Z]|^_\w|^[A-Z][A-Z0-9]*_", word)
    }
    dotted = {part for chain in re.findall(r"\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w+)+", text) for part in chain.split(".")}
    return {name for name in marked | shaped | dotted if len(name) > 2 and name.lower() not in _STOP}
