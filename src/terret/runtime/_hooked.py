"""Hooks on the way of an episode: asked once, recorded when they say something, never asked about the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from terret.errors import ConfigError
from terret.guard import PLAIN, Decision, Finding, Guard, GuardConfig, HookPoint, Hooks, Kind, Subject
from terret.journal import EpisodeOpened, Guarded, load_text
from terret.models import Message
from terret.runtime._prompts import describe
from terret.runtime._recorder import Recorder
from terret.runtime._transcript import Transcript
from terret.task import Task
from terret.tools import ToolResult

_KINDS: dict[str, Kind] = {
    "fs.read": "read",
    "fs.list": "read",
    "fs.write": "workspace",
    "fs.delete": "workspace",
    "shell.run": "workspace",
    "shell.check": "workspace",
}
"""How a guard is to see the primitives; those of the runtime itself are not asked about."""

_OWN = ("model.complete", "human.", "workspace.", "fs.search")

_REFUSALS = ("denied", "out_of_order")
"""Failures worded by the runtime. They may quote what was refused, so they are no source of values at all."""

RESULT_ARGS = ("path", "url", "command")
"""Arguments that say where a result comes from, the first that a tool has."""


class Hooked:
    """Asks hooks, or the record of having asked them.

    Args:
        recorder: The journal's face.
        hooks: What is asked; nothing when there is none.
        turn: Tells the turn.
    """

    def __init__(self, recorder: Recorder, hooks: Hooks | None, turn: Callable[[], int] = lambda: 0) -> None:
        self._recorder = recorder
        self._hooks = hooks
        self._turn = turn
        if hooks is not None:
            hooks.bind(lambda: recorder.now)

    async def ask(self, point: HookPoint, subject: Subject) -> Decision:
        """The answer at a point: the recorded one while there is a record, else a new one, recorded unless plain."""
        if self._hooks is None:
            return PLAIN
        if self._recorder.replaying:
            kept = self._recorder.take(Guarded)
            decision = PLAIN if kept is None else self._recorded(kept)
            self._hooks.recall(point, subject, decision)
            return decision
        decision: Decision = await getattr(self._hooks, point)(subject)
        if not decision.plain:
            self._recorder.emit(self._event(point, subject, decision))
        return decision

    async def authorise(
        self, primitive: str, args: dict[str, Any], stated: dict[str, Any], shown: Callable[[], str]
    ) -> dict[str, Any]:
        """What authority says of an effect once the hooks were asked; they can only make it stricter."""
        if self._hooks is None or stated["effect"] == "deny" or primitive.startswith(_OWN):
            return stated
        seen = args
        if primitive == "fs.write":
            added = [line[1:] for line in shown().splitlines() if line.startswith("+") and not line.startswith("+++")]
            seen = {"path": args["path"], "content": "\n".join(added)}
        decision = await self.ask("before_tool_call", Subject(name=primitive, args=seen, kind=_KINDS.get(primitive)))
        if decision.effect == "allow":
            return stated
        return {**stated, "effect": decision.effect, "rule": decision.rule, "reason": decision.reason}

    async def result(self, tool: str, args: dict[str, Any], result: ToolResult) -> ToolResult:
        """A result as it may be recorded and shown."""
        if self._hooks is None or (result.failure or {}).get("type") in _REFUSALS:
            return result
        origin = next((str(args[name]) for name in RESULT_ARGS if name in args), tool)
        subject = Subject(name=tool, text=result.text, origin=origin)
        await self.ask("after_tool_call", subject)
        kept = await self.ask("tool_result_persist", subject)
        return result if kept.text is None else msgspec.structs.replace(result, text=kept.text)

    async def prompt(self, transcript: Transcript) -> None:
        """Add to a prompt what the hooks want the agent to know."""
        if self._hooks is None:
            return
        decision = await self.ask("before_prompt_build", Subject(text=""))
        if decision.note is not None:
            transcript.append(Message("user", decision.note))

    async def words(self, point: HookPoint, text: str) -> str:
        """A message as it may be written or sent."""
        if self._hooks is None:
            return text
        decision = await self.ask(point, Subject(text=text))
        return text if decision.text is None else decision.text

    def _event(self, point: HookPoint, subject: Subject, decision: Decision) -> Guarded:
        text = None if decision.text is None else self._recorder.journal.text(decision.text)
        findings = [msgspec.to_builtins(finding) for finding in decision.findings]
        turn = self._turn()
        return Guarded(turn, point, subject.name, decision.effect, findings, text, decision.note, decision.consulted)

    def _recorded(self, kept: Guarded) -> Decision:
        return Decision(
            msgspec.convert(kept.effect, type=Any),
            tuple(msgspec.convert(finding, Finding) for finding in kept.findings),
            None if kept.text is None else load_text(kept.text, self._recorder.journal.blobs),
            kept.note,
            kept.consulted,
        )


def hooks_of(opened: EpisodeOpened, hooks: Hooks | None) -> Hooks | None:
    """The hooks an episode was opened with: those given, or a guard made from what was recorded.

    Raises:
        ConfigError: Other hooks are given now, or the recorded ones cannot be made again.
    """
    declared = opened.enforcement.get("hooks")
    if hooks is not None:
        if hooks.declare() != declared:
            raise ConfigError("the episode was begun with other hooks", hint="resume it with the same ones")
        return hooks
    if declared is None:
        return None
    if set(declared) != {"config", "model"} or declared["model"]:
        raise ConfigError("the episode's hooks cannot be made from its record", hint="resume it with the same ones")
    return Guard(msgspec.convert(declared["config"], GuardConfig))


def trusted_text(task: Task) -> str:
    """What a task's author wrote: the words and commands that everything else is measured against."""
    commands = [check.run for check in task.checks]
    if task.tests:
        commands.append(task.tests)
    return "\n".join([task.name, describe(task), *commands])
