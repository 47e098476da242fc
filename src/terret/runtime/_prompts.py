"""The words that images share."""

from __future__ import annotations

from terret.runtime._levels import Level, is_visible
from terret.task import Task


def describe(task: Task) -> str:
    """The task as every level shows it: objective and requirements."""
    lines = [task.objective.strip()]
    if task.requirements:
        lines += ["", "Requirements:", *(f"- {item.id}: {item.text}" for item in task.requirements)]
    return "\n".join(lines)


def test_commands(task: Task) -> list[str]:
    """The test-command registry, most specific first."""
    commands = [*task.targeted, *([task.tests] if task.tests else [])]
    return list(dict.fromkeys(commands))


def support(task: Task, level: Level) -> str:
    """What the level adds to the prompt."""
    lines: list[str] = []
    if is_visible("test_command_registry", level):
        lines += [f"Test command: `{command}`" for command in test_commands(task)]
        if task.lint:
            lines.append(f"Lint command: `{task.lint}`")
    if is_visible("tool_usage_protocol", level):
        lines += [
            "Work in small steps: read before you edit, run the tests after every edit, and declare the task complete "
            "only when you saw them pass.",
            "The folder `harness/` describes your tools and commands; it is not part of the change.",
        ]
    return "\n".join(lines)


def tail(output: str, limit: int = 1500) -> str:
    """The end of a test output, where the failures are."""
    text = output.strip()
    return text if len(text) <= limit else "[...]\n" + text[-limit:].split("\n", 1)[-1]
