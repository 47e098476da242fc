"""An episode's events read for people: where it stands, what it used, and what happened when."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple

from terret.cli._words import SUCCESSES, amount, duration, model_name, plural, shorten
from terret.journal import (
    ActionParsed,
    ActionRejected,
    CheckRan,
    Declared,
    Denied,
    EpisodeClosed,
    EpisodeOpened,
    EpisodeResumed,
    Event,
    Faulted,
    Intent,
    Intervened,
    Labelled,
    Observed,
    Outcome,
    PatchTaken,
    Stopped,
)

Told = tuple[str, str, bool | None]
"""What happened, its detail, and whether that is good (``None``: neither)."""


class Entry(NamedTuple):
    """One line of the timeline; ``at`` is seconds since the episode opened, ``ok`` is ``None`` for plain news."""

    at: float
    step: int
    what: str
    detail: str
    ok: bool | None = None

    def line(self) -> str:
        """The entry as text."""
        mark = {True: "ok", False: "no", None: "  "}[self.ok]
        step = f"step {self.step}" if self.step else ""
        return f"{self.at:8.1f} s  {step:<8} {mark}  {self.what:<16} {self.detail}".rstrip()


class Story:
    """What the events so far amount to; feed it events in order."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.opened: EpisodeOpened | None = None
        self.stopped: Stopped | None = None
        self.labelled: Labelled | None = None
        self.closed: EpisodeClosed | None = None
        self.patch: PatchTaken | None = None
        self.checks: list[CheckRan] = []
        self.faults: list[Faulted] = []
        self.interventions: list[Intervened] = []
        self.timeline: list[Entry] = []
        self.step = 0
        self.tool = ""
        self.used: dict[str, float] = {"steps": 0, "model_calls": 0, "tokens": 0, "wall": 0.0, "cost": 0.0}
        self.episode = ""
        self._began = self._gaps = 0.0
        self._pending: ActionParsed | None = None
        self._model_effects: set[str] = set()
        self._people: dict[str, tuple[str, float]] = {}
        for event in events:
            self.feed(event)

    def feed(self, event: Event) -> Entry | None:
        """Take one event in; the timeline entry it gave, if any."""
        data = event.data
        if not self.episode:
            self.episode, self._began = event.episode, event.ts
        if isinstance(data, EpisodeResumed):
            self._gaps += data.gap_s
        self.used["wall"] = max(0.0, event.ts - self._began - self._gaps)
        turn: int = getattr(data, "turn", 0)
        if turn > self.step:
            self.used["steps"] = self.step = turn
        reader = self._READERS.get(type(data))
        told = reader(self, data) if reader else None
        if told is None:
            return None
        entry = Entry(self.used["wall"], turn, *told)
        self.timeline.append(entry)
        return entry

    @property
    def asking(self) -> bool:
        """Whether the terminal waits for a person."""
        at_terminal = self.opened is not None and self.opened.intervention_policy.startswith("terminal:")
        return at_terminal and any(primitive == "human.ask" for primitive, _ in self._people.values())

    @property
    def last_check(self) -> CheckRan | None:
        """The latest check result."""
        return self.checks[-1] if self.checks else None

    def left(self, resource: str) -> float | None:
        """What is left of a budget; ``None`` before the episode has opened."""
        if self.opened is None or resource not in self.opened.budget:
            return None
        return max(0.0, self.opened.budget[resource] - self.used[resource])

    def status(self, since: float = 0.0) -> str:
        """Where the episode stands, on one line, ``since`` seconds after the latest event."""
        budget = self.opened.budget if self.opened else {}
        parts = [f"step {self.step}" + (f"/{budget['steps']:.0f}" if "steps" in budget else "")]
        parts.append(self.tool or "waiting for the model")
        tokens = f"{self.used['tokens']:,.0f} tokens"
        left = self.left("tokens")
        parts.append(tokens + (f" ({left:,.0f} left)" if left is not None else ""))
        wall = self.left("wall")
        remaining = f" ({duration(max(0.0, wall - since))} left)" if wall is not None else ""
        parts.append(duration(self.used["wall"] + since) + remaining)
        check = self.last_check
        if check is not None:
            parts.append(f"last check: {check.name} {verdict(check.passed)}")
        return " · ".join(parts)

    # How each kind of event reads: what happened, in which words, and whether that is good.

    def _opened(self, data: EpisodeOpened) -> Told:
        self.opened = data
        tier = data.enforcement.get("tier", "unknown")
        return "opened", f"{data.task_name}, level {data.level}, {model_name(data.model)}, sandbox {tier}", None

    def _resumed(self, data: EpisodeResumed) -> Told:
        unknown = f", {plural(len(data.unknown), 'effect')} of unknown outcome" if data.unknown else ""
        return "resumed", f"after {duration(data.gap_s)} without a process{unknown}", None

    def _intent(self, data: Intent) -> Told | None:
        if data.primitive == "model.complete":
            self._model_effects.add(data.effect)
            self.tool = "model"
        elif data.primitive in ("human.ask", "workspace.apply"):
            again = data.effect in self._people
            self._people[data.effect] = data.primitive, self.used["wall"]
            if data.primitive == "human.ask" and not again:
                self.tool = "a person"
                return "asking", f"{data.args['form']}: {shorten(_text(data.args['text']), 64)}", None
        return None

    def _outcome(self, data: Outcome) -> Told | None:
        primitive, since = self._people.pop(data.effect, ("", 0.0))
        if primitive == "human.ask":
            # Waiting for a person is no time of the agent's.
            self._gaps += self.used["wall"] - since
            self.used["wall"] = since
            return None if data.status == "ok" else ("no answer", str(data.result.get("reason", "")), False)
        if primitive and data.status != "ok":
            return "patch refused", shorten(str(data.result.get("message", "")), 64), False
        if data.effect in self._model_effects:
            self.used["model_calls"] += 1
            self.used["tokens"] += data.usage.get("input", 0) + data.usage.get("output", 0)
            self.used["cost"] += data.usage.get("cost", 0.0)
        return None

    def _action(self, data: ActionParsed) -> None:
        self._pending = data
        self.tool = data.tool

    def _observed(self, data: Observed) -> Told | None:
        action, self._pending = self._pending, None
        if data.tool == "declare_complete":
            return None  # the declaration has its own line
        asked = amount(action.args) if action is not None else ""
        if data.ok:
            return data.tool, asked, True
        reason = (data.failure or {}).get("detail") or data.text.inline or data.text.head or ""
        return data.tool, f"{asked} → {shorten(str(reason), 60)}".lstrip(), False

    def _rejected(self, data: ActionRejected) -> Told:
        return "reply rejected", f"{data.reason}: {shorten(data.message, 72)}", False

    def _denied(self, data: Denied) -> Told:
        return "denied", f"{data.primitive} {amount(data.args)}: {data.decision.get('reason', '')}", False

    def _check(self, data: CheckRan) -> Told:
        self.checks.append(data)
        return "check", f"{data.name} {verdict(data.passed)} ({data.phase})", data.passed

    def _declared(self, data: Declared) -> Told:
        if data.accepted:
            return "declared done", shorten(data.summary, 72), None
        return "not yet done", shorten("; ".join(data.reasons), 72), False

    def _intervened(self, data: Intervened) -> Told:
        self.interventions.append(data)
        gap = f" (avoidable: {data.harness_gap})" if data.avoidable else ""
        return "human", f"{data.form}: {shorten(data.text, 64)}{gap}", None

    def _faulted(self, data: Faulted) -> Told:
        self.faults.append(data)
        return "fault", f"{data.part}: {shorten(data.message, 72)} [{data.code}]", False

    def _stopped(self, data: Stopped) -> Told:
        self.stopped = data
        self.tool = "evaluator"
        return "stopped", f"{data.reason}: {shorten(data.detail, 72)}" if data.detail else data.reason, None

    def _patched(self, data: PatchTaken) -> Told:
        self.patch = data
        return "patch", plural(len(data.files), "file") + " changed", None

    def _labelled(self, data: Labelled) -> Told:
        self.labelled = data
        return "label", data.label or "ungraded", data.label in SUCCESSES

    def _closed(self, data: EpisodeClosed) -> None:
        self.closed = data

    _READERS: ClassVar[dict[type, Callable[[Any, Any], Told | None]]] = {
        EpisodeOpened: _opened,
        EpisodeResumed: _resumed,
        Intent: _intent,
        Outcome: _outcome,
        ActionParsed: _action,
        Observed: _observed,
        ActionRejected: _rejected,
        Denied: _denied,
        CheckRan: _check,
        Declared: _declared,
        Intervened: _intervened,
        Faulted: _faulted,
        Stopped: _stopped,
        PatchTaken: _patched,
        Labelled: _labelled,
        EpisodeClosed: _closed,
    }


def _text(text: dict[str, Any]) -> str:
    """What of a recorded text stands in the event itself."""
    return str(text.get("inline") or text.get("head") or "")


def verdict(passed: bool | None) -> str:
    """A check result in a word."""
    return {True: "passed", False: "failed", None: "gave no result"}[passed]
