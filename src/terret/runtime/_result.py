"""What became of an episode, read from its events."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from terret.journal import EpisodeClosed, Event, Intent, Labelled, Outcome, Stopped


class Episode(msgspec.Struct, frozen=True):
    """What became of an episode.

    ``status`` is ``finished``, or ``suspended`` when an infrastructure fault left it resumable; then there is no
    label and ``fault`` says why. ``usage`` counts steps, model_calls, tokens, wall (seconds) and cost (USD).
    """

    id: str
    folder: Path
    status: Literal["finished", "suspended"]
    label: str | None
    failure_code: str | None
    functional_pass: bool | None
    false_completion: bool
    graded: bool
    stop_reason: str | None
    turns: int
    usage: dict[str, float]
    reasons: list[str]
    fault: dict[str, str] | None = None


def summary(
    folder: Path, events: list[Event], status: Literal["finished", "suspended"], fault: dict[str, str] | None
) -> Episode:
    """The episode of a folder as its events tell it."""
    label = next((event.data for event in reversed(events) if isinstance(event.data, Labelled)), None)
    stopped = next((event.data for event in reversed(events) if isinstance(event.data, Stopped)), None)
    closed = next((event.data for event in reversed(events) if isinstance(event.data, EpisodeClosed)), None)
    return Episode(
        id=events[0].episode,
        folder=folder,
        status=status,
        label=label.label if label else None,
        failure_code=label.failure_code if label else None,
        functional_pass=label.functional_pass if label else None,
        false_completion=label.false_completion if label else False,
        graded=label.graded if label else False,
        stop_reason=stopped.reason if stopped else None,
        turns=stopped.turns if stopped else 0,
        usage=closed.usage if closed else {},
        reasons=label.reasons if label else [],
        fault=fault,
    )


def finished_episode(folder: Path) -> Episode:
    """The summary of a finished episode's package; nothing is verified.

    Raises:
        PackageError: The package cannot be read.
    """
    from terret.journal import read_journal_jsonl

    return summary(folder, read_journal_jsonl((folder / "journal.jsonl").read_bytes()), "finished", None)


def unknown_effects(events: list[Event]) -> list[dict[str, Any]]:
    """The effects with an intent and no outcome, and by which rule each is handled."""
    done = {event.data.effect for event in events if isinstance(event.data, Outcome)}
    rules = {
        "read": ("repeat", "it only reads"),
        "workspace": ("restore and repeat", "it reached nothing but the workspace, which is taken back first"),
        "keyed": ("repeat under its key", "the other side knows it by its key and does not do it twice"),
        "external": ("surface", "it may have happened; the agent is told and it is not repeated"),
    }
    unknown: list[dict[str, Any]] = []
    for event in events:
        if isinstance(event.data, Intent) and event.data.effect not in done:
            kind = event.data.effect_class
            rule, note = rules["keyed" if kind == "external" and event.data.key else kind]
            unknown.append({"effect": event.data.effect, "primitive": event.data.primitive, "rule": rule, "note": note})
    return unknown


def versions() -> dict[str, str]:
    """What has to be the same for an episode to be repeated."""
    import platform

    from terret import __version__

    return {"terret": __version__, "python": platform.python_version(), "platform": platform.system().lower()}
