"""Checks a plain value against the task's types and reports every mismatch, not only the first."""

from __future__ import annotations

from typing import Any, cast

import msgspec.inspect as kinds

from terret.task._model import Task
from terret.task._problem import Finding, Keys

Kind = kinds.Type


def check_shape(value: Any, findings: list[Finding]) -> dict[str, Any]:
    """Append a finding for every unknown, missing or wrongly typed value of a task document.

    Returns the document with those values dropped or replaced by placeholders, so that it converts to a
    :class:`Task` and the rest can still be linted; findings at or below a replaced value mean nothing.
    """
    return _struct(value, cast(kinds.StructType, kinds.type_info(Task)), (), findings)


def _check(value: Any, kind: Kind, at: Keys, findings: list[Finding]) -> Any:
    match kind:
        case kinds.UnionType(types=options):
            if value is None:
                return None
            (kind,) = (option for option in options if not isinstance(option, kinds.NoneType))
            return _check(value, kind, at, findings)
        case kinds.StructType():
            return _struct(value, kind, at, findings)
        case kinds.DictType(value_type=member_kind) if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            return {key: _check(member, member_kind, (*at, key), findings) for key, member in members.items()}
        case kinds.VarTupleType(item_type=item_kind) if isinstance(value, list):
            items = cast("list[Any]", value)
            return [_check(item, item_kind, (*at, index), findings) for index, item in enumerate(items)]
        case _ if _is_scalar(value, kind):
            return value
        case _:
            findings.append(Finding(at, f"expected {_name(kind)}", value, _mend(value, kind)))
            return _placeholder(kind)


def _struct(value: Any, kind: kinds.StructType, at: Keys, findings: list[Finding]) -> dict[str, Any]:
    if not isinstance(value, dict):
        needed = ", ".join(field.name for field in kind.fields if field.required) or kind.fields[0].name
        findings.append(Finding(at, f"expected a mapping with {needed}", value))
        return _placeholder(kind)
    members = cast("dict[str, Any]", value)
    fields = {field.name: field for field in kind.fields}
    findings.extend(
        Finding((*at, name), f"unknown field {name!r}", hint=_nearest(name, list(fields)))
        for name in members
        if name not in fields
    )
    repaired: dict[str, Any] = {}
    for name, field in fields.items():
        if name in members:
            repaired[name] = _check(members[name], field.type, (*at, name), findings)
        elif field.required:
            findings.append(Finding((*at, name), f"the field {name!r} is missing", hint=f"add {name}: ..."))
            repaired[name] = _placeholder(field.type)
    return repaired


def _is_scalar(value: Any, kind: Kind) -> bool:
    match kind:
        case kinds.AnyType():
            return True
        case kinds.StrType():
            return isinstance(value, str)
        case kinds.BoolType():
            return isinstance(value, bool)
        case kinds.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case kinds.FloatType():
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return False


def _name(kind: Kind) -> str:
    match kind:
        case kinds.StrType():
            return "text"
        case kinds.BoolType():
            return "true or false"
        case kinds.IntType():
            return "a whole number"
        case kinds.FloatType():
            return "a number"
        case kinds.VarTupleType(item_type=kinds.StructType()):
            return "a list of mappings"
        case kinds.VarTupleType():
            return "a list of texts"
        case _:
            return "a mapping of names to texts"


def _mend(value: Any, kind: Kind) -> str | None:
    match kind:
        case kinds.StrType() if isinstance(value, bool | int | float):
            return "put it in quotes"
        case kinds.VarTupleType() if isinstance(value, str | dict):
            return "write it as a list with one item"
        case kinds.IntType() | kinds.FloatType() if isinstance(value, str):
            return "write the number without quotes and unit"
        case _:
            return None


def _nearest(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name.lower().replace("-", "_"), known, n=1)
    return f"did you mean {close[0]!r}?" if close else "known fields: " + ", ".join(known)


def _placeholder(kind: Kind) -> Any:
    match kind:
        case kinds.StructType(fields=fields):
            return {field.name: _placeholder(field.type) for field in fields if field.required}
        case kinds.VarTupleType():
            return []
        case kinds.DictType():
            return {}
        case kinds.BoolType():
            return False
        case kinds.IntType() | kinds.FloatType():
            return 1
        case kinds.UnionType():
            return None
        case _:
            return "?"
