"""Checks run inside an episode: the registered ones at H3, each a piece of evidence with the requirements it covers."""

from __future__ import annotations

from typing import NamedTuple

from terret.journal import ActionParsed, CheckRan
from terret.runtime._agent import Agent
from terret.runtime._prompts import test_commands
from terret.task import Check
from terret.tools import ToolResult
from terret.verification import judge, timed


class Ran(NamedTuple):
    """A check and what it gave; ``passed`` is ``None`` when it ran out of time."""

    check: Check
    passed: bool | None
    output: str
    status: str
    exit_code: int | None


def registered(agent: Agent) -> list[Check]:
    """What can be run as evidence: the task's visible checks, then its test commands that are no check already."""
    checks = list(agent.task.checks)
    known = {check.run for check in checks}
    return checks + [Check(name=run, run=run) for run in test_commands(agent.task) if run not in known]


async def run_check(agent: Agent, check: Check, phase_type: str) -> Ran:
    """Run one check on the workspace as it is, writes thrown away, and record it as evidence of that type."""
    kernel = agent.kernel
    kernel.recorder.emit(ActionParsed(kernel.turn, "run", {"command": check.run}, "", by="runtime"))
    kernel.recent.clear()
    done = await kernel.check(check.run, check.timeout_s)
    output = done.output.decode("utf-8", "replace")
    limits = timed(kernel.limits, check.timeout_s)
    passed, detail = judge(done, output, limits, check.expect, check.exit_code)
    kind = "timeout" if done.status == "timeout" else done.status if done.status != "ok" else "check_failed"
    failure = None if passed else {"type": kind, "detail": detail}
    agent.observe("run", ToolResult(text=output, ok=passed, failure=failure))
    kernel.recorder.emit(
        CheckRan(
            phase="episode",
            name=check.name,
            type=phase_type,
            command=check.run,
            passed=passed,
            exit_code=done.exit_code,
            covers=list(check.covers),
            detail=detail,
            duration_ms=done.wall_ms,
            interpretation=_interpretation(phase_type, passed),
            after_edit=kernel.edits,
        )
    )
    return Ran(check, passed, output, done.status, done.exit_code)


def _interpretation(phase_type: str, passed: bool) -> str:
    if phase_type == "reproduction":
        return "passes before any change" if passed else "reproduces the failure before any change"
    return "the requirement it covers holds on this change" if passed else "the change does not meet it"
