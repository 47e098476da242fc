"""The tools terret brings along."""

from __future__ import annotations

from terret.tools import _commands, _files, _progress
from terret.tools._declare import Tool

_TOOLS: tuple[Tool, ...] = (
    _files.list_files,
    _files.read_file,
    _files.search,
    _files.edit_file,
    _files.write_file,
    _files.apply,
    _commands.run,
    _commands.inspect_diff,
    _commands.read_output,
    _progress.update_task_state,
    _progress.ask_human,
    _progress.declare_complete,
)


def registry() -> dict[str, Tool]:
    """Every built-in tool by name; which of them an agent has is the level's business."""
    return {tool.spec.name: tool for tool in _TOOLS}
