"""A request to a person, the answer, and who carries them."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

Form = Literal["question", "approval", "hint", "takeover"]
"""``question``: something only a person knows. ``approval``: may this be done? ``hint``: the agent is stuck.
``takeover``: a person is asked to do the work."""


class HumanRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person is asked.

    ``id`` is unique in the episode; ``subject`` what an approval is about, as JSON (primitive and exact arguments);
    ``timeout_s`` overrides the queue's time limit.
    """

    id: str
    form: Form
    text: str
    episode: str = ""
    turn: int = 0
    subject: dict[str, Any] = {}
    timeout_s: float | None = None


class HumanAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came back.

    ``answered`` is false when nobody answered in time, and ``reason`` says why. ``approved`` is true only for an
    explicit yes: silence, a time-out and a text without a decision deny.
    """

    request: str
    text: str = ""
    approved: bool = False
    answered: bool = False
    by: str = ""
    reason: str = ""
    seconds: float = 0.0


class HumanQueue(Protocol):
    """Carries requests to a person; never raises for a missing or malformed answer."""

    async def ask(self, request: HumanRequest) -> HumanAnswer:
        """Wait for the answer, or for the reason why there is none."""
        ...


class NoHuman:
    """Nobody is there: every request is answered at once with none, so approvals are denied."""

    async def ask(self, request: HumanRequest) -> HumanAnswer:
        """No answer."""
        return HumanAnswer(request.id, reason="no human takes part")


_YES = frozenset({"y", "yes", "ok", "okay", "approve", "approved", "allow", "allowed"})


def is_yes(text: str) -> bool:
    """Whether a typed answer approves: one word of consent and nothing else."""
    return text.strip().rstrip(".!").casefold() in _YES
