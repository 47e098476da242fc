"""One effect of an agent process: authorise, reserve, stand in line, intent, act, outcome, book."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from terret.errors import BudgetExhausted, Diverged, InfrastructureError
from terret.journal import Denied, Intent, Outcome
from terret.permissions import EFFECTS, Demand, Reservation, judge
from terret.runtime._classes import EFFECT_CLASS, Act, raise_refusal, raise_unknown
from terret.runtime.process import Hold, Wait
from terret.runtime.schedule._asking import approved, covered, recall
from terret.tools import ToolFailure

if TYPE_CHECKING:
    from terret.runtime.schedule._seat import Seat

_SYSTEM = {"effect": "allow", "rule": "process", "reason": "a process may wait"}


class Interrupted(Exception):
    """A signal ended what a process was waiting for; it may go on otherwise."""


class Effect:
    """One effect on its way.

    Args:
        seat: Whose effect it is.
        primitive: What is done.
        wanted: The rights it takes; the strictest decision about any of them is that about the effect.
        args: The exact arguments, plain JSON.
        reserve: The most it can cost.
        key: By which the other side knows it again.
    """

    __slots__ = ("args", "key", "kind", "name", "primitive", "reserve", "seat", "wanted")

    def __init__(
        self,
        seat: Seat,
        primitive: str,
        wanted: Sequence[Demand],
        args: dict[str, Any],
        reserve: Mapping[str, float],
        key: str | None,
    ) -> None:
        self.seat = seat
        self.primitive = primitive
        self.wanted = wanted
        self.args = args
        self.reserve = reserve
        self.key = key
        self.kind = EFFECT_CLASS.get(primitive, "external")
        made = seat.process.incarnation
        self.name = f"r{made}e{seat.count}" if made else f"e{seat.count}"

    async def carry_out(self, act: Act) -> Outcome:
        """Bring it to its outcome, the recorded one when there is one; raises what :meth:`Seat.effect` raises."""
        seat, process, host = self.seat, self.seat.process, self.seat.host
        begun, outcome = self._recorded()
        if outcome is None and begun and self.kind != "read" and self.key is None:
            outcome = self._record(Outcome(self.name, "unknown", {}, 0.0, dict(self.reserve)))
            process.budget.spend(**self.reserve)
        if outcome is None:
            decision, hold = await self._authorise()
            tokens = float(self.reserve.get("tokens", 0.0))
            try:
                await host.admit(seat, tokens)
            except BaseException:
                # It stood in line and never began.
                if process.alive:
                    process.budget.release(hold)
                raise
            try:
                if not begun:
                    self._record(self._intent(decision))
                    if self.kind != "read":
                        await host.durable()
                outcome = await self._act(act, hold)
            finally:
                host.leave(seat, tokens)
        seat.count += 1
        await seat.resume()
        if "interrupted" in outcome.result:
            raise Interrupted(self.primitive)
        if "fault" in outcome.result:
            raise InfrastructureError(outcome.result["message"], where=outcome.result["fault"])
        raise_unknown(outcome)
        raise_refusal(outcome)
        return outcome

    async def wait_until(self) -> None:
        """Wait until the time in the arguments; of a wait that was recorded, until the recorded one."""
        seat = self.seat
        begun, outcome = self._recorded()
        if outcome is None:
            if not begun:
                self._record(self._intent(_SYSTEM))
            why = await seat.pause_for(Wait("timer", until=float(self.args["until"])), record=False)
            result = {"interrupted": True} if why == "interrupt" else {}
            outcome = self._record(Outcome(self.name, "killed" if result else "ok", result, 0.0))
        seat.count += 1
        if "interrupted" in outcome.result:
            raise Interrupted(self.primitive)

    async def permit(self) -> None:
        """Make sure of the authority for something the table itself records; a refusal is recorded.

        Raises:
            ToolFailure: There is none.
        """
        if not self._recorded()[0]:
            self.seat.process.budget.release((await self._authorise())[1])

    # the inside

    def _recorded(self) -> tuple[bool, Outcome | None]:
        """Whether the effect began in the run that is taken up again, and its outcome."""
        story = self.seat.story
        if story is None or not story.stream:
            return False, None
        head = story.take(Denied if isinstance(story.stream[0], Denied) else Intent)
        assert isinstance(head, Denied | Intent)
        mine = self._scrubbed(head.decision)
        same = (head.effect, head.primitive) == (mine.effect, mine.primitive)
        if not same or (head.args != mine.args and self.primitive != "clock.wait"):
            raise Diverged(
                "a process does not repeat its record",
                value=self.primitive,
                where=f"process {self.seat.process.pid}, effect {head.effect} ({head.primitive})",
                hint="its body may depend on nothing but its goal and what it was given",
            )
        if isinstance(head, Denied):
            self._refuse(head.decision)
        self.args = head.args if self.primitive == "clock.wait" else self.args
        recall(self, head.decision)
        self._use()
        outcome = story.take(Outcome)
        assert outcome is None or isinstance(outcome, Outcome)
        return True, outcome

    def _use(self) -> None:
        """Spend what a recorded effect used up of its capability."""
        if self.primitive == "clock.wait":
            return
        for permit in self._permits()[1]:
            self.seat.process.authority.commit(permit)

    def _permits(self) -> tuple[dict[str, Any], list[Reservation]]:
        """The strictest decision about the rights it takes, the first of equally strict ones, and what was reserved."""
        authority = self.seat.process.authority
        decisions = [judge(authority, one, self.args) for one in self.wanted]
        strictest = max(decisions, key=lambda decision: EFFECTS.index(decision.effect))
        taken = {
            decision.rule: one
            for one, decision in reversed(list(zip(self.wanted, decisions, strict=True)))
            if not one.restricted
        }
        # However much of an effect one capability allows, the effect is one use of it.
        permits = [authority.reserve(one.probe, one.right, self.args) for one in taken.values()]
        return msgspec.to_builtins(strictest), permits

    async def _authorise(self) -> tuple[dict[str, Any], Hold]:
        process = self.seat.process
        decision, permits = self._permits()
        if decision["effect"] == "ask":
            decision = covered(self, decision) or decision
        if decision["effect"] == "ask":
            # Whoever thinks it over must not keep uses set aside meanwhile.
            for permit in permits:
                process.authority.release(permit)
            answer = await approved(self, decision)
            decision, permits = self._permits()
            # What was asked may have been denied or granted since.
            decision = answer if decision["effect"] == "ask" else decision
        if decision["effect"] == "allow":
            try:
                hold = process.budget.reserve(**self.reserve)
                for permit in permits:
                    process.authority.commit(permit)
                return decision, hold
            except BudgetExhausted as error:
                rule = f"budget:{error.resource}"
                decision = {"effect": "deny", "rule": rule, "reason": error.message, "limit": error.limit}
                decision |= {"used": error.used, "asked": error.asked}
        for permit in permits:
            process.authority.release(permit)
        self._record(Denied(self.name, self.primitive, self.args, decision, self.seat.count), durable=True)
        self._refuse(decision)
        raise AssertionError

    def _refuse(self, decision: dict[str, Any]) -> None:
        self.seat.count += 1
        if decision["rule"].startswith("budget:"):
            amounts = {name: float(decision[name]) for name in ("limit", "used", "asked")}
            raise BudgetExhausted(decision["rule"].removeprefix("budget:"), **amounts)
        raise ToolFailure("denied", f"{decision['reason']} (rule {decision['rule']})")

    def _intent(self, decision: dict[str, Any]) -> Intent:
        return Intent(self.name, self.primitive, self.kind, self.args, decision, self.seat.count, self.key)

    def _scrubbed(self, decision: dict[str, Any]) -> Intent:
        intent = self._intent(decision)
        settled = self.seat.host.scrubbed(intent)
        assert isinstance(settled, Intent)
        return settled

    def _record(self, data: Any, durable: bool = False) -> Any:
        self.seat.host.record(data, pid=self.seat.process.pid, durable=durable)
        return data

    async def _act(self, act: Act, hold: Hold) -> Outcome:
        seat, process, table = self.seat, self.seat.process, self.seat.host.table
        began = time.perf_counter()
        token = table.wait(await seat.resume(), Wait("tool", self.name), record=False)
        usage: dict[str, float] = dict(self.reserve)
        raised: BaseException | None = None
        try:
            status, result, usage = await act()
        except asyncio.CancelledError:
            if not seat.interrupted or seat.task is None:
                raise
            seat.interrupted = False
            seat.task.uncancel()
            status, result = "killed", {"interrupted": True}
        except ToolFailure as error:
            status, result = "error", {"failure": error.kind, "message": error.message}
        except InfrastructureError as error:
            status, result = "error", {"fault": error.code, "message": str(error)}
        except Exception as error:
            status, result, raised = "error", {"fault": type(error).__name__, "message": str(error)}, error
        ms = round((time.perf_counter() - began) * 1000, 3)
        outcome = Outcome(self.name, status, result, ms, usage)
        if process.alive:
            process.budget.commit(hold, **usage) if usage else process.budget.release(hold)
        # A reply has cost time and money: it is made durable at once, though repeating the call is harmless.
        self._record(outcome)
        if self.kind != "read" or self.primitive == "model.complete":
            await seat.host.durable()
        seat.end_wait(token, "")
        if raised is not None:
            raise raised
        return outcome
