"""Harness levels: the visibility matrix as data, and what a level puts into the workspace and the tool table."""

from __future__ import annotations

from typing import Literal

from terret.errors import ConfigError

Level = Literal["H0", "H1", "H2", "H3"]

LEVELS: tuple[Level, ...] = ("H0", "H1", "H2", "H3")
"""From least to most support; visibility only grows (requirement R1)."""

VISIBILITY: dict[str, tuple[bool, bool, bool, bool]] = {
    # artifact                    H0     H1     H2     H3
    "task": (True, True, True, True),
    "repository": (True, True, True, True),
    "tool_registry": (False, True, True, True),
    "test_command_registry": (False, True, True, True),
    "tool_usage_protocol": (False, True, True, True),
    "agent_guide": (False, False, True, True),
    "architecture": (False, False, True, True),
    "testing_guide": (False, False, True, True),
    "task_state": (False, False, True, True),
    "known_failures": (False, False, True, True),
    "context_protocol": (False, False, True, True),
    "check_registry": (False, False, False, True),
    "reproduction_protocol": (False, False, False, True),
    "attribution_protocol": (False, False, False, True),
    "verification_protocol": (False, False, False, True),
    "report_template": (False, False, False, True),
    "evaluator_notes": (False, False, False, False),
    "hidden_checks": (False, False, False, False),
}
"""The operational definition of the ladder (AI Harness Engineering, Table 3): artifact against level."""

TOOLS: dict[str, tuple[bool, bool, bool, bool]] = {
    # tool                  H0     H1     H2     H3
    "list_files": (True, True, True, True),
    "read_file": (True, True, True, True),
    "edit_file": (True, True, True, True),
    "write_file": (True, True, True, True),
    "apply": (True, True, True, True),
    "declare_complete": (True, True, True, True),
    "search": (False, True, True, True),
    "run": (False, True, True, True),
    "inspect_diff": (False, True, True, True),
    "read_output": (False, True, True, True),
    "update_task_state": (False, False, True, True),
    "ask_human": (False, True, True, True),
}
"""Which tools exist at which level; below its level a tool is absent from prompt, registry and table alike."""

HUMAN_TOOLS = frozenset({"ask_human"})
"""Tools that exist only in an episode in which a human takes part."""


def parse_level(text: str) -> Level:
    """The level of that name.

    Raises:
        ConfigError: There is no such level.
    """
    if text not in LEVELS:
        raise ConfigError("unknown level", value=text, hint="use one of " + ", ".join(LEVELS))
    return text


def visible_artifacts(level: Level) -> list[str]:
    """The artifacts an agent can see at a level, in the order of the matrix."""
    at = LEVELS.index(level)
    return [artifact for artifact, row in VISIBILITY.items() if row[at]]


def is_visible(artifact: str, level: Level) -> bool:
    """Whether an artifact of the matrix may be shown at a level."""
    return VISIBILITY[artifact][LEVELS.index(level)]


def allowed_tools(level: Level, *, human: bool = False) -> list[str]:
    """The tools an agent has at a level, in the order of the table; ``human``: whether a human takes part."""
    at = LEVELS.index(level)
    return [name for name, row in TOOLS.items() if row[at] and (human or name not in HUMAN_TOOLS)]
