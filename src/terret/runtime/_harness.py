"""Puts the harness artifacts of a level into the workspace, under ``harness/``; below its level a file is absent."""

from __future__ import annotations

import json

from terret.models import ToolSpec
from terret.runtime._levels import Level, is_visible
from terret.task import Task

FOLDER = "harness"
"""Top-level folder of the artifacts; it is not part of the agent's change."""

PROTOCOL = """# How to use the tools

1. Look before you change: list, search and read what the task is about.
2. Change as little as possible, in the files the task is about.
3. Run the test commands of `test_commands.json` after every change and read what they print.
4. A result that starts with FAILED changed nothing; read why and do something else.
5. Declare the task complete only after the tests passed on your last change.
"""


def artifacts(task: Task, level: Level, tools: tuple[ToolSpec, ...]) -> dict[str, bytes]:
    """The files of a level, path to content; deterministic."""
    files: dict[str, bytes] = {}
    if is_visible("tool_registry", level):
        registry = [{"name": t.name, "description": t.description, "parameters": t.parameters} for t in tools]
        files[f"{FOLDER}/tools.json"] = _json(registry)
    if is_visible("test_command_registry", level):
        commands = {"tests": task.tests, "targeted": list(task.targeted), "lint": task.lint}
        files[f"{FOLDER}/test_commands.json"] = _json(commands)
    if is_visible("tool_usage_protocol", level):
        files[f"{FOLDER}/tool_protocol.md"] = PROTOCOL.encode()
    return files


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
