"""The sensorium's view from the events of an episode."""

from __future__ import annotations

from collections.abc import Sequence

from terret.journal import (
    ActionParsed,
    CheckRan,
    EpisodeOpened,
    EpisodeResumed,
    Event,
    Intent,
    Observed,
    Outcome,
    StateUpdated,
)
from terret.observe._sensorium import SensoriumView

_KEPT_FAILURES = 3


class _Reading:
    """The view while events are read."""

    def __init__(self) -> None:
        self.budget: dict[str, float] = {}
        self.started: float | None = None
        self.now: float | None = None
        self.gaps = self.tokens = 0.0
        self.step = self.edits = self.edits_at_check = 0
        self.phase = self.check = ""
        self.passed: bool | None = None
        self.tree: str | None = None
        self.files: dict[str, None] = {}
        self.failures: list[str] = []
        self.action = ""
        self.last: tuple[str, str] | None = None
        self.repeated = 0
        self._intents: dict[tuple[int, str], Intent] = {}
        self._asked: dict[tuple[int, str], float] = {}

    def take(self, event: Event) -> None:
        self.now = event.ts
        self.started = event.ts if self.started is None else self.started
        data = event.data
        self.step = max(self.step, getattr(data, "turn", 0))
        match data:
            case EpisodeOpened():
                self.budget = data.budget
                self.tree = data.repository.get("tree")
            case EpisodeResumed():
                self.gaps += data.gap_s
            case Intent():
                self._intents[event.pid, data.effect] = data
                self._asked.setdefault((event.pid, data.effect), event.ts - self.gaps)
            case Outcome():
                intent = self._intents.get((event.pid, data.effect))
                if intent is not None and intent.primitive == "human.ask":
                    # Waiting for a person is no time of the agent's.
                    self.gaps += event.ts - self.gaps - self._asked[event.pid, data.effect]
                self._outcome(intent, data)
            case CheckRan(phase="episode"):
                self.check, self.passed, self.edits_at_check = data.name or data.command, data.passed, self.edits
            case StateUpdated():
                phase = data.changes.get("phase")
                self.phase = phase if isinstance(phase, str) else self.phase
            case ActionParsed():
                detail = next((data.args[key] for key in ("command", "path", "pattern") if key in data.args), "")
                self.action = f"{data.tool} {detail}".strip()
            case Observed():
                self._observed(data)
            case _:
                pass

    def _outcome(self, intent: Intent | None, data: Outcome) -> None:
        self.tokens += data.usage.get("input", 0) + data.usage.get("output", 0)
        if data.tree is not None and data.tree != self.tree:
            self.tree = data.tree
            self.edits += 1
        path = intent.args.get("path") if intent and intent.primitive in ("fs.write", "fs.delete") else None
        if isinstance(path, str) and data.status == "ok":
            self.files[path] = None

    def _observed(self, data: Observed) -> None:
        shown = data.text.blob or data.text.inline or ""
        same = (self.action, shown)
        self.repeated = self.repeated + 1 if same == self.last else 1
        self.last = same
        if not data.ok:
            failure = data.failure or {}
            head = data.text.head or (data.text.inline or "").strip().partition("\n")[0]
            detail = str(failure.get("detail") or head)
            self.failures = [f"turn {data.turn}, {data.tool}: {detail}", *self.failures][:_KEPT_FAILURES]


def view_of(events: Sequence[Event], *, files_changed: Sequence[str] | None = None) -> SensoriumView:
    """The view after the last of the events.

    Args:
        events: The episode so far.
        files_changed: Paths that differ from the start; by default the files that file primitives wrote, which leaves
            out what commands changed.
    """
    seen = _Reading()
    for event in events:
        seen.take(event)
    spent = 0.0 if seen.now is None or seen.started is None else seen.now - seen.started - seen.gaps
    tokens, wall = seen.budget.get("tokens"), seen.budget.get("wall")
    return SensoriumView(
        now=seen.now,
        step=seen.step,
        steps=int(seen.budget.get("steps", 0)),
        tokens_left=None if tokens is None else tokens - seen.tokens,
        seconds_left=None if wall is None else wall - spent,
        phase=seen.phase,
        last_check=seen.check,
        last_check_passed=seen.passed,
        edits_since_check=seen.edits - seen.edits_at_check if seen.check else 0,
        files_changed=tuple(seen.files) if files_changed is None else tuple(files_changed),
        failures=tuple(seen.failures),
        repeated=seen.repeated,
        repeated_action=seen.action,
    )
