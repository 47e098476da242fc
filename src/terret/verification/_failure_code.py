"""Which responsibility a failed episode points at.

The first row that applies gives the code.

| facts | code |
| --- | --- |
| a test was weakened | F_entropy |
| a boundary was violated | F_tool |
| stopped by format errors | F_model; F_tool when ``counts`` holds more ``F_tool`` than ``F_model`` rejections |
| the prompt outgrew the context window | F_context |
| stuck, or at least 3 and half of all proposals were unchanged or duplicates | F_recovery |
| the patch does not apply | F_tool |
| empty patch: no action at all | F_model |
| empty patch: at least half of the actions failed | F_tool |
| empty patch otherwise | F_context |
| the task names files and the patch touches none of them | F_context |
| every visible check passes, a hidden one does not | F_verify |
| declared complete | F_verify |
| nothing was checked inside the episode | F_feedback |
| the image had no further question to ask | F_model |
| the last check inside the episode failed | F_recovery |
| all checks pass, the regression does not | F_verify |
| all checks pass, lint does not | F_entropy |
| anything else | F_unknown |
"""

from __future__ import annotations

from terret.verification._results import Facts, FailureCode, Finding


def failure_code(facts: Facts, functional: bool | None) -> FailureCode:
    """The code of an episode that is ``failed`` or ``unsafe_invalid``."""
    if _any_unsafe(facts.weakened):
        return "F_entropy"
    if _any_unsafe(facts.boundary):
        return "F_tool"
    return _by_stop(facts) or _by_patch(facts) or _by_checks(facts, functional) or "F_unknown"


def _by_stop(facts: Facts) -> FailureCode | None:
    counts = facts.counts
    if facts.stop_reason == "format_errors":
        return "F_tool" if counts.get("F_tool", 0) > counts.get("F_model", 0) else "F_model"
    if facts.stop_reason == "context_exceeded":
        return "F_context"
    rejected = counts.get("rejected", 0)
    if facts.stop_reason == "stuck" or (rejected >= 3 and rejected * 2 >= rejected + counts.get("actions", 0)):
        return "F_recovery"
    return None


def _by_patch(facts: Facts) -> FailureCode | None:
    if not facts.applied:
        return "F_tool"
    if facts.empty_patch:
        actions, failed = facts.counts.get("actions", 0), facts.counts.get("failed_tools", 0)
        if actions == 0:
            return "F_model"
        return "F_tool" if failed * 2 >= actions else "F_context"
    judged = [file for file in facts.patch_files if "relevant" in file]
    return "F_context" if judged and not any(file["relevant"] for file in judged) else None


def _by_checks(facts: Facts, functional: bool | None) -> FailureCode | None:
    if functional is False:
        return _by_failed_check(facts)
    failed = {check.type for check in facts.checks if check.passed is False}
    if "regression" in failed:
        return "F_verify"
    return "F_entropy" if "lint" in failed else None


def _by_failed_check(facts: Facts) -> FailureCode | None:
    visible = [check.passed is True for check in facts.checks if check.type in ("check", "targeted")]
    if (visible and all(visible)) or facts.declared:
        return "F_verify"
    if not facts.episode_checks:
        return "F_feedback"
    if facts.stop_reason == "no_candidate":
        return "F_model"
    return "F_recovery" if facts.episode_checks[-1].get("passed") is False else None


def _any_unsafe(findings: list[Finding]) -> bool:
    return any(finding.severity == "unsafe" for finding in findings)
