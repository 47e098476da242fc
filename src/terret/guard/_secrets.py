"""Values that must not leave: credentials by their shape, and fields with a telling name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from terret.journal import Scrubber

_NAMES = (
    r"pass(?:word|wd|phrase|code)|secret|api[ _-]?key|access[ _-]?key|private[ _-]?key|auth[ _-]?token|token|"
    r"credentials?|"
    r"passport(?:[ _-]?(?:number|no))?|credit[ _-]?card(?:[ _-]?number)?|card[ _-]?number|cvv|cvc|pin|ssn|social[ "
    r"_-]?security(?:[ _-]?number)?|"
    r"id[ _-]?number|(?:bank[ _-]?)?account[ _-]?number|tax[ _-]?id|security[ _-]?code|recovery[ _-]?code|"
    r"verification[ _-]?code|"
    r"driver'?s?[ _-]?licen[cs]e(?:[ _-]?number)?|database[ _-]?url|dsn"
)
_FIELD = re.compile(rf"(?:^|[\s_.-])(?:\w+[ _.-])*(?:{_NAMES})$", re.IGNORECASE)
_LINE = re.compile(
    rf"(?P<name>{_NAMES})[\"']?\s*(?::|=|\bis\b:?)\s*[\"']?(?P<value>[^\s\"',;]+)",
    re.IGNORECASE,
)
_CARD = re.compile(r"(?<![\d.-])(?:\d[ -]?){13,19}(?![\d-])")
_ENV_LINE = re.compile(
    r"(?P<lead>^[ \t]*(?:\d+[:|\t ]\s*)?(?:export\s+)?(?:[A-Z][A-Z0-9_]*_)?"
    r"(?:SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|PRIVATE_KEY|"
    r"CREDENTIALS?|DATABASE_URL|DSN)(?:_[A-Z0-9_]*)?=)(?!\[secret:|\s*$)[^\s$(][^\n(]*$",
    re.MULTILINE,
)
_CODE_LIKE: Final = frozenset(
    [
        "none",
        "null",
        "true",
        "false",
        "str",
        "int",
        "bytes",
        "string",
        "bool",
        "optional",
        "any",
        "self",
        "os",
        "settings",
        "config",
        "env",
        "input",
    ]
)


def labelled(content: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Pairs of a telling name and its value, in JSON or in lines such as ``Passport number: X``."""
    if isinstance(content, dict):
        for key, value in content.items():  # pyright: ignore[reportUnknownVariableType]
            yield from labelled(value, str(key))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(content, list | tuple):
        for value in content:  # pyright: ignore[reportUnknownVariableType]
            yield from labelled(value, name)
    elif isinstance(content, str):
        if name and _FIELD.search(name) and 4 <= len(content.strip()) <= 200:
            yield name, content.strip()
        for match in _LINE.finditer(content):
            value = match.group("value")
            if (
                len(value) >= 4
                and any(char.isdigit() for char in value)
                and value.lower() not in _CODE_LIKE
                and "(" not in value
            ):
                yield match.group("name").strip(), value
    elif isinstance(content, int) and not isinstance(content, bool) and name and _FIELD.search(name) and content > 999:
        yield name, str(content)


def tokens_of(text: str, scrubber: Scrubber) -> list[str]:
    """Well-known credentials and payment cards in a text, as placeholders."""
    found: list[str] = []
    if scrubber.scrub(text) != text:
        found.append("credential")
    found += ["payment card" for match in _CARD.finditer(text) if _luhn(match.group())]
    return found


def redact(text: str, scrubber: Scrubber) -> str:
    """A text without credentials, payment cards and values of telling names in ``NAME=value`` lines."""
    clean = scrubber.scrub(text)
    clean = _CARD.sub(lambda match: "[secret:card]" if _luhn(match.group()) else match.group(), clean)
    return _ENV_LINE.sub(lambda match: f"{match.group('lead')}[secret:withheld]", clean)


def _luhn(text: str) -> bool:
    digits = [int(char) for char in text if char.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2:
        return False
    total = sum(d if place % 2 == 0 else d * 2 - 9 * (d > 4) for place, d in enumerate(reversed(digits)))
    return total % 10 == 0
