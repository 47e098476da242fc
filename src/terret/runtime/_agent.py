"""What an image drives: the task, the tool table of the level, and actions that leave their record."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from terret.journal import ActionParsed, ActionRejected, CheckRan, ContextOffered, Observed
from terret.models import Action, Dialect, FormatError, Reply, Sampling, ToolSpec
from terret.runtime._attributing import Attributor
from terret.runtime._edits import Edits, edits_of
from terret.runtime._hear import Ear
from terret.runtime._kernel import Kernel
from terret.runtime._levels import Level, allowed_tools
from terret.runtime._reach import tools_of
from terret.runtime._stop import Stop
from terret.runtime._stuck import Repetition
from terret.runtime._support import Support, state_warnings
from terret.runtime._transcript import Transcript
from terret.runtime._workflow import Workflow
from terret.task import Task
from terret.tools import Tool, ToolFailure, ToolResult, condense

OBSERVATION_LIMIT = 8000
"""Characters of a result that enter the prompt; the whole text stays readable under its handle."""

MAX_FORMAT_ERRORS = 6
"""Malformed replies in a row after which the loop ends."""


class Question(NamedTuple):
    """What to ask the model next, and how to read its answer."""

    transcript: Transcript
    dialect: Dialect
    sampling: Sampling
    tools: tuple[ToolSpec, ...] = ()

    @property
    def request_tools(self) -> tuple[ToolSpec, ...]:
        """The tools that go into the request; none unless the dialect is native."""
        return self.dialect.request_tools(self.tools)


class Image(Protocol):
    """An agent style: it words the questions and decides what follows from the answers."""

    name: str

    async def ask(self) -> Question | None:
        """The next question, ``None`` when the turn needed none; raises :class:`Stop` when there is nothing to ask."""
        ...

    async def consider(self, reply: Reply, actions: tuple[Action, ...]) -> tuple[Action, ...] | FormatError:
        """The actions to take, or why they are refused before anything is run."""
        ...

    async def rejected(self, reply: Reply, error: FormatError) -> None:
        """The reply was no acceptable action."""
        ...

    async def observed(self, reply: Reply, results: list[tuple[Action, ToolResult]]) -> None:
        """The actions were taken."""
        ...


class Agent:
    """A task at a level, through a kernel."""

    def __init__(
        self,
        task: Task,
        level: Level,
        kernel: Kernel,
        extra_tools: dict[str, Tool] | None = None,
        support: Support | None = None,
        forked_from: Mapping[str, Any] | None = None,
        tier: str = "full",
    ) -> None:
        self.task = task
        self.level: Level = level
        self.kernel = kernel
        self.support = support or Support()
        table = {**tools_of(task, tier), **(extra_tools or {})}
        names = [*allowed_tools(level, human=kernel.human.takes_part), *(extra_tools or {})]
        self.tools: dict[str, Tool] = {name: table[name] for name in names}
        self.specs: tuple[ToolSpec, ...] = tuple(tool.spec for tool in self.tools.values())
        self.attributor = Attributor(kernel)
        self.workflow = Workflow(task, kernel, self.attributor) if level == "H3" else None
        if self.workflow is not None:
            kernel.gate = self.workflow.gate
            kernel.scratch_commands = frozenset(check.run.strip() for check in self.workflow.checks)
        self.ear = Ear(kernel)
        self.edits = Edits(kernel, self.ear, edits_of(forked_from or {}))
        self.told: list[str] = []
        """What a person said that no question has passed on yet."""
        self.takeovers = 0
        """How often a person changed the workspace."""
        self.repetition = Repetition()
        self.format_errors = 0
        self.counts: dict[str, int] = {"format_errors": 0, "rejected": 0, "failed_tools": 0, "actions": 0}

    def begin_turn(self) -> None:
        """Book a step and the time; raises :class:`terret.errors.BudgetExhausted`."""
        self.kernel.turn += 1
        self.kernel.ledger.set_wall(self.kernel.recorder.elapsed)
        self.kernel.ledger.spend(steps=1)

    async def over(self) -> bool:
        """Make the edits of a fork that are due between turns; whether the task was declared complete."""
        if self.edits.left:
            await self._take_in(self.edits.between_turns())
        return self.kernel.completed is not None

    async def hear(self) -> None:
        """Take in what a person gave since the last turn; raises :class:`Stop` when they end the episode."""
        if not self.ear.silent():
            await self._take_in(self.ear.hear())

    async def _take_in(self, given: Awaitable[list[str]]) -> None:
        edits = self.kernel.edits
        self.told += await given
        if self.kernel.edits != edits:
            self.takeovers += 1
            if self.workflow is not None:
                self.workflow.taken_over()

    def tell(self) -> list[str]:
        """What a person said since this was last called."""
        told, self.told = self.told, []
        return told

    def offer(self, items: list[dict[str, Any]], tokens: int, limit: int, dropped: list[dict[str, Any]]) -> None:
        """Record what is put before the model."""
        self.kernel.recorder.emit(ContextOffered(self.kernel.turn, items, tokens, limit, dropped))

    def reject(self, dialect: str, error: FormatError) -> FormatError:
        """Record a reply that is no acceptable action; too many in a row end the loop."""
        text = self.kernel.recorder.journal.text
        event = ActionRejected(self.kernel.turn, dialect, error.code, error.reason, error.message, text(error.excerpt))
        self.kernel.recorder.emit(event)
        refused = error.reason in {"unchanged", "duplicate"}
        self.counts["rejected" if refused else "format_errors"] += 1
        if not refused:
            self.format_errors += 1
            if self.format_errors >= MAX_FORMAT_ERRORS:
                raise Stop("format_errors", f"{self.format_errors} replies in a row; the last: {error.message}")
        return error

    async def act(self, action: Action, dialect: str, by: str = "agent") -> ToolResult:
        """Take one action and record what came of it."""
        kernel = self.kernel
        kernel.recorder.emit(ActionParsed(kernel.turn, action.tool, action.args, dialect, by))
        self.format_errors = 0
        self.counts["actions"] += 1
        kernel.recent.clear()
        kernel.last_command = None
        try:
            refusal = self.workflow.refusal(action) if self.workflow is not None else None
            if refusal is not None:
                raise ToolFailure("out_of_order", refusal)
            result = await self.tools[action.tool].act(kernel, action.args)
        except ToolFailure as failure:
            detail = {"type": failure.kind, "detail": failure.message}
            result = ToolResult(text=failure.message, ok=False, failure=detail)
        if action.tool == "update_task_state" and result.ok:
            result = self._with_warnings(result)
        if not result.ok:
            self.counts["failed_tools"] += 1
        result = self.observe(action.tool, await kernel.hooked.result(action.tool, action.args, result))
        if self.workflow is not None:
            self.workflow.after(action, result, kernel.last_command)
        if not result.ok:
            self._attribute(action, result)
        self.repetition.note(action, result)
        if self.repetition.stuck:
            raise Stop("stuck", f"{action.tool} came back {self.repetition.rounds} times with the same result")
        return result

    def _attribute(self, action: Action, result: ToolResult) -> None:
        done = self.kernel.last_command
        if action.tool == "run" and done is not None:
            if self.workflow is None:
                self.attributor.commands([done])
        elif result.failure is not None:
            self.attributor.tool(str(result.failure["type"]), str(result.failure["detail"]) or result.text)

    def _with_warnings(self, result: ToolResult) -> ToolResult:
        kernel = self.kernel
        paths = kernel.workspace.paths(kernel.tree)
        warnings = state_warnings(kernel.recorder.seen(), kernel.state, self.task, paths)
        return msgspec.structs.replace(result, text="\n".join([result.text, *warnings]))

    async def run_tests(self, command: str) -> ToolResult:
        """Run a test command on the workspace as it is, writes thrown away, and record it as evidence."""
        kernel = self.kernel
        kernel.recorder.emit(ActionParsed(kernel.turn, "run", {"command": command}, "", by="runtime"))
        kernel.recent.clear()
        done = await kernel.check(command)
        passed = done.exit_code == 0 if done.status == "ok" else (None if done.status == "timeout" else False)
        text = done.output.decode("utf-8", "replace")
        if done.status != "ok":
            text += f"\n[the command was stopped: {done.status}]"
        failure = None if passed else {"type": done.status if done.status != "ok" else "exit_code", "detail": command}
        result = self.observe("run", ToolResult(text=text, ok=bool(passed), failure=failure))
        kernel.recorder.emit(
            CheckRan(
                phase="episode",
                name=command,
                type="regression" if command == self.task.tests else "targeted",
                command=command,
                passed=passed,
                exit_code=done.exit_code,
                covers=[],
                detail="" if done.status == "ok" else done.status,
                duration_ms=done.wall_ms,
                after_edit=kernel.edits,
            )
        )
        if not passed:
            self.attributor.commands([done])
        return result

    def observe(self, tool: str, result: ToolResult) -> ToolResult:
        """Record what is shown for an action; long texts are shortened, the whole stays readable under a handle."""
        kernel = self.kernel
        store = kernel.recorder.journal.text
        full = None
        text = result.text if (edited := self.edits.shown()) is None else edited
        if len(text) > OBSERVATION_LIMIT:
            full = kernel.recorder.journal.blob_text(text)
            handle = full.blob or ""
            kernel.handles.add(handle)
            text, _ = condense(text, OBSERVATION_LIMIT, handle=handle)
        shown = store(text)
        event = Observed(kernel.turn, tool, result.ok, shown, list(kernel.recent), full, result.failure)
        event = kernel.recorder.emit(event)
        return msgspec.structs.replace(result, text=kernel.load(event.text))
