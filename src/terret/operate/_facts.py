"""What there is to know about an episode from outside, and what can be done to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec

from terret.journal import Event
from terret.operate._tally import Tally

State = Literal["queued", "running", "suspended", "paused", "finished", "damaged"]
"""``queued``: nobody has begun it. ``running``: a process drives it. ``suspended``: none does, and it can be resumed;
``paused``: so ordered by an operator. ``finished``: its package is written. ``damaged``: its journal cannot be read."""

UNFINISHED: tuple[State, ...] = ("queued", "running", "suspended", "paused")
"""The states from which an episode can go on."""

SignalKind = Literal["pause", "stop", "kill"]
"""``pause``: put it aside after its turn. ``stop``: end the turns, judge the work. ``kill``: end its process."""


class EpisodeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One episode.

    ``name`` is what the fleet knows it by; ``id`` the id in its journal; ``place`` where its record lies. Times are
    Unix seconds: ``began`` of the first event, ``latest`` of the last. ``owner`` is the process that drives it, empty
    when none does. ``doing`` is what it is at; ``note`` says what is wrong, or what was ordered. ``archived`` episodes
    are packed.
    """

    name: str
    id: str
    place: str
    state: State
    task: str = ""
    model: str = ""
    level: str = ""
    turn: int = 0
    steps: int | None = None
    tokens: int = 0
    model_calls: int = 0
    cost: float = 0.0
    events: int = 0
    began: float = 0.0
    latest: float = 0.0
    label: str | None = None
    stop_reason: str | None = None
    doing: str = ""
    owner: str = ""
    archived: bool = False
    note: str = ""


class Signalled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a signal: ``done`` at once, or ``ordered`` for the end of the episode's turn."""

    name: str
    signal: SignalKind
    outcome: Literal["done", "ordered"]
    detail: str = ""
    others: list[str] = []


class Fleet(Protocol):
    """The episodes there are, wherever they are kept."""

    def episodes(self) -> Sequence[EpisodeFacts]:
        """All of them, oldest first; what cannot be read is listed as damaged."""
        ...

    def find(self, name: str) -> EpisodeFacts:
        """One of them, by name or by the beginning of its name or id; raises EpisodeNotFound."""
        ...

    def events(self, name: str, after: int = -1) -> list[Event]:
        """The durable events above ``after``, also while it runs; raises EpisodeNotFound, JournalError."""
        ...

    def tallies(self) -> Sequence[tuple[EpisodeFacts, Tally]]:
        """Every episode with the sums of its events; what cannot be read has empty sums."""
        ...

    def signal(self, name: str, signal: SignalKind, *, reason: str = "", force: bool = False) -> Signalled:
        """Make an episode pause, stop or end; raises ConfigError when it is in no state for that."""
        ...


def facts_of(tally: Tally, *, name: str, place: str, state: State, **more: Any) -> EpisodeFacts:
    """The facts that a tally holds, with what only its fleet knows."""
    opened = tally.opened
    steps = opened.budget.get("steps") if opened is not None else None
    return EpisodeFacts(
        name=name,
        id=tally.episode or name.rpartition("/")[2],
        place=place,
        state=state,
        task=opened.task_name if opened is not None else "",
        model=str(opened.model.get("spec", "")) if opened is not None else "",
        level=opened.level if opened is not None else "",
        turn=tally.turn,
        steps=None if steps is None else int(steps),
        tokens=tally.tokens["input"] + tally.tokens["output"],
        model_calls=tally.model_calls,
        cost=tally.cost,
        events=tally.seq + 1,
        began=tally.began,
        latest=tally.latest,
        label=tally.label.label if tally.label is not None else None,
        stop_reason=tally.stopped.reason if tally.stopped is not None else None,
        doing=tally.doing if state == "running" else "",
        **more,
    )
