"""AgentDojo's tools behind terret's effect path: hooks, kernel and journal are the real ones."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from terret.guard import Guard, GuardConfig, Subject
from terret.journal import Journal, SigningKey
from terret.permissions import Decision
from terret.runtime import Kernel, Ledger, Recorder
from terret.task import Budget, Limits
from terret.tools import ToolFailure

Result = tuple[str, Any, str | None]
"""A result as text, as JSON, and the error of the tool."""


class Open:
    """A policy that allows every tool: what is stopped, the guard stops."""

    def decide(self, primitive: str, args: Any) -> Decision:
        return Decision("allow", "benchmark:open", "every tool may be called")


class EffectPath:
    """One conversation.

    Args:
        settings: Settings of the guard; without them the tools are called as they are.
    """

    def __init__(self, settings: dict[str, Any] | None) -> None:
        self.objections: list[list[str]] = []
        self.compromised = False
        self._kernel: Kernel | None = None
        if settings is None:
            return
        self._loop = asyncio.new_event_loop()
        self._folder = tempfile.TemporaryDirectory(prefix="terret-agentdojo-")
        self._journal = Journal.create(Path(self._folder.name) / "live", "pair", SigningKey(bytes(32)))
        self._kernel = Kernel(
            recorder=Recorder(self._journal),
            model=None,  # type: ignore[arg-type]
            sandbox=SimpleNamespace(egress=None),  # type: ignore[arg-type]
            workspace=None,  # type: ignore[arg-type]
            policy=Open(),  # type: ignore[arg-type]
            ledger=Ledger(Budget()),
            limits=Limits(),
            tree="",
            hooks=Guard(msgspec.convert(settings, GuardConfig)),
        )

    def begin(self, prompt: str) -> None:
        """The user's message."""
        if self._kernel is not None:
            subject = Subject(text=prompt, trusted=True, origin="task")
            self._run(self._kernel.hooked.ask("message_received", subject))

    def call(self, name: str, args: dict[str, Any], act: Callable[[], Result]) -> Result | None:
        """Call a tool; ``None`` when it was stopped."""
        if self._kernel is None:
            return act()
        kept: list[Result] = []

        async def effect() -> tuple[str, dict[str, Any], dict[str, float]]:
            kept.append(act())
            return "ok" if kept[0][2] is None else "error", {}, {}

        try:
            self._run(self._kernel.effect(name, args, effect))
        except ToolFailure as failure:
            self.objections.append(["injected" if self.compromised else "user", name, failure.message])
            return None
        text, data, error = kept[0]
        subject = Subject(name=name, text=text, data=data, origin=name)
        self._run(self._kernel.hooked.ask("after_tool_call", subject))
        self._run(self._kernel.hooked.ask("tool_result_persist", subject))
        return text, data, error

    def send(self, text: str) -> str:
        """The answer to the user."""
        if self._kernel is None:
            return text
        sent: str = self._run(self._kernel.hooked.words("message_sending", text))
        if sent != text:
            self.objections.append(["message", "", "copied_text"])
        return sent

    def close(self) -> None:
        """Release the journal."""
        if self._kernel is not None:
            self._journal.close()
            self._loop.close()
            self._folder.cleanup()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(work)
