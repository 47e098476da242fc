"""Tools that an agent makes for itself: a name for a command. Making one grants nothing; its calls are commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from terret.models import ToolSpec
from terret.runtime._classes import Done
from terret.runtime.primitives._process import ProcessPrimitives
from terret.tools import Primitives, Tool, ToolFailure, ToolResult

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SLOT = re.compile(r"\{([a-z][a-z0-9_]*)\}")


async def register_tool(
    own: ProcessPrimitives, name: str, description: str, command: str, parameters: Mapping[str, str] | None = None
) -> Tool:
    """Make a tool of a shell text with ``{PARAMETER}`` slots, which get their values as one quoted word each.

    ``parameters`` are descriptions by name; all are texts and required. Right ``link`` on ``tool:NAME``.

    Raises:
        ToolFailure: It is refused, a name is malformed, or the slots and the parameters differ.
    """
    described = dict(parameters or {})
    if not _NAME.fullmatch(name) or set(_SLOT.findall(command)) != set(described):
        raise ToolFailure("bad_arguments", "a tool has a plain name, and a slot in its command for every parameter")

    async def act() -> Done:
        return "ok", {}, {}

    args: dict[str, Any] = {"name": name, "description": description, "command": command, "parameters": described}
    await own.effect("tool.register", args, act)
    properties = {one: {"type": "string", "description": about} for one, about in described.items()}
    schema = {"type": "object", "properties": properties, "required": list(described), "additionalProperties": False}

    async def call(primitives: Primitives, **values: str) -> ToolResult:
        text = _SLOT.sub(lambda found: shlex.quote(values[found[1]]), command)
        done = await primitives.run(text)
        shown = done.output.decode("utf-8", "replace")
        if done.status == "ok" and done.exit_code == 0:
            return ToolResult(shown)
        detail = str(done.exit_code) if done.status == "ok" else done.status
        return ToolResult(shown or f"it ended with {detail}", ok=False, failure={"type": "command", "detail": detail})

    return Tool(ToolSpec(name, description, schema), call)
