"""People in an episode: questions and approvals on the effect path, and what they give unasked between turns.

Everything a person says is the outcome of an effect, so a resumed episode hands out the recorded answer and asks
nobody twice. Time spent waiting for a person is no time of the agent's.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from terret.intervention import (
    Form,
    HumanAnswer,
    HumanInput,
    HumanQueue,
    HumanRequest,
    NoHuman,
    Order,
    Orders,
    Scope,
    file_name,
    record,
    remark,
)
from terret.journal import EpisodePaused, canonical
from terret.permissions import LayeredPolicy
from terret.runtime._stop import Suspended

if TYPE_CHECKING:
    from terret.runtime._kernel import Done, Kernel

NOBODY = "none:"
"""How the intervention policy of an episode begins in which no human takes part."""

ONE_BY_ONE = (":opaque", ":unparsable")
"""Rules about what cannot be told beforehand: an approval under one of them never reaches beyond its own arguments."""

PAUSED = "E_PAUSED"
"""The code of an episode that an operator paused."""

DEFAULT = ":default"
"""Rules about whatever no other rule is about: an approval under one reaches no further than variants of the effect."""


class Human:
    """Whoever may be asked, and what they have approved so far.

    Args:
        queue: Carries requests and answers.
        takes_part: Whether a human takes part; settled when the episode opens. Without one, approvals are denied.
        objective: What the task says, to tell help that only restates it.
        known: Texts the harness has on record, to tell help that only repeats them.
        orders: Brings what an operator orders, whether a human takes part or not.
    """

    def __init__(
        self,
        queue: HumanQueue | None = None,
        *,
        takes_part: bool = False,
        objective: str = "",
        known: Sequence[str] = (),
        orders: Orders | None = None,
    ) -> None:
        self.queue: HumanQueue = queue or NoHuman()
        self.takes_part = takes_part
        self.remarks: list[str] = []
        """What came with approvals and was not told to the agent yet."""
        self._objective = objective
        self._known = [text for text in known if text]
        self._asked = 0
        self._orders = orders
        self._pending: Sequence[Order] = ()
        self._stops: dict[str, Order] = {}
        self._granted: dict[tuple[str, str], dict[str, Any]] = {}
        self._refused: dict[tuple[str, str], dict[str, Any]] = {}

    @property
    def context(self) -> dict[str, Any]:
        """What help is judged against."""
        return {"objective": self._objective, "known": list(self._known)}

    def silent(self) -> bool:
        """Whether nobody takes part, said anything or ordered anything."""
        if self.takes_part or self.remarks:
            return False
        return self._orders is None or not self._orders.pending()

    async def given(self) -> list[HumanInput]:
        """What came unasked: an operator's order to stop and, where a human takes part, what the queue holds."""
        self._pending = () if self._orders is None else self._orders.pending()
        stops = [order for order in self._pending if order.kind == "stop"]
        self._stops = {order.as_input().name: order for order in stops}
        queued = await self.queue.poll() if self.takes_part else ()
        return [*(order.as_input() for order in stops), *queued]

    async def settle(self, given: HumanInput, refusal: str = "") -> None:
        """An input is on record; ``refusal`` says why it was not taken."""
        order = self._stops.pop(given.name, None)
        if order is None:
            await self.queue.settle(given, refusal)
        elif self._orders is not None:
            self._orders.settle(order)

    def pause(self, kernel: Kernel) -> None:
        """Record an operator's order to pause that came with what was given, and put the episode aside.

        Raises:
            Suspended: There is one.
        """
        for order in self._pending:
            if order.kind == "pause" and self._orders is not None:
                kernel.recorder.emit(EpisodePaused(kernel.turn - 1, order.by, order.reason), durable=True)
                self._orders.settle(order)
                why = f"paused by {order.by or 'an operator'}" + (f": {order.reason}" if order.reason else "")
                raise Suspended("order", PAUSED, why)

    async def question(self, kernel: Kernel, text: str) -> str:
        """A person's answer to a question of the agent's, or why there is none."""
        request, answer, _ = await self._ask(kernel, "question", text)
        if not answer.answered:
            return f"no answer ({answer.reason}); go on without it and say what you assumed"
        self.note(kernel, request, answer)
        return answer.text or "(the answer is empty)"

    async def approve(
        self, kernel: Kernel, primitive: str, args: dict[str, Any], decision: dict[str, Any], shown: str
    ) -> dict[str, Any]:
        """Turn the decision ``ask`` into ``allow`` or ``deny``.

        An approval for ``once`` is for these very arguments and used up by them; one for the ``episode`` is for the
        primitive under the deciding rule. A refusal holds for the same arguments until the episode ends; silence
        refuses this once.
        """
        digest = sha256(canonical(args)).hexdigest()
        exact, rule = (primitive, digest), (primitive, decision["rule"])
        if not self.takes_part:
            return _settled(decision, "deny", f"{decision['reason']}, and no human takes part", {})
        if rule in self._granted:
            return _settled(decision, "allow", "a person approved this rule for the episode", self._granted[rule])
        if exact in self._refused:
            return _settled(decision, "deny", "a person refused exactly this before", self._refused[exact])
        policy = kernel.policy if isinstance(kernel.policy, LayeredPolicy) else None
        by_default = decision["rule"].endswith(DEFAULT)
        narrow = decision["rule"].endswith(ONE_BY_ONE) or (by_default and policy is None)
        scopes: tuple[Scope, ...] = ("once",) if narrow else ("once", "episode")
        subject = {"primitive": primitive, "args": args, "args_sha256": digest, "rule": decision["rule"]}
        text = f"May the agent do this? {decision['reason']}." + (f"\n{shown}" if shown else "")
        request, answer, effect = await self._ask(kernel, "approval", text, subject, scopes)
        bound = {"asked": effect, "scope": answer.scope, "args_sha256": digest, "by": answer.by}
        if not answer.answered:
            return _settled(decision, "deny", f"not approved: {answer.reason}", bound)
        self.note(kernel, request, answer)
        said = remark(answer.text)
        if said:
            # Words beyond yes and no are help like any other.
            hint = HumanRequest(request.id, "hint", "", turn=kernel.turn)
            self.note(kernel, hint, msgspec.structs.replace(answer, text=said))
        if not answer.approved:
            self._refused[exact] = bound
            return _settled(decision, "deny", "a person refused it" + (f": {said}" if said else ""), bound)
        if said:
            self.remarks.append(said)
        if (
            answer.scope == "episode"
            and decision["rule"].endswith(DEFAULT)
            and isinstance(kernel.policy, LayeredPolicy)
        ):
            kernel.policy.approvals.remember(primitive, args, "episode", answer.by)
        elif answer.scope == "episode":
            self._granted[rule] = bound
        return _settled(decision, "allow", f"a person approved it for {bound['scope']}", bound)

    def note(self, kernel: Kernel, request: HumanRequest, answer: HumanAnswer) -> None:
        """Record an answer as an intervention, judged by what it stood in for."""
        intervened = record(request, answer, self.context)
        if intervened is None:
            return
        kernel.recorder.emit(intervened, durable=True)
        if request.form != "approval":
            self._known.append(answer.text)

    async def _ask(
        self,
        kernel: Kernel,
        form: Form,
        text: str,
        subject: dict[str, Any] | None = None,
        scopes: tuple[Scope, ...] = (),
    ) -> tuple[HumanRequest, HumanAnswer, str]:
        """Ask (primitive ``human.ask``): the request, its answer and the effect's id."""
        recorder = kernel.recorder
        episode = recorder.journal.episode
        identity = f"h{self._asked}"
        self._asked += 1
        args: dict[str, Any] = {
            "id": identity,
            "form": form,
            "text": kernel.text(text),
            "subject": subject or {},
            "scopes": list(scopes),
        }
        request = HumanRequest(
            f"{episode}-{identity}", form, kernel.load(args["text"]), episode, kernel.turn, subject or {}, scopes=scopes
        )

        async def act() -> Done:
            answer = await self.queue.ask(request)
            found = msgspec.structs.asdict(answer) | {"text": kernel.text(answer.text)}
            return "ok" if answer.answered else "timeout", found, {"seconds": answer.seconds}

        began = recorder.elapsed
        outcome = await kernel.effect("human.ask", args, act, key=file_name(request))
        recorder.gaps += recorder.elapsed - began
        found = dict(outcome.result)
        answer = msgspec.convert(found | {"text": kernel.load(found["text"])}, HumanAnswer)
        return request, answer, outcome.effect


def takes_part(policy: str) -> bool:
    """Whether an intervention policy is one in which a human takes part."""
    return not policy.startswith(NOBODY)


def replacement(path: str, old: bytes | None, new: bytes | None) -> str:
    """A change of one file as a unified diff; binary content is only measured."""
    try:
        before, after = ((part or b"").decode() for part in (old, new))
    except UnicodeDecodeError:
        return f"{path}: binary, {len(old or b'')} bytes become {len(new or b'')}"
    names = ("/dev/null" if old is None else f"a/{path}"), ("/dev/null" if new is None else f"b/{path}")
    lines = difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), *names)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def removal(path: str, old: bytes | None) -> str:
    """The removal of a file as a unified diff; a folder is only named."""
    return replacement(path, old, None) if old is not None else f"{path}: removed with everything below it"


def _settled(decision: dict[str, Any], effect: str, reason: str, bound: dict[str, Any]) -> dict[str, Any]:
    where = {"where": decision["where"]} if "where" in decision else {}
    settled = {"effect": effect, "rule": decision["rule"], "reason": reason}
    return settled | where | ({"approval": bound} if bound else {})
