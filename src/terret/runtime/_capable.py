"""Capabilities on the effect path of an episode: weighed with the policy, reserved before an effect, settled after it.

The table is made from the opening's record and asked by the time of the record, so that a repeated run grants, refuses
and counts as the first one did.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from terret.errors import InputError
from terret.journal import EpisodeOpened, Outcome
from terret.permissions import (
    EFFECTS,
    Capability,
    CapabilityTable,
    Decision,
    Demand,
    Reservation,
    demands_of,
    judge,
)
from terret.runtime._recorder import Recorder

if TYPE_CHECKING:
    from terret.runtime._kernel import Kernel

Authority = dict[str, Any]
"""A decision as it is journalled; ``capabilities`` in it are the ids of those that an effect ran under."""


class Capable:
    """The capabilities of an episode's agent; without any recorded, it has no say.

    Args:
        recorder: Tells the time.
        opened: The opening, which records them.
    """

    def __init__(self, recorder: Recorder, opened: EpisodeOpened | None = None) -> None:
        self._recorder = recorder
        self._model = opened.model.get("name") if opened is not None else ""
        self._table: CapabilityTable | None = None
        recorded = opened.enforcement.get("granted") if opened is not None else None
        if recorded is not None:
            self._table = CapabilityTable("agent", clock=self._now)
            self._table.take_up(msgspec.convert(recorded, list[Capability]))

    def weigh(self, primitive: str, args: dict[str, Any], stated: Authority) -> Authority:
        """The stricter of what was stated and what the capabilities say; nothing is consumed."""
        if self._table is None or stated["effect"] == "deny":
            return stated
        try:
            demands, seen = self._demands(primitive, args)
        except InputError as error:
            return {"effect": "deny", "rule": "resource:malformed", "reason": error.message}
        worst = max((judge(self._table, demand, seen) for demand in demands), key=_strictness, default=None)
        if worst is None or _strictness(worst) <= EFFECTS.index(stated["effect"]):
            return stated
        return msgspec.to_builtins(worst)

    def reserve(
        self, primitive: str, args: dict[str, Any], stated: Authority
    ) -> tuple[Authority, tuple[Reservation, ...]]:
        """Set one use aside of each capability that an allowed effect rests on, and name them; or a refusal.

        A person was asked about what :meth:`weigh` asked about: here it counts as approved, once.
        """
        table = self._table
        if table is None or stated["effect"] != "allow":
            return stated, ()
        demands, seen = self._demands(primitive, args)
        taken: dict[str, Demand] = {}
        for demand in demands:
            decision = judge(table, demand, seen)
            asked = decision.effect == "ask"
            if asked:
                by = str(stated.get("approval", {}).get("by") or "human")
                table.approve(demand.probe, demand.right, seen, by=by, reason=stated["reason"])
                decision = table.decide(demand.probe, demand.right, seen)
            if decision.effect != "allow":
                return msgspec.to_builtins(decision), ()
            if asked or not demand.restricted:
                taken.setdefault(decision.rule.removeprefix("capability:"), demand)
        # However much of an effect one capability allows, the effect is one use of it.
        held = tuple(table.reserve(demand.probe, demand.right, seen) for demand in taken.values())
        return {**stated, "capabilities": list(taken)}, held

    def release(self, held: tuple[Reservation, ...]) -> None:
        """The effect never began: its uses come back."""
        if self._table is not None:
            for reservation in held:
                self._table.release(reservation)

    def settle(self, held: tuple[Reservation, ...], kind: str, outcome: Outcome) -> None:
        """The effect began, so its uses are spent; not those of one that met a fault and is undone or harmless."""
        if self._table is None:
            return
        if "fault" in outcome.result and kind != "external":
            self.release(held)
            return
        for reservation in held:
            self._table.commit(reservation)

    def _demands(self, primitive: str, args: dict[str, Any]) -> tuple[tuple[Demand, ...], dict[str, Any]]:
        seen = {**args, "name": self._model} if primitive == "model.complete" else args
        return demands_of(primitive, seen), seen

    def _now(self) -> float:
        # Looking ahead passes over resumptions, whose time counts: what expired while nobody drove is expired.
        self._recorder.peek()
        return self._recorder.now


async def authorised(kernel: Kernel, primitive: str, args: dict[str, Any], shown: Callable[[], str]) -> Authority:
    """What policy, capabilities, hooks and, where they ask, a person say of an effect: the strictest of them."""
    stated = kernel.capable.weigh(primitive, args, msgspec.to_builtins(kernel.policy.decide(primitive, args)))
    stated = await kernel.hooked.authorise(primitive, args, stated, shown)
    if stated["effect"] == "ask":
        stated = await kernel.human.approve(kernel, primitive, args, stated, shown())
    return stated


def _strictness(decision: Decision) -> int:
    return EFFECTS.index(decision.effect)
