"""Byte strings out of values, without ambiguity: what is signed and what is hashed is built here only.

Every part is preceded by its length, and every list by its count, so that no two different inputs give the same bytes
(``("ab", "c")`` and ``("a", "bc")`` do not).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, cast

from terret.errors import InputError

DEPTH = 64
"""How deeply arguments may be nested."""

_length = struct.Struct(">I").pack
_number = struct.Struct(">d").pack


def fields(*parts: bytes | str | int) -> bytes:
    """The parts, each with its length before it (4 bytes, big-endian), after their count.

    A text is UTF-8 (lone surrogates allowed), an integer 8 bytes, signed, big-endian. Positions have fixed types, so
    the type of a part is not written.

    Raises:
        InputError: An integer does not fit into 64 bits.
    """
    encoded = [_length(len(parts))]
    for part in parts:
        if isinstance(part, str):
            raw = part.encode("utf-8", "surrogatepass")
        elif isinstance(part, int):
            raw = _integer(part)
        else:
            raw = part
        encoded += (_length(len(raw)), raw)
    return b"".join(encoded)


def digest_of(value: Any) -> str:
    """SHA-256 (64 hex digits) of a JSON-like value, types told apart: ``1``, ``1.0``, ``True`` and ``"1"`` all differ.

    Raises:
        InputError: The value is not JSON-like (text keys, no other types) or nested more than :data:`DEPTH` deep.
    """
    pieces: list[bytes] = []
    _write(value, pieces, DEPTH)
    return sha256(b"".join(pieces)).hexdigest()


def _integer(value: int) -> bytes:
    try:
        return value.to_bytes(8, "big", signed=True)
    except OverflowError:
        raise InputError("the number does not fit into 64 bits", value=value) from None


def _write(value: Any, pieces: list[bytes], depth: int) -> None:
    """One letter for the type, then the content with its length or count before it."""
    if isinstance(value, str):
        raw = value.encode("utf-8", "surrogatepass")
        pieces += (b"s", _length(len(raw)), raw)
    elif value is None:
        pieces.append(b"n")
    elif isinstance(value, bool):
        pieces.append(b"t" if value else b"f")
    elif isinstance(value, int):
        raw = b"%x" % value
        pieces += (b"i", _length(len(raw)), raw)
    elif isinstance(value, float):
        pieces += (b"d", _number(value))
    elif depth == 0:
        raise InputError("the arguments are nested too deeply", value=DEPTH)
    elif isinstance(value, list | tuple):
        items = cast(list[Any], value)
        pieces += (b"l", _length(len(items)))
        for item in items:
            _write(item, pieces, depth - 1)
    elif isinstance(value, Mapping):
        _write_members(cast(Mapping[Any, Any], value), pieces, depth)
    else:
        raise InputError("an argument is not plain JSON", value=type(value).__name__)


def _write_members(members: Mapping[Any, Any], pieces: list[bytes], depth: int) -> None:
    try:
        names = sorted(name.encode("utf-8", "surrogatepass") for name in members)
    except AttributeError:
        raise InputError("an argument's name is not text", value=list(members)) from None
    pieces += (b"m", _length(len(names)))
    for name in names:
        pieces += (_length(len(name)), name)
        _write(members[name.decode("utf-8", "surrogatepass")], pieces, depth - 1)
