"""Checks arguments against the part of JSON Schema that tool schemas use.

Understood: ``type`` (one name or a list), ``properties``, ``required``, ``additionalProperties`` (as a boolean),
``items``, ``enum``, ``const``, ``anyOf``, ``minimum``, ``maximum``, ``minLength`` and ``minItems``. Any other keyword
is left to the tool.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

Schema = dict[str, Any]


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


class Fault(NamedTuple):
    """What is wrong with a value: a reason slug and a clause that follows the argument's name."""

    reason: str
    at: str
    text: str

    def __str__(self) -> str:
        return f"{self.at} {self.text}"


def check_value(value: Any, schema: Schema, at: str = "") -> tuple[Any, Fault | None]:
    """The value (an integral float as the integer a schema asks for) and its first fault."""
    if "anyOf" in schema:
        return _any_of(value, schema, at)
    if "enum" in schema and not _among(value, cast(list[Any], schema["enum"])):
        allowed = ", ".join(show(item) for item in cast(list[Any], schema["enum"])[:20])
        return value, Fault("not_allowed", at, f"must be one of {allowed}, not {show(value)}")
    if "const" in schema and not _among(value, [schema["const"]]):
        return value, Fault("not_allowed", at, f"must be {show(schema['const'])}, not {show(value)}")
    names = _names(schema)
    if names:
        if isinstance(value, float) and value.is_integer() and "integer" in names and "number" not in names:
            value = int(value)
        if not any(_is(value, name) for name in names):
            return value, Fault("wrong_type", at, f"must be {describe(schema)}, not {show(value)}")
    if isinstance(value, dict):
        return _object(cast(dict[str, Any], value), schema, at)
    if isinstance(value, list):
        return _array(cast(list[Any], value), schema, at)
    return value, _bounds(value, schema, at)


def _any_of(value: Any, schema: Schema, at: str) -> tuple[Any, Fault | None]:
    faults: list[Fault] = []
    for option in cast(list[Schema], schema["anyOf"]):
        checked, fault = check_value(value, option, at)
        if fault is None:
            return checked, None
        faults.append(fault)
    deeper = [fault for fault in faults if fault.at != at]
    if len(deeper) == 1:
        return value, deeper[0]
    return value, Fault("wrong_type", at, f"must be {describe(schema)}, not {show(value)}")


def _object(value: dict[str, Any], schema: Schema, at: str) -> tuple[Any, Fault | None]:
    properties = cast(dict[str, Schema], schema.get("properties", {}))
    if schema.get("additionalProperties") is False:
        for name in value:
            if name not in properties:
                return value, Fault("unknown_argument", _below(at, name[:60]), f"does not exist; {_known(properties)}")
    for name in cast(list[str], schema.get("required", [])):
        if name not in value:
            return value, Fault(
                "missing_argument", _below(at, name), f"({describe(properties.get(name, {}))}) is missing"
            )
    checked: dict[str, Any] = {}
    for name, item in value.items():
        checked[name], fault = check_value(item, properties.get(name, {}), _below(at, name))
        if fault:
            return value, fault
    return checked, None


def _array(value: list[Any], schema: Schema, at: str) -> tuple[Any, Fault | None]:
    items = cast(Schema, schema.get("items", {}))
    least = schema.get("minItems", 0)
    if len(value) < least:
        return value, Fault("wrong_type", at, f"must have at least {least} items, not {len(value)}")
    checked: list[Any] = []
    for place, item in enumerate(value):
        item, fault = check_value(item, items, f"{at}[{place}]")
        if fault:
            return value, fault
        checked.append(item)
    return checked, None


def _bounds(value: Any, schema: Schema, at: str) -> Fault | None:
    if isinstance(value, str) and len(value) < schema.get("minLength", 0):
        return Fault("wrong_type", at, "must not be empty")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            return Fault("not_allowed", at, f"must be at least {schema['minimum']}, not {show(value)}")
        if value > schema.get("maximum", value):
            return Fault("not_allowed", at, f"must be at most {schema['maximum']}, not {show(value)}")
    return None


def _is(value: Any, name: str) -> bool:
    kinds = _TYPES.get(name)
    return kinds is None or type(value) in kinds


def _among(value: Any, allowed: list[Any]) -> bool:
    return any(type(value) is type(item) and value == item for item in allowed)


def _names(schema: Schema) -> list[str]:
    kind: Any = schema.get("type", [])
    return [kind] if isinstance(kind, str) else cast(list[str], kind)


def _below(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _known(properties: dict[str, Schema]) -> str:
    return "the arguments are " + ", ".join(properties) if properties else "the tool takes no arguments"


def describe(schema: Schema) -> str:
    """A schema in a few words: ``string``, ``array of string``, ``"a" | "b"``, ``integer or null``."""
    if "anyOf" in schema:
        return " or ".join(describe(option) for option in cast(list[Schema], schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(show(item) for item in cast(list[Any], schema["enum"]))
    names = _names(schema)
    words = [
        f"array of {describe(schema['items'])}" if name == "array" and schema.get("items") else name for name in names
    ]
    if names == ["object"] and schema.get("properties"):
        members = cast(dict[str, Schema], schema["properties"])
        return "{" + ", ".join(f"{name}: {describe(member)}" for name, member in members.items()) + "}"
    return " or ".join(words) or "any value"


def show(value: Any) -> str:
    """A value in a message, with its type where that is the point, cut at 60 characters."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}..."'
        case list():
            return "an array"
        case dict():
            return "an object"
        case _:
            return repr(value)[:60]
