"""What ``edit`` and ``file`` share: one ``apply`` action, and JSON calls for every other tool."""

from __future__ import annotations

from collections.abc import Sequence

from terret.models._types import ToolSpec
from terret.models.dialects._action import Action, FormatError
from terret.models.dialects._calls import list_tools, make_action, read_call
from terret.models.dialects._fenced_json import SHAPE
from terret.models.dialects._fences import Block
from terret.models.dialects._paths import path_line


def change(
    edits: list[dict[str, str]], files: list[dict[str, str]], tools: Sequence[ToolSpec], excerpt: str
) -> tuple[Action, ...] | FormatError:
    """The ``apply`` action of a reply."""
    args = {name: items for name, items in (("edits", edits), ("files", files)) if items}
    made = make_action("apply", args, tools, excerpt=excerpt)
    return made if isinstance(made, FormatError) else (made,)


def others(tools: Sequence[ToolSpec]) -> list[ToolSpec]:
    """The tools a reply can call in JSON; changes have their own form, so the tools that make them are left out."""
    return [tool for tool in tools if tool.name not in {"apply", "edit_file", "write_file"}]


def json_call(blocks: Sequence[Block], tools: Sequence[ToolSpec]) -> tuple[Action, ...] | FormatError | None:
    """The call of a reply whose only block is a ``json`` one that names a tool; None for any other reply."""
    if len(blocks) != 1 or not others(tools):
        return None
    block = blocks[0]
    if block.tag != "json" or '"tool"' not in block.body or path_line(block.before) is not None:
        return None
    made = read_call(block.body, "tool", "args", tools)
    return made if isinstance(made, FormatError) else (made,)


def call_instructions(tools: Sequence[ToolSpec]) -> str:
    """How the other tools are called; empty when there are none."""
    rest = others(tools)
    if not rest:
        return ""
    return (
        f"\n\nFor anything but a change, reply instead with exactly one call, in one fenced block:\n\n{SHAPE}\n\n"
        f"The tools (? marks an optional argument):\n\n{list_tools(rest)}"
    )
