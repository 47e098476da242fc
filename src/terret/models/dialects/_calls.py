"""From a tool's name and arguments to an action, and how tools are listed in a prompt."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, cast

from terret.models._types import ToolSpec
from terret.models.dialects._action import Action, FormatError, refuse
from terret.models.dialects._json import Unreadable, read_json
from terret.models.dialects._schema import Schema, check_value, describe, show


def make_action(
    name: str, args: Any, tools: Sequence[ToolSpec], *, call_id: str | None = None, excerpt: str = ""
) -> Action | FormatError:
    """The action of a call, if the tool exists and its schema accepts the arguments."""
    for spec in tools:
        if spec.name == name:
            checked = check_arguments(spec, args, excerpt=excerpt)
            return checked if isinstance(checked, FormatError) else Action(name, checked, call_id)
    return refuse("unknown_tool", _unknown(name, tools), excerpt)


def check_arguments(spec: ToolSpec, args: Any, *, excerpt: str = "") -> dict[str, Any] | FormatError:
    """The arguments as the tool's schema wants them, or the first thing that is wrong with them."""
    if not isinstance(args, dict):
        message = f"{spec.name}: the arguments must be a JSON object, not {show(args)}"
        return refuse("arguments_not_object", message, excerpt)
    checked, fault = check_value(args, spec.parameters)
    if fault is None:
        return cast("dict[str, Any]", checked)
    return refuse(fault.reason, f"{spec.name}: argument {fault}", excerpt)


def read_call(
    text: str, name_key: str, args_key: str, tools: Sequence[ToolSpec], *, where: str = ""
) -> Action | FormatError:
    """The action of a call written as a JSON object with two keys; the arguments' key may be left out.

    Args:
        text: The JSON.
        name_key: Key of the tool's name.
        args_key: Key of its arguments.
        tools: The tools there are.
        where: What the message calls the place of the JSON.
    """
    shape = f'{{"{name_key}": ..., "{args_key}": {{...}}}}'
    try:
        call = read_json(text)
    except Unreadable as error:
        reason = "too_deep" if error.deep else "json_invalid"
        return refuse(reason, f"{where}the JSON of the call is broken: {error}", text)
    if not isinstance(call, dict):
        return refuse("not_an_object", f"{where}a call is one JSON object {shape}, not {show(call)}", text)
    members = cast(dict[str, Any], call)
    name = members.get(name_key)
    if not isinstance(name, str) or not members.keys() <= {name_key, args_key}:
        found = ", ".join(key[:40] for key in list(members)[:8]) or "none"
        return refuse("wrong_keys", f"{where}a call is {shape}, and nothing else; the keys found are: {found}", text)
    return make_action(name, members.get(args_key, {}), tools, excerpt=text)


def _unknown(name: str, tools: Sequence[ToolSpec]) -> str:
    names = [tool.name for tool in tools]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6) if len(name) <= 60 else []
    guess = f", did you mean {near[0]}?" if near else ""
    return f"there is no tool {show(name)}{guess} (tools: {', '.join(names) or 'none'})"


def list_tools(tools: Sequence[ToolSpec]) -> str:
    """The tools as a prompt shows them: name, arguments, purpose; optional arguments are marked with ``?``."""
    return "\n".join(_entry(tool) for tool in tools)


def _entry(tool: ToolSpec) -> str:
    properties = cast(dict[str, Schema], tool.parameters.get("properties", {}))
    required = cast(list[str], tool.parameters.get("required", []))
    lines = [f"- {tool.name}: {' '.join(tool.description.split())}"]
    for name, schema in properties.items():
        about = " ".join(str(schema.get("description", "")).split())
        mark = "" if name in required else "?"
        default = f", default {show(schema['default'])}" if "default" in schema else ""
        lines.append(f"    {name}{mark} ({describe(schema)}{default}){': ' + about if about else ''}")
    return "\n".join(lines)
