"""Conditions on the arguments of an effect.

| constraint | holds when |
| --- | --- |
| ``max_bytes: N`` | ``size`` is a number of at most N |
| ``max_timeout_s: N`` | ``timeout_s`` is a number of at most N |
| ``equals: {name: value}`` | each argument is that very value |
| ``one_of: {name: [values]}`` | each argument is one of its values |

A condition that cannot be told (an unknown constraint, an argument that is missing or of another type) neither holds
nor fails: it keeps an ``allow`` from applying and does not keep a ``deny`` or ``ask`` from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final, cast

from terret.errors import InputError
from terret.journal import canonical

_LIMITS: Final = {"max_bytes": "size", "max_timeout_s": "timeout_s"}


def arguments_hash(args: Mapping[str, Any]) -> str:
    """The SHA-256 of the canonical JSON of arguments, 64 hex digits; an approval binds to it.

    Raises:
        InputError: A value is not plain JSON, so that two different arguments could look the same.
    """
    if not plain(args):
        raise InputError("the arguments are not plain JSON", hint="use texts, finite numbers, lists and mappings")
    return sha256(canonical(args)).hexdigest()


def plain(value: object) -> bool:
    """Whether a value survives canonical JSON unchanged."""
    if value is None or isinstance(value, bool | int):
        return True
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list | tuple):
        return all(map(plain, cast("list[Any]", value)))
    if isinstance(value, Mapping):
        members = cast("Mapping[Any, Any]", value)
        return all(isinstance(key, str) and plain(key) and plain(member) for key, member in members.items())
    return False


def holds(constraints: Mapping[str, Any], args: Mapping[str, Any] | None) -> bool | None:
    """Whether all constraints hold; nothing when that cannot be told."""
    known: bool | None = True
    for name, wanted in constraints.items():
        found = _holds(name, wanted, args or {})
        if found is False:
            return False
        known = known and found
    return known


def examine(constraints: Mapping[str, Any]) -> None:
    """Refuse known constraints with an impossible value.

    Raises:
        InputError: The value is of another type.
    """
    if not plain(constraints):
        raise InputError("constraints are not plain JSON", value=sorted(map(str, constraints)))
    for name, wanted in constraints.items():
        if name in _LIMITS:
            good = _number(wanted) is not None
        elif name in ("equals", "one_of"):
            values = cast("Mapping[str, Any]", wanted) if isinstance(wanted, Mapping) else None
            good = values is not None and (name == "equals" or all(isinstance(v, list) for v in values.values()))
        else:
            continue
        if not good:
            raise InputError(f"the constraint {name} has a bad value", value=cast("object", wanted))


def widened(child: Mapping[str, Any], parent: Mapping[str, Any]) -> str | None:
    """The name of a parent's constraint that the child's do not keep; nothing when the child is at most as wide."""
    for name, wide in parent.items():
        if name not in child or not _NARROWER.get(name, _same)(child[name], wide):
            return name
    return None


def _holds(name: str, wanted: Any, args: Mapping[str, Any]) -> bool | None:
    if (argument := _LIMITS.get(name)) is not None:
        number = _number(args.get(argument))
        return None if number is None else number <= wanted
    if name not in ("equals", "one_of"):
        return None
    known: bool | None = True
    for argument, value in cast("Mapping[str, Any]", wanted).items():
        if argument not in args or not plain(args[argument]):
            known = None
            continue
        allowed = [value] if name == "equals" else value
        if not any(_same(args[argument], one) for one in allowed):
            return False
    return known


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _same(one: object, other: object) -> bool:
    return canonical(one) == canonical(other)


def _at_most(narrow: Any, wide: Any) -> bool:
    return narrow <= wide


def _all_equal(narrow: Any, wide: Any) -> bool:
    return all(name in narrow and _same(narrow[name], value) for name, value in wide.items())


def _all_within(narrow: Any, wide: Any) -> bool:
    return all(
        name in narrow and all(any(_same(one, value) for value in values) for one in narrow[name])
        for name, values in wide.items()
    )


_NARROWER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "max_bytes": _at_most,
    "max_timeout_s": _at_most,
    "equals": _all_equal,
    "one_of": _all_within,
}
