"""From a type annotation to a JSON Schema."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from typing import Any, Literal, Union, cast

from terret.errors import ConfigError

_SIMPLE: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def resolve_hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    """The annotations of a function as types.

    Raises:
        ConfigError: An annotation names something unknown.
    """
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError) as error:
        raise ConfigError(f"an annotation cannot be resolved: {error}", where=name) from None


def optional(hint: Any) -> bool:
    """Whether None is one of the values."""
    return _is_union(hint) and type(None) in typing.get_args(hint)


def schema_of(hint: Any, where: str) -> dict[str, Any]:
    """The schema of the values an annotation allows.

    Raises:
        ConfigError: The annotation has no place in a tool's schema.
    """
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    origin = typing.get_origin(hint)
    if origin is Literal:
        return {"enum": list(typing.get_args(hint))}
    if origin is list:
        return {"type": "array", "items": schema_of(typing.get_args(hint)[0], where)}
    if _is_union(hint):
        return _union(hint, where)
    if typing.is_typeddict(hint):
        members = typing.get_type_hints(hint)
        return {
            "type": "object",
            "properties": {name: schema_of(member, f"{where}.{name}") for name, member in members.items()},
            "required": [name for name in members if name in hint.__required_keys__],
            "additionalProperties": False,
        }
    hint_text = "use str, int, float, bool, Literal, list[...], a TypedDict or X | None"
    raise ConfigError("the annotation has no JSON Schema", value=hint, where=where, hint=hint_text)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in {Union, types.UnionType}


def _union(hint: Any, where: str) -> dict[str, Any]:
    options = [option for option in typing.get_args(hint) if option is not type(None)]
    schemas = [schema_of(option, where) for option in options]
    if not optional(hint):
        return {"anyOf": schemas}
    if len(schemas) > 1:
        return {"anyOf": [*schemas, {"type": "null"}]}
    schema = schemas[0]
    if "enum" in schema:
        schema["enum"] = [*cast(list[Any], schema["enum"]), None]
    elif "type" in schema:
        schema["type"] = [schema["type"], "null"]
    return schema
