"""What hooks are asked and what they answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, get_args

import msgspec

HookPoint = Literal[
    "gateway_start",
    "message_received",
    "before_prompt_build",
    "before_tool_call",
    "after_tool_call",
    "tool_result_persist",
    "before_message_write",
    "message_sending",
    "subagent_spawning",
    "session_end",
]
"""Where in the life of an episode a hook is asked."""

HOOKS: tuple[HookPoint, ...] = get_args(HookPoint)

Kind = Literal["read", "workspace", "privileged"]
"""What a call may do: look, change the agent's own working copy, or change something outside of it."""

Part = Literal["scanner", "model", "risk", "secrets", "taint", "intent", "paths", "domains", "network"]

PARTS: tuple[Part, ...] = get_args(Part)
"""What a guard is made of; each can be switched off alone."""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reason of one part: the rule, what it saw (at most 160 characters) and how much it weighs."""

    part: str
    rule: str
    evidence: str = ""
    score: int = 0


class Subject(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a hook is asked about.

    ``name`` is a tool or primitive, ``text`` the text of a message, prompt or result, ``args`` the arguments of a
    call, ``data`` the structured form of a result when there is one. ``kind`` is ``None`` when the caller does not
    know it: then the tool's name decides. ``trusted`` marks text that comes from the user or the runtime. ``origin``
    says where a result was read from, a path or an address.
    """

    name: str = ""
    text: str = ""
    args: dict[str, Any] = {}
    data: Any = None
    kind: Kind | None = None
    trusted: bool = False
    origin: str = ""


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of a hook.

    ``ask`` lets the call pass only with an approval of exactly these arguments. ``text`` replaces the text asked
    about, ``note`` is to be shown to the agent. The first finding is the deciding one. ``consulted`` is set when the
    answer rests on a model and can therefore not be computed again.
    """

    effect: Literal["allow", "ask", "deny"] = "allow"
    findings: tuple[Finding, ...] = ()
    text: str | None = None
    note: str | None = None
    consulted: bool = False

    @property
    def plain(self) -> bool:
        """Whether there is nothing to record."""
        return self == PLAIN

    @property
    def rule(self) -> str:
        """The deciding rule, ``part:rule``."""
        return f"{self.findings[0].part}:{self.findings[0].rule}" if self.findings else "guard:none"

    @property
    def reason(self) -> str:
        """One sentence for people and for the agent."""
        if not self.findings:
            return "the guard has no objection"
        first = self.findings[0]
        why = WHY.get(first.rule, first.rule.replace("_", " "))
        return f"{why}: {first.evidence}" if first.evidence else why


PLAIN = Decision()

WHY: dict[str, str] = {
    "untrusted_instruction": "the value comes from an instruction in untrusted content",
    "untrusted_only": "the value comes from untrusted text only, not from the task",
    "unknown_destination": "the destination occurs in no source",
    "copied_command": "the command was copied from untrusted content",
    "copied_text": "the text repeats an instruction of untrusted content",
    "not_asked_for": "the task does not ask for this kind of effect",
    "risk_block": "too much in this conversation was suspicious",
    "risk_warning": "parts of this conversation were suspicious",
    "secret_path": "the path holds secrets",
    "persistent_path": "the path is run or read by other programs later",
    "environment_dump": "the command shows environment variables that may be secrets",
    "sensitive_value": "a sensitive value would leave",
    "token": "a credential would leave",
    "private_address": "the address is private to this machine or network",
    "blocked_domain": "the domain is blocked",
    "risky_domain": "the domain is risky",
    "egress_program": "the program talks to the network and the task does not name it",
}
"""Rules in plain words."""


class Hooks(Protocol):
    """The extension points of the runtime.

    Hooks are asked in the order of the episode. An answer must follow from what the hooks were asked before, or be
    marked ``consulted``; a resumed episode takes recorded answers and gives them to :meth:`recall`.
    """

    async def gateway_start(self, subject: Subject) -> Decision:
        """The runtime begins to drive an episode."""
        ...

    async def message_received(self, subject: Subject) -> Decision:
        """A message came in: the task, or an answer of a human."""
        ...

    async def before_prompt_build(self, subject: Subject) -> Decision:
        """The next prompt is about to be sent; ``note`` is added to it."""
        ...

    async def before_tool_call(self, subject: Subject) -> Decision:
        """An effect is about to happen; anything but ``allow`` prevents it."""
        ...

    async def after_tool_call(self, subject: Subject) -> Decision:
        """A result came back."""
        ...

    async def tool_result_persist(self, subject: Subject) -> Decision:
        """A result is about to be recorded and shown; ``text`` replaces it."""
        ...

    async def before_message_write(self, subject: Subject) -> Decision:
        """A reply of the model is about to enter the conversation; ``text`` replaces it."""
        ...

    async def message_sending(self, subject: Subject) -> Decision:
        """A message is about to leave for a person; ``text`` replaces it."""
        ...

    async def subagent_spawning(self, subject: Subject) -> Decision:
        """Another agent is about to be started."""
        ...

    async def session_end(self, subject: Subject) -> Decision:
        """The episode is over."""
        ...

    def recall(self, point: HookPoint, subject: Subject, decision: Decision) -> None:
        """Take note of a question that was answered before, with its recorded answer."""
        ...

    def bind(self, clock: Callable[[], float]) -> None:
        """Take the time, in seconds, from the record of the episode."""
        ...

    def declare(self) -> dict[str, Any]:
        """What is switched on, JSON; enough to make the same hooks again."""
        ...
