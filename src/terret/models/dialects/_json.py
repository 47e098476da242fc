"""JSON read strictly: no repair, no NaN, no repeated key, nothing a journal could not hold."""

from __future__ import annotations

import json
from typing import Any, NoReturn, cast

MAX_DEPTH = 64
"""Levels of nesting in a call."""

_INT_RANGE = 2**63

_TYPOGRAPHIC = frozenset(map(chr, (0xAB, 0xBB, 0x2018, 0x2019, 0x201C, 0x201D, 0x201E, 0x201F)))


class Unreadable(ValueError):
    """The text is no JSON value; the message says where and why. ``deep`` when only its nesting is too much."""

    def __init__(self, message: str, *, deep: bool = False) -> None:
        super().__init__(message)
        self.deep = deep


def read_json(text: str) -> Any:
    """The one JSON value of a text.

    Raises:
        Unreadable: It is not exactly one strict JSON value.
    """
    try:
        if text.startswith("\ufeff"):
            raise Unreadable("line 1, column 1: a byte order mark before the JSON value; leave it out")
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise Unreadable(f"line {error.lineno}, column {error.colno}: {_explain(error)}") from None
    except RecursionError:
        raise Unreadable(f"nested deeper than {MAX_DEPTH} levels", deep=True) from None
    except ValueError as error:
        shown = str(error)
        raise Unreadable("a number has too many digits" if "digits" in shown else shown) from None
    # Without a sign of halved pairs or of depth there is nothing to look for in the values.
    if not text.isascii() or "\\u" in text or text.count("{") + text.count("[") > MAX_DEPTH:
        _check(value)
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise Unreadable(f"the key {name[:60]!r} occurs twice")
            seen.add(name)
    return members


def _constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is not JSON")


def _int(text: str) -> int:
    value = int(text)
    if not -_INT_RANGE <= value < _INT_RANGE:
        raise Unreadable("an integer does not fit into 64 bits")
    return value


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Unreadable(f"the number {text[:40]} is out of range")
    return value


_decoder = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_constant, parse_float=_float, parse_int=_int)


def _explain(error: json.JSONDecodeError) -> str:
    text, at = error.doc, error.pos
    char = text[at : at + 1]
    if error.msg == "Extra data":
        return "more text after the JSON value"
    if not text[at:].strip():
        return "the JSON ends too early; close every string, bracket and brace"
    if char in _TYPOGRAPHIC:
        return 'typographic quotes are not JSON; write straight quotes (")'
    if char == "'":
        return 'single quotes are not JSON; write double quotes (")'
    if error.msg.startswith("Invalid control character"):
        return "a raw line break or tab inside a string; write \\n or \\t"
    if error.msg.startswith("Invalid \\escape"):
        return "an unknown escape in a string; write a backslash as \\\\"
    if error.msg.startswith("Unterminated string"):
        return "a string begins here and is not closed"
    if text.startswith(("True", "False", "None"), at):
        return "Python's True, False and None are not JSON; write true, false and null"
    if char in "}]" and text[:at].rstrip().endswith(","):
        return "a comma before the closing bracket"
    return error.msg[:1].lower() + error.msg[1:]


def _check(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        if not level:
            return
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                members = cast(dict[str, Any], item)
                below += members.keys()
                below += members.values()
            elif isinstance(item, list):
                below += cast(list[Any], item)
            elif isinstance(item, str):
                try:
                    item.encode()
                except UnicodeEncodeError:
                    raise Unreadable("a string holds half of a surrogate pair; write the character itself") from None
        level = below
    if level:
        raise Unreadable(f"nested deeper than {MAX_DEPTH} levels", deep=True)
