"""How much human help stood in for missing harness, in two figures that are not the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from terret.errors import InputError
from terret.intervention._classify import classify
from terret.intervention._request import HumanAnswer, HumanRequest
from terret.journal import Intervened


class Avoidable(Protocol):
    """Anything that says whether it was avoidable: a ``Judgement`` or a journal's ``Intervened``."""

    @property
    def avoidable(self) -> bool:
        """Whether a complete harness would have made it unnecessary."""
        ...


def m_hir(interventions: Iterable[Avoidable], episodes: int) -> float:
    """Missing-harness interventions per episode: a ratio of counts, which may exceed 1.

    An intervention stands in for missing harness when it is avoidable.

    Args:
        interventions: Those of all episodes together.
        episodes: How many episodes were run, with or without interventions.

    Raises:
        InputError: There are no episodes.
    """
    if episodes < 1:
        raise InputError("M-HIR needs at least one episode", value=episodes)
    return sum(intervention.avoidable for intervention in interventions) / episodes


def avoidable_share(episodes: Sequence[Iterable[Avoidable]]) -> float:
    """Share of episodes with at least one avoidable intervention, between 0 and 1.

    Args:
        episodes: For every episode its interventions, none for an episode that had none.

    Raises:
        InputError: There are no episodes.
    """
    if not episodes:
        raise InputError("the share of avoidable help needs at least one episode", value=0)
    return sum(any(found.avoidable for found in episode) for episode in episodes) / len(episodes)


def record(request: HumanRequest, answer: HumanAnswer, context: Mapping[str, Any] | None = None) -> Intervened | None:
    """The journal's entry for an answer; ``None`` when nobody answered, because then nobody helped.

    An approval without words is recorded as ``approved`` or ``denied``.
    """
    if not answer.answered:
        return None
    text = answer.text
    if request.form == "approval" and not text:
        text = "approved" if answer.approved else "denied"
    judged = classify(request.form, text, context)
    return Intervened(
        turn=request.turn,
        form=request.form,
        text=text,
        substantive=judged.substantive,
        avoidable=judged.avoidable,
        burden=judged.burden,
        harness_gap=judged.harness_gap,
    )
