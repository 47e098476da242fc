"""Intents joined with their outcomes, the common ground of several projections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from terret.journal._codec import canonical
from terret.journal._events import Event, Intent, Outcome


class Effect(NamedTuple):
    """One effect; ``outcome`` is ``None`` while it has none, ``ts`` is when its intent was recorded."""

    pid: int
    ts: float
    intent: Intent
    outcome: Outcome | None

    @property
    def ok(self) -> bool:
        """Whether it is known to have succeeded."""
        return self.outcome is not None and self.outcome.status == "ok"

    @property
    def target(self) -> str:
        """What the effect acts on: its command or path, else its arguments as canonical JSON."""
        return target(self.intent.args)

    @property
    def failure(self) -> str | None:
        """A slug of what went wrong; ``None`` for success and while there is no outcome."""
        outcome = self.outcome
        if outcome is None or outcome.status == "ok":
            return None
        for name in ("fault", "failure"):
            found = outcome.result.get(name)
            if isinstance(found, str):
                return found
        if outcome.status == "error":
            return "exit_code" if outcome.result.get("exit_code") is not None else "error"
        if outcome.status == "killed":
            return str(outcome.result.get("status", "killed"))
        return outcome.status


def pair_effects(events: Iterable[Event]) -> list[Effect]:
    """Every effect once, in the order of the intents; an outcome after a resumption joins its first intent."""
    intents: dict[tuple[int, str], tuple[float, Intent]] = {}
    outcomes: dict[tuple[int, str], Outcome] = {}
    for event in events:
        data = event.data
        if isinstance(data, Intent):
            intents.setdefault((event.pid, data.effect), (event.ts, data))
        elif isinstance(data, Outcome):
            outcomes[event.pid, data.effect] = data
    return [Effect(pid, ts, intent, outcomes.get((pid, name))) for (pid, name), (ts, intent) in intents.items()]


def recovered(effects: Sequence[Effect]) -> list[bool | None]:
    """For every failed effect whether a later one of the same primitive and target succeeded; ``None`` for the rest."""
    cured: set[tuple[int, str, str]] = set()
    answers: list[bool | None] = []
    for effect in reversed(effects):
        name = (effect.pid, effect.intent.primitive, effect.target)
        answers.append(None if effect.failure is None else name in cured)
        if effect.ok:
            cured.add(name)
    return answers[::-1]


def target(args: dict[str, Any]) -> str:
    """What identifies the object of an effect among its arguments."""
    for name in ("command", "path"):
        if isinstance(args.get(name), str):
            return args[name]
    return canonical(args).decode()
