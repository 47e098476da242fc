"""Mandates on the effect path: spent after the decision and before the intent, settled after the outcome."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from terret.errors import ConfigError, InputError
from terret.journal import Denied, EpisodeOpened, Intent, Outcome
from terret.mandates import Context, Grant, MandateGate
from terret.runtime._recorder import Recorder

Authority = dict[str, Any]
"""A decision as it is journalled; ``mandate`` in it is the id of the mandate that was spent."""


class Mandated:
    """Asks a gate, or the record of having asked it.

    Args:
        recorder: The journal's face.
        gate: Decides which effects need a mandate; without one, none does.
    """

    def __init__(self, recorder: Recorder, gate: MandateGate | None) -> None:
        self._recorder = recorder
        self._gate = gate

    async def consume(
        self, effect: str, primitive: str, kind: str, args: dict[str, Any], stated: Authority
    ) -> tuple[Authority, Outcome | None]:
        """The authority of an allowed effect, and its outcome when it must not be carried out (again).

        A recorded intent or refusal hands out its record: nothing is spent twice.

        Raises:
            JournalError: The registry failed; nothing was spent.
        """
        if stated["effect"] != "allow":
            return stated, None
        recorded = self._recorder.peek()
        if recorded is not None:
            return _recorded(recorded.data, effect) or stated, None
        if self._gate is None or not self._gate.requires(primitive, kind):
            return stated, None
        try:
            context = Context.of_call(self._task, f"{self._recorder.journal.episode}:0", primitive, args)
        except InputError as error:
            return {"effect": "deny", "rule": "mandate:arguments", "reason": error.message}, None
        grant = await asyncio.to_thread(self._gate.consume, self._name(effect), context)
        if grant.state == "refused":
            return {"effect": "deny", "rule": grant.rule, "reason": grant.reason}, None
        return {**stated, "mandate": grant.mandate}, _earlier(grant, effect, kind)

    async def settle(self, authority: Authority, outcome: Outcome) -> None:
        """Keep the outcome of an effect that spent a mandate; raises what :meth:`consume` raises."""
        if self._gate is not None and "mandate" in authority:
            await asyncio.to_thread(self._gate.store, self._name(outcome.effect), msgspec.to_builtins(outcome))

    def _name(self, effect: str) -> str:
        return f"{self._recorder.journal.episode}:0/{effect}"

    @property
    def _task(self) -> str:
        opened = self._recorder.seen()[0].data
        return opened.task if isinstance(opened, EpisodeOpened) else ""


def _recorded(data: object, effect: str) -> Authority | None:
    if isinstance(data, Intent | Denied) and data.effect == effect:
        by_mandate = "mandate" in data.decision or data.decision["rule"].startswith("mandate:")
        return data.decision if by_mandate else None
    return None


def _earlier(grant: Grant, effect: str, kind: str) -> Outcome | None:
    """What a process that died before its intent was durable left behind."""
    if grant.state == "stored":
        return msgspec.convert(grant.outcome, Outcome)
    if grant.state == "pending" and kind == "external":
        return Outcome(effect, "unknown", {}, 0.0)
    return None


def same_gate(opened: EpisodeOpened, mandates: MandateGate | None) -> None:
    """Raise :class:`terret.errors.ConfigError` unless an episode is resumed with the gate it was opened with."""
    if opened.enforcement.get("mandates") != (mandates.declare() if mandates else None):
        raise ConfigError("the episode was begun with another mandate gate", hint="resume it with the same one")
