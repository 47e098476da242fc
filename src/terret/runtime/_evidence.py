"""Checks that the runtime itself runs inside an episode, each a piece of evidence with the requirements it covers."""

from __future__ import annotations

from typing import NamedTuple

from terret.journal import ActionParsed
from terret.runtime._agent import Agent
from terret.runtime._workflow import Workflow
from terret.sandbox import Completed
from terret.task import Check
from terret.tools import ToolResult


class Ran(NamedTuple):
    """A check, whether it passed, and what the command gave."""

    check: Check
    passed: bool
    done: Completed


async def run_check(agent: Agent, workflow: Workflow, check: Check, kind: str) -> Ran:
    """Run one check on the workspace as it is, writes thrown away, and record it as evidence of that type."""
    kernel = agent.kernel
    kernel.recorder.emit(ActionParsed(kernel.turn, "run", {"command": check.run}, "", by="runtime"))
    kernel.recent.clear()
    done = await kernel.check(check.run, check.timeout_s)
    passed = workflow.record(check, done, kind)
    failure = None if passed else {"type": done.status if done.status != "ok" else "check_failed", "detail": check.name}
    agent.observe("run", ToolResult(text=done.output.decode("utf-8", "replace"), ok=passed, failure=failure))
    return Ran(check, passed, done)
