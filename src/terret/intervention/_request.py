"""A request to a person, the answer, and who carries them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec

Form = Literal["question", "approval", "hint", "takeover"]
"""``question``: something only a person knows. ``approval``: may this be done? ``hint``: the agent is stuck.
``takeover``: a person is asked to do the work."""

Scope = Literal["once", "episode"]
"""How far an approval reaches: these exact arguments, this time; or the same primitive under the same rule until the
episode ends."""


class HumanRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person is asked.

    ``id`` is unique in the episode; ``subject`` what an approval is about, as JSON (primitive and exact arguments);
    ``timeout_s`` overrides the queue's time limit; ``scopes`` are those an approval may have.
    """

    id: str
    form: Form
    text: str
    episode: str = ""
    turn: int = 0
    subject: dict[str, Any] = {}
    timeout_s: float | None = None
    scopes: tuple[Scope, ...] = ()


class HumanAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came back.

    ``answered`` is false when nobody answered in time, and ``reason`` says why. ``approved`` is true only for an
    explicit yes: silence, a time-out and a text without a decision deny. ``scope`` is how far an approval reaches.
    """

    request: str
    text: str = ""
    approved: bool = False
    answered: bool = False
    by: str = ""
    reason: str = ""
    seconds: float = 0.0
    scope: Scope = "once"


class HumanInput(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person gave without being asked.

    ``hint``: ``text`` is for the agent. ``takeover``: ``patch`` is work the person did, ``text`` what they say about
    it. ``interrupt``: the episode is to end. ``name`` tells inputs that lie waiting at the same time apart.
    """

    name: str
    form: Literal["hint", "takeover", "interrupt"]
    text: str = ""
    patch: str = ""
    by: str = ""


class HumanQueue(Protocol):
    """Carries requests to a person and back; never raises for a missing or malformed answer."""

    @property
    def policy(self) -> str:
        """How a person takes part, in one sentence; it begins with ``none:`` when nobody does."""
        ...

    async def ask(self, request: HumanRequest) -> HumanAnswer:
        """Wait for the answer, or for the reason why there is none."""
        ...

    async def poll(self) -> Sequence[HumanInput]:
        """What a person gave unasked and was not settled yet, oldest first; never waits."""
        ...

    async def settle(self, given: HumanInput, refusal: str = "") -> None:
        """An input is on record; ``refusal`` says why it was not taken."""
        ...


class NoHuman:
    """Nobody is there: every request is answered at once with none, so approvals are denied."""

    policy = "none: no human takes part"

    async def ask(self, request: HumanRequest) -> HumanAnswer:
        """No answer."""
        return HumanAnswer(request.id, reason="no human takes part")

    async def poll(self) -> Sequence[HumanInput]:
        """Nothing."""
        return ()

    async def settle(self, given: HumanInput, refusal: str = "") -> None:
        """Nothing to do."""


_YES = frozenset({"y", "yes", "ok", "okay", "approve", "approved", "allow", "allowed"})
_EPISODE = frozenset({"e", "episode"})
_NO = frozenset({"n", "no", "deny", "denied"})


def is_yes(text: str) -> bool:
    """Whether a typed answer approves: one word of consent and nothing else."""
    return _word(text) in _YES


def is_episode(text: str) -> bool:
    """Whether a typed answer approves for the rest of the episode."""
    return _word(text) in _EPISODE


def remark(text: str) -> str:
    """What the answer to an approval says beyond yes or no; empty when it only decides."""
    return "" if _word(text) in _YES | _EPISODE | _NO else text.strip()


def limit_in_words(timeout_s: float | None) -> str:
    """What silence means, for :attr:`HumanQueue.policy`."""
    return "waits without a limit" if timeout_s is None else f"no answer within {timeout_s:g} s denies"


def _word(text: str) -> str:
    return text.strip().rstrip(".!").casefold()
