"""Turns a typed, documented coroutine function into a tool."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec

from terret.errors import ConfigError
from terret.models import FormatError, ToolSpec
from terret.models.dialects import check_arguments
from terret.tools._hints import optional, resolve_hints, schema_of
from terret.tools._result import Primitives, ToolFailure, ToolResult

ToolFunction = Callable[..., Awaitable[ToolResult | str]]
"""Takes the primitives and the arguments by name; a text is a successful result."""


class Tool(msgspec.Struct, frozen=True):
    """A tool as the model sees it, and the function behind it."""

    spec: ToolSpec
    function: ToolFunction

    async def call(self, primitives: Primitives, args: dict[str, Any]) -> ToolResult:
        """Check the arguments and act.

        Raises:
            ToolFailure: The arguments do not fit (``bad_arguments``), or the tool could not do it.
        """
        checked = check_arguments(self.spec, args)
        if isinstance(checked, FormatError):
            raise ToolFailure("bad_arguments", checked.message)
        return await self.act(primitives, checked)

    async def act(self, primitives: Primitives, args: dict[str, Any]) -> ToolResult:
        """Act on arguments that were checked already; raises :class:`ToolFailure` when the tool could not do it."""
        result = await self.function(primitives, **args)
        return ToolResult(result) if isinstance(result, str) else result


def tool(function: ToolFunction) -> Tool:
    """Make a tool of a coroutine function whose first parameter takes the :class:`Primitives`.

    The name is the function's, the description the docstring before its ``Args:`` section, and the schema comes from
    the annotations (``str``, ``int``, ``float``, ``bool``, ``Literal``, ``list[...]``, a ``TypedDict``, and
    ``X | None`` with a default) and the ``Args:`` section, which must describe every parameter.

    Raises:
        ConfigError: The function cannot be a tool; the message says what is missing.
    """
    name = function.__name__
    if not inspect.iscoroutinefunction(function):
        raise ConfigError("a tool must be an async function", where=name)
    description, about = _documented(function, name)
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        raise ConfigError("a tool takes the primitives as its first parameter", where=name)
    hints = resolve_hints(function, name)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for parameter in parameters[1:]:
        where = f"{name}({parameter.name})"
        properties[parameter.name] = _property(parameter, hints.get(parameter.name), about, where)
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    for unknown in about.keys() - properties.keys():
        raise ConfigError("the docstring describes a parameter that does not exist", value=unknown, where=name)
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return Tool(ToolSpec(name, description, schema), function)


def _property(parameter: inspect.Parameter, hint: Any, about: dict[str, str], where: str) -> dict[str, Any]:
    if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
        raise ConfigError("a tool's parameters must have names", where=where)
    if hint is None:
        raise ConfigError("the parameter has no annotation", where=where)
    if not about.get(parameter.name):
        raise ConfigError("the parameter is not described under Args: in the docstring", where=where)
    if optional(hint) and parameter.default is parameter.empty:
        raise ConfigError("a parameter that may be None needs a default", where=where)
    schema = schema_of(hint, where)
    schema["description"] = about[parameter.name]
    if parameter.default is not parameter.empty and parameter.default is not None:
        schema["default"] = parameter.default
    return schema


_ARGUMENT = re.compile(r"(\w+)(?: \([^)]*\))?: *(.*)")


def _documented(function: ToolFunction, name: str) -> tuple[str, dict[str, str]]:
    """The description, and the text of each parameter."""
    text = inspect.cleandoc(function.__doc__ or "")
    description, _, rest = text.partition("\nArgs:\n")
    description = " ".join(description.split())
    if not description or description.startswith("Args:"):
        raise ConfigError("a tool needs a docstring that says what it does", where=name)
    about: dict[str, str] = {}
    current = ""
    for line in inspect.cleandoc("\n" + _section(rest)).split("\n"):
        found = None if line.startswith(" ") else _ARGUMENT.match(line)
        if found:
            current = cast(str, found[1])
            about[current] = found[2].strip()
        elif current and line.strip():
            about[current] += " " + line.strip()
    return description, about


def _section(rest: str) -> str:
    """The indented lines that follow ``Args:``."""
    lines: list[str] = []
    for line in rest.split("\n"):
        if line.strip() and not line.startswith(" "):
            break
        lines.append(line)
    return "\n".join(lines)
