"""What the events of one episode add up to: fed once, in order, as they come."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import Any

from terret.journal import (
    GENESIS,
    ActionParsed,
    ActionRejected,
    Denied,
    EpisodeClosed,
    EpisodeOpened,
    EpisodePaused,
    EpisodeResumed,
    Event,
    Faulted,
    Intent,
    Intervened,
    Labelled,
    Outcome,
    Stopped,
)

MODEL = "model.complete"
"""The primitive of a model call."""

OPEN = "open"
"""The status of an effect that has no outcome."""

SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of a histogram's buckets, in seconds; one more holds the rest."""


class Durations:
    """A histogram of durations."""

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds

    def merge(self, other: Durations) -> None:
        """Count all of another's."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum


class Tally:
    """The sums of one episode; ``seq`` and ``hash`` are those of the last event taken in, ``seq`` -1 before the first.

    ``tokens`` counts ``input``, ``output`` and ``cached``; ``effects`` by primitive and status, ``open`` while there is
    no outcome; ``denials`` by primitive and rule; ``faults`` by part and code; ``doing`` is what it is at.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.seq = -1
        self.hash = GENESIS
        self.episode = ""
        self.opened: EpisodeOpened | None = None
        self.label: Labelled | None = None
        self.stopped: Stopped | None = None
        self.closed = False
        self.paused: EpisodePaused | None = None
        self.began = self.latest = 0.0
        self.turn = 0
        self.model_calls = 0
        self.cost = 0.0
        self.doing = ""
        self.tokens: Counter[str] = Counter()
        self.effects: Counter[tuple[str, str]] = Counter()
        self.denials: Counter[tuple[str, str]] = Counter()
        self.faults: Counter[tuple[str, str]] = Counter()
        self.interventions: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.resumptions = 0
        self.events: Counter[str] = Counter()
        self.model_seconds = Durations()
        self.tool_seconds: dict[str, Durations] = {}
        self._intents: dict[tuple[int, str], str] = {}
        self._done: set[tuple[int, str]] = set()
        for event in events:
            self.feed(event)

    def feed(self, event: Event) -> None:
        """Take one event in."""
        data: Any = event.data
        if self.seq < 0:
            self.episode, self.began = event.episode, event.ts
        self.seq, self.hash, self.latest = event.seq, event.hash, event.ts
        self.events[str(data.__struct_config__.tag)] += 1
        self.turn = max(self.turn, getattr(data, "turn", 0))
        if not isinstance(data, EpisodePaused):
            self.paused = None
        self._take(event.pid, data)

    def _take(self, pid: int, data: Any) -> None:
        match data:
            case Intent():
                self._intent(pid, data)
            case Outcome():
                self._outcome(pid, data)
            case Denied():
                self.denials[data.primitive, str(data.decision.get("rule", ""))] += 1
            case ActionParsed():
                self.doing = data.tool
            case ActionRejected():
                self.rejected[data.reason] += 1
            case Faulted():
                self.faults[data.part, data.code] += 1
            case Intervened():
                self.interventions[data.form] += 1
            case _:
                self._life(data)

    def _life(self, data: Any) -> None:
        match data:
            case EpisodeOpened():
                self.opened = data
            case EpisodePaused():
                self.paused = data
            case EpisodeResumed():
                self.resumptions += 1
            case Stopped():
                self.stopped, self.doing = data, "evaluator"
            case Labelled():
                self.label = data
            case EpisodeClosed():
                self.closed, self.doing = True, ""
            case _:
                pass

    def _intent(self, pid: int, data: Intent) -> None:
        if (pid, data.effect) not in self._intents:
            self._intents[pid, data.effect] = data.primitive
            self.effects[data.primitive, OPEN] += 1
        if data.primitive == MODEL:
            self.doing = "model"
        elif data.primitive == "human.ask":
            self.doing = "a person"

    def _outcome(self, pid: int, data: Outcome) -> None:
        name = pid, data.effect
        primitive = self._intents.get(name)
        if primitive is None or name in self._done:
            return
        self._done.add(name)
        self.effects[primitive, OPEN] -= 1
        self.effects[primitive, data.status] += 1
        if primitive != MODEL:
            self.tool_seconds.setdefault(primitive, Durations()).add(data.duration_ms / 1000)
            return
        self.model_seconds.add(data.duration_ms / 1000)
        self.model_calls += 1
        self.cost += data.usage.get("cost", 0.0)
        for kind in ("input", "output", "cached"):
            self.tokens[kind] += int(data.usage.get(kind, 0))
