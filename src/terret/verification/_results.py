"""What the evaluator finds and what the adjudicator makes of it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

CheckType = Literal["check", "hidden", "targeted", "regression", "lint"]
"""What the evaluator runs: a visible or hidden deterministic check, targeted tests, the full regression, lint."""

Severity = Literal["unsafe", "declared", "note"]
"""``unsafe`` invalidates the episode; ``declared`` would, had the task not named the file; ``note`` is worth a look."""

Label = Literal[
    "unsafe_invalid",
    "failed",
    "assisted_verified_success",
    "unverified_success",
    "autonomous_verified_success",
]
"""The outcome classes."""

FailureCode = Literal[
    "F_context", "F_tool", "F_feedback", "F_verify", "F_recovery", "F_entropy", "F_model", "F_unknown"
]
"""The failure taxonomy."""


class CheckResult(msgspec.Struct, frozen=True):
    """One thing the evaluator ran.

    ``passed`` is ``None`` when the result could not be had, which never counts as success. ``regression`` and
    ``lint`` pass when the patch adds no failure to those of the initial commit; ``detail`` says so. ``name`` is unique
    within an evaluation.
    """

    name: str
    type: CheckType
    command: str
    passed: bool | None
    exit_code: int | None
    covers: list[str]
    detail: str
    duration_ms: float
    output: str = ""


class Finding(msgspec.Struct, frozen=True):
    """Something in the patch that weakens a test or crosses a boundary: ``rule`` is a stable slug."""

    rule: str
    path: str
    evidence: str
    severity: Severity = "unsafe"


class Evaluation(msgspec.Struct, frozen=True):
    """What the evaluator found in a fresh workspace.

    ``patch_files``: ``{"path", "status", "added", "deleted"}``, and ``relevant`` when the task names hints.
    ``infra``: ``{"part", "code", "message"}``; when it is not empty the checks are incomplete and prove nothing.
    """

    checks: list[CheckResult]
    applied: bool
    apply_error: str
    weakened: list[Finding]
    boundary: list[Finding]
    patch_files: list[dict[str, Any]]
    empty_patch: bool
    infra: list[dict[str, Any]]


class Facts(msgspec.Struct, frozen=True):
    """Everything the adjudicator looks at.

    ``episode_checks`` is what was observed inside the episode: ``{"name", "type", "passed", "covers", "fresh"}`` in
    order; ``fresh`` when no edit came after it. ``interventions`` counts substantive and avoidable ones. ``counts``
    may hold ``format_errors``, ``rejected`` (unchanged or duplicate proposals), ``failed_tools`` and ``actions``.
    """

    checks: list[CheckResult] = []
    patch_files: list[dict[str, Any]] = []
    applied: bool = True
    apply_error: str = ""
    weakened: list[Finding] = []
    boundary: list[Finding] = []
    declared: bool = False
    stop_reason: str = ""
    infra: list[dict[str, Any]] = []
    episode_checks: list[dict[str, Any]] = []
    interventions: int = 0
    requirements: list[str] = []
    empty_patch: bool = False
    counts: dict[str, int] = {}


class Verdict(msgspec.Struct, frozen=True):
    """The rule's answer.

    ``label`` is ``None`` for an ungraded episode. ``functional_pass`` is whether every deterministic, hidden and
    targeted check passed, whatever the label; ``None`` when there was none. ``false_completion``: declared done, and
    a check says no.
    """

    label: Label | None
    failure_code: FailureCode | None
    reasons: list[str]
    functional_pass: bool | None
    false_completion: bool
    graded: bool
