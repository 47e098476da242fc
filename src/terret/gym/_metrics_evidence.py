"""Which evidence the agent's side of an episode produced with the support of its level, beside the paper's Table 5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

Rows = Sequence[dict[str, Any]]

EVIDENCE: dict[str, tuple[str, str | None]] = {
    "final_patch": ("final patch", None),
    "tool_trace": ("tool trace", "tool_registry"),
    "registered_tests": ("registered tests", "test_command_registry"),
    "context_trace": ("context trace", "context_protocol"),
    "task_state": ("task state", "task_state"),
    "reproduction_log": ("reproduction log", "reproduction_protocol"),
    "attribution_log": ("attribution log", "attribution_protocol"),
    "requirement_checks": ("requirement checks", "check_registry"),
    "verification_report": ("verification report", "report_template"),
}
"""Evidence to its title and the artifact of the visibility matrix that must be visible for it to count."""

PAPER_TABLE_5: dict[str, tuple[str, frozenset[str]]] = {
    "H0": (
        "autonomous_verified_success",
        frozenset({"final_patch"}),
    ),
    "H1": (
        "unverified_success",
        frozenset({"final_patch", "tool_trace", "registered_tests"}),
    ),
    "H2": (
        "unverified_success",
        frozenset({"final_patch", "tool_trace", "registered_tests", "context_trace", "task_state"}),
    ),
    "H3": ("autonomous_verified_success", frozenset(EVIDENCE)),
}
"""AI Harness Engineering, Table 5: level to the label and the evidence of its one run of the login task."""

LOGIN = "login-empty-password"
"""The task of the starter suite that is the paper's login task."""

TABLE_5_NOTE = (
    "The paper contradicts itself at H0: its Table 5 calls the episode autonomous_verified_success, while the rule of "
    "its Methods section needs a verification protocol that maps requirements to evidence, which H0 does not have. "
    "Terret follows the rule, so an episode that passes at H0 is an unverified_success."
)

_TESTS = frozenset({"registered", "targeted", "regression"})
_FILE_TOOLS = frozenset({"fs.read", "fs.write", "fs.delete", "fs.list", "human.ask", "human.hear", "workspace.apply"})


class Files(Protocol):
    """What is needed of a package."""

    def bytes(self, path: str) -> bytes:
        """The content of a file."""
        ...

    def object(self, path: str) -> dict[str, Any]:
        """A file of one JSON object."""
        ...

    def rows(self, path: str) -> list[dict[str, Any]]:
        """A file of JSON lines."""
        ...


def evidence(package: Files, opened: dict[str, Any], tools: Rows, context: Rows) -> dict[str, bool]:
    """For each of :data:`EVIDENCE` whether the agent's side produced it and the level offers what it takes.

    The harness records at every level; that alone is no evidence of the agent's. ``opened`` is ``episode.json``,
    ``tools`` and ``context`` the rows of those traces.
    """
    task = package.object("records/task.json")
    checks = [row for row in package.rows("traces/verification.jsonl") if row["phase"] == "episode"]
    declared = package.object("traces/outcome.json")["declared"] is True
    commands = {task.get("tests"), *cast("list[str]", task.get("targeted", []))} - {None}
    covering = any(row["covers"] for row in checks)
    produced = {
        "final_patch": bool(package.bytes("patch.diff")),
        "tool_trace": any(row["primitive"] not in _FILE_TOOLS for row in tools),
        "registered_tests": any(row["type"] in _TESTS or row["method"] in commands for row in checks)
        or any(row["primitive"] == "shell.run" and row["target"] in commands for row in tools),
        "context_trace": bool(context),
        "task_state": bool(package.object("records/state.json")),
        "reproduction_log": any(row["type"] == "reproduction" for row in checks),
        "attribution_log": bool(package.rows("traces/attribution.jsonl")),
        "requirement_checks": covering,
        "verification_report": declared and covering,
    }
    offered = {None, *opened["visible_artifacts"]}
    return {name: made and EVIDENCE[name][1] in offered for name, made in produced.items()}
