"""Puts the harness artifacts of a level into the workspace, under ``harness/``; below its level a file is absent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from terret.models import ToolSpec
from terret.runtime._levels import Level, is_visible
from terret.runtime._workflow import registered
from terret.task import Task

FOLDER = "harness"
"""Top-level folder of the artifacts; it is not part of the agent's change."""

FILES: dict[str, str] = {
    "tool_registry": "tools.json",
    "test_command_registry": "test_commands.json",
    "tool_usage_protocol": "tool_protocol.md",
    "agent_guide": "agent_guide.md",
    "architecture": "architecture.md",
    "testing_guide": "testing_guide.md",
    "task_state": "task_state.md",
    "known_failures": "known_failures.md",
    "context_protocol": "context_protocol.md",
    "check_registry": "checks.json",
    "reproduction_protocol": "reproduction_protocol.md",
    "attribution_protocol": "attribution_protocol.md",
    "verification_protocol": "verification_protocol.md",
    "report_template": "report_template.md",
}
"""Artifact of the visibility matrix to its file."""

TEXTS: dict[str, str] = {
    "tool_usage_protocol": """# How to use the tools

1. Look before you change: list, search and read what the task is about.
2. Change as little as possible, in the files the task is about.
3. Run the test commands of `test_commands.json` after every change and read what they print.
4. A result that starts with FAILED changed nothing; read why and do something else.
5. Declare the task complete only after the tests passed on your last change.
""",
    "task_state": """# Task state

Kept with `update_task_state`: the hypothesis you work on, the files you inspected, open questions, next steps. Write it
down when it changes; contradictions with what was observed are pointed out to you.
""",
    "reproduction_protocol": """# Reproduce first

Run a command of `checks.json` before you edit anything. The failure you see is what the fix must remove; an edit
before a reproduction is refused. When every check passes before the change, that is recorded too.
""",
    "attribution_protocol": """# Attribute before you edit

Every failed command is recorded with what was observed, what was expected and a first classification. Add your own
diagnosis with `update_task_state(hypothesis=...)`: the cause, where it is, and what else could explain the failure. An
edit before that is refused, and so is a second attempt before the failure of the first was attributed.
""",
    "verification_protocol": """# Verify each requirement

`checks.json` says which command covers which requirement. After the last edit run every one of them, exactly as
written; evidence from before the last edit does not count. `declare_complete` is refused, with what is missing, until
all pass.
""",
    "report_template": """# Report

What was wrong; what was changed and why there; which command shows each requirement; what was not covered.
""",
}
"""Artifacts that are the same for every task."""


def artifacts(
    task: Task, level: Level, tools: Sequence[ToolSpec], guides: Mapping[str, str] | None = None
) -> dict[str, bytes]:
    """The files of a level, path to content; deterministic.

    Args:
        task: The task; only what every agent may see of it is used.
        level: The level.
        tools: The tools of the level.
        guides: Further artifacts by name: those built from the repository and from project memory.
    """
    texts = {**TEXTS, **(guides or {})}
    texts["tool_registry"] = _json([{"name": t.name, "description": t.description, **_schema(t)} for t in tools])
    commands = {"tests": task.tests, "targeted": list(task.targeted), "lint": task.lint}
    texts["test_command_registry"] = _json(commands)
    checks = [
        {"name": check.name, "command": check.run, "expect": check.expect, "covers": list(check.covers)}
        for check in registered(task)
    ]
    texts["check_registry"] = _json(checks)
    return {
        f"{FOLDER}/{file}": texts[artifact].encode()
        for artifact, file in FILES.items()
        if is_visible(artifact, level) and artifact in texts
    }


def _schema(tool: ToolSpec) -> dict[str, object]:
    return {"parameters": tool.parameters}


def _json(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
