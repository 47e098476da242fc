"""The H3 workflow around an agent's actions: what is allowed when, what counts as evidence, and when done is done."""

from __future__ import annotations

from terret.journal import CheckRan
from terret.models import Action
from terret.runtime._attributing import Attributor
from terret.runtime._kernel import Kernel
from terret.runtime._machine import Machine
from terret.runtime._prompts import test_commands
from terret.sandbox import Completed
from terret.task import Check, Task
from terret.tools import ToolResult
from terret.verification import judge, timed

EDITS = frozenset({"apply", "edit_file", "write_file"})
"""Tools that change the workspace on purpose."""


def registered(task: Task) -> list[Check]:
    """The check registry: the task's visible checks, then its test commands that are no check already."""
    checks = list(task.checks)
    known = {check.run for check in checks}
    return checks + [Check(name=run, run=run) for run in test_commands(task) if run not in known]


class Workflow:
    """Keeps an episode in the order reproduce, attribute, fix, verify, report.

    A ``run`` whose command is that of a registered check is evidence. Every failed command is attributed by rule; the
    agent adds its own diagnosis as the ``hypothesis`` of its task state, and may not edit before it has.
    """

    def __init__(self, task: Task, kernel: Kernel, attributor: Attributor) -> None:
        self.machine = Machine()
        self.attributor = attributor
        self.checks = registered(task)
        self._task = task
        self._kernel = kernel
        self._evidence: dict[str, tuple[bool, int]] = {}
        self._helped = False

    def refusal(self, action: Action) -> str | None:
        """Why an action is not allowed now."""
        return self.machine.refusal("edited") if action.tool in EDITS else None

    def after(self, action: Action, result: ToolResult, done: Completed | None) -> None:
        """Take note of an action that was carried out; ``done`` is what a command gave."""
        if action.tool in EDITS and result.ok:
            self.machine.advance("edited")
        elif action.tool == "update_task_state" and action.args.get("hypothesis"):
            self.attributor.diagnosed(str(action.args["hypothesis"])[:500])
            if self.machine.phase == "attribute":
                self.machine.advance("attributed")
        elif action.tool == "run" and done is not None:
            self._ran(str(action.args.get("command", "")).strip(), done)

    def taken_over(self) -> None:
        """A person changed the workspace: they have attributed the failure and fixed it, for the checks to judge.

        The reproduction stays to be done; from ``report`` on only the evidence is stale.
        """
        self._helped = True
        if self.machine.phase == "attribute":
            self.machine.advance("attributed")
        if self.machine.refusal("edited") is None:
            self.machine.advance("edited")

    def gate(self, summary: str) -> list[str]:
        """Why a declaration of completion is refused; nothing when the evidence is complete and fresh."""
        reasons = self.missing()
        refusal = self.machine.refusal("reported")
        if refusal is not None and not reasons:
            reasons.append(refusal)
        if not reasons:
            self.machine.advance("reported")
        return reasons

    def missing(self) -> list[str]:
        """Every registered check without a pass on the latest state of the workspace, and uncovered requirements."""
        reasons: list[str] = []
        covered: set[str] = set()
        for check in self.checks:
            passed, edits = self._evidence.get(check.name, (None, -1))
            if passed and edits == self._kernel.edits:
                covered |= set(check.covers)
            elif passed is None:
                reasons.append(f"{check.name} was not run: run `{check.run}`")
            elif not passed:
                reasons.append(f"{check.name} failed when it was last run: `{check.run}`")
            else:
                reasons.append(f"{check.name} passed before the last edit only: run `{check.run}` again")
        coverable = {name for check in self.checks for name in check.covers}
        reasons += [
            f"no check covers requirement {item.id}"
            for item in self._task.requirements
            if item.id in coverable - covered and not reasons
        ]
        return reasons

    def record(self, check: Check, done: Completed, kind: str) -> bool:
        """Judge a finished check and record it as evidence of that type."""
        output = done.output.decode("utf-8", "replace")
        limits = timed(self._kernel.limits, check.timeout_s)
        passed, detail = judge(done, output, limits, check.expect, check.exit_code)
        self._evidence[check.name] = passed, self._kernel.edits
        event = CheckRan(
            phase="episode",
            name=check.name,
            type=kind,
            command=check.run,
            passed=passed,
            exit_code=done.exit_code,
            covers=list(check.covers),
            detail=detail,
            duration_ms=done.wall_ms,
            interpretation=_interpretation(kind, passed),
            after_edit=self._kernel.edits,
        )
        self._kernel.recorder.emit(event)
        return passed

    def _ran(self, command: str, done: Completed) -> None:
        check = next((item for item in self.checks if item.run.strip() == command), None)
        reproducing = self.machine.phase == "reproduce"
        passed = done.status == "ok" and done.exit_code == 0
        if check is not None:
            passed = self.record(check, done, "reproduction" if reproducing else "check")
            if reproducing:
                self.machine.advance("reproduced")
                if self._helped:
                    self.taken_over()
        if not passed:
            self.attributor.commands([done])
            if check is not None and self.machine.phase in ("verify", "report"):
                self.machine.advance("failed")
        elif self.machine.phase == "verify" and not self.missing():
            self.machine.advance("passed")


def _interpretation(kind: str, passed: bool) -> str:
    if kind == "reproduction":
        return "passes before any change" if passed else "reproduces the failure before any change"
    return "what it covers holds on this change" if passed else "the change does not meet it"
