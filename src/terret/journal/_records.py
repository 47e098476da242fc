"""The records: harness card, task, memory, state, observations, permissions, and the matrix of evidence."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, cast

import msgspec

from terret.journal._blobs import BlobStore
from terret.journal._codec import canonical
from terret.journal._effects import pair_effects, target
from terret.journal._events import (
    CheckRan,
    Denied,
    EpisodeClosed,
    EpisodeOpened,
    EpisodePaused,
    EpisodeResumed,
    Evaluated,
    Event,
    Faulted,
    Guarded,
    Intent,
    Labelled,
    MemoryReferenced,
    Observed,
    StateUpdated,
)
from terret.journal._traces import MODEL, Row, fields, last, result

FORMAT = "terret.package/1"
"""The layout of packages and the rules of projection; another one may derive other bytes."""


_LATER = ("memory", "carried", "forked_from")
"""Members that came after the first packages; they are left out where an episode has none."""


def episode_record(events: Sequence[Event]) -> Row:
    """The harness card with id, times, and the label once there is one."""
    opened, labelled = last(events, EpisodeOpened), last(events, Labelled)
    card = fields(opened) if opened else {}
    card = {name: value for name, value in card.items() if value or name not in _LATER}
    closed = events[-1].ts if events and isinstance(events[-1].data, EpisodeClosed) else None
    return {
        "format": FORMAT,
        "id": events[0].episode if events else None,
        "started": events[0].ts if events else None,
        "ended": closed,
        "label": labelled.label if labelled else None,
        **card,
    }


def task_content(events: Sequence[Event], blobs: BlobStore) -> bytes:
    """The canonical task as it was recorded; empty when no episode was opened.

    Raises:
        BlobMismatch: The blob is missing or damaged.
    """
    opened = last(events, EpisodeOpened)
    return blobs.get(opened.task) if opened else b""


def task_fields(content: bytes) -> Row:
    """The members of a canonical task; none when it is not a JSON object."""
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return cast(Row, found) if isinstance(found, dict) else {}


def memory_record(events: Sequence[Event]) -> list[Row]:
    """Every memory artifact consulted."""
    return [
        {"pid": event.pid, "ts": event.ts, **fields(event.data)}
        for event in events
        if isinstance(event.data, MemoryReferenced)
    ]


def state_record(events: Sequence[Event]) -> Row:
    """The agent's task state at the end: all changes merged in order."""
    state: Row = {}
    for event in events:
        if isinstance(event.data, StateUpdated):
            state.update(event.data.changes)
    return state


def observation_record(events: Sequence[Event]) -> list[Row]:
    """Observations, model calls with usage, faults, pauses and resumptions, in order."""
    calls = {
        (effect.pid, effect.intent.effect): effect
        for effect in pair_effects(events)
        if effect.intent.primitive == MODEL
    }
    rows: list[Row] = []
    for event in events:
        data = event.data
        head: Row = {"pid": event.pid, "ts": event.ts}
        if isinstance(data, Observed):
            rows.append({"type": "observation", **head, **fields(data)})
        elif isinstance(data, Faulted):
            rows.append({"type": "fault", **head, **fields(data)})
        elif isinstance(data, EpisodePaused):
            rows.append({"type": "paused", **head, **fields(data)})
        elif isinstance(data, EpisodeResumed):
            rows.append({"type": "resumed", **head, **fields(data)})
        elif isinstance(data, Intent) and (event.pid, data.effect) in calls:
            effect = calls.pop((event.pid, data.effect))
            outcome = effect.outcome
            found = outcome.result if outcome else {}
            rows.append(
                {
                    "type": "model",
                    **head,
                    "turn": data.turn,
                    "effect": data.effect,
                    "messages": data.args.get("messages"),
                    "status": outcome.status if outcome else None,
                    "failure": effect.failure,
                    "finish": found.get("finish"),
                    "usage": outcome.usage if outcome else {},
                    "duration_ms": outcome.duration_ms if outcome else None,
                    "seconds": found.get("seconds"),
                    "first_token_s": found.get("first_token_s"),
                    "retries": found.get("retries"),
                }
            )
    return rows


def permission_record(events: Sequence[Event]) -> list[Row]:
    """Every decision of authority, bound to the SHA-256 of the exact arguments, and what hooks had to say."""
    rows: list[Row] = []
    seen: set[tuple[int, str]] = set()
    for event in events:
        data = event.data
        if isinstance(data, Guarded):
            rows.append(_hook_row(event, data))
            continue
        if not isinstance(data, Intent | Denied) or (event.pid, data.effect) in seen:
            continue
        seen.add((event.pid, data.effect))
        rows.append(
            {
                "pid": event.pid,
                "ts": event.ts,
                "turn": data.turn,
                "effect": data.effect,
                "primitive": data.primitive,
                "effect_class": data.effect_class if isinstance(data, Intent) else None,
                "resource": data.args.get("digest") if data.primitive == MODEL else target(data.args),
                "args_sha256": sha256(canonical(data.args)).hexdigest(),
                "granted": isinstance(data, Intent),
                "decision": data.decision,
            }
        )
    return rows


def _hook_row(event: Event, data: Guarded) -> Row:
    first = data.findings[0] if data.findings else {}
    return {
        "pid": event.pid,
        "ts": event.ts,
        "turn": data.turn,
        "effect": None,
        "primitive": f"hook.{data.point}",
        "effect_class": None,
        "resource": data.name,
        "args_sha256": None,
        "granted": data.effect == "allow",
        "decision": {
            "effect": data.effect,
            "rule": f"{first.get('part', 'guard')}:{first.get('rule', 'none')}",
            "reason": first.get("evidence", ""),
            "findings": data.findings,
        },
    }


def verification_record(events: Sequence[Event], task: Row) -> Row:
    """The evaluator's facts, the verdict, and for every requirement the checks that speak for or against it."""
    evaluated, labelled = last(events, Evaluated), last(events, Labelled)
    checks = [event.data for event in events if isinstance(event.data, CheckRan)]
    evaluator = [check for check in checks if check.phase == "evaluator"]
    return {
        "facts": evaluated.facts if evaluated else None,
        "verdict": fields(labelled) if labelled else None,
        "checks": [fields(check) for check in evaluator],
        "requirements": [_evidence(requirement, checks) for requirement in requirements(task)],
    }


def requirements(task: Row) -> list[Row]:
    """The task's requirements, ``{"id", "text"}`` each."""
    found: Any = task.get("requirements", [])
    return [cast(Row, item) for item in cast(list[Any], found) if isinstance(item, dict)]


def _evidence(requirement: Row, checks: Sequence[CheckRan]) -> Row:
    identity = requirement.get("id")
    evidence = [
        {
            "check": check.name,
            "phase": check.phase,
            "type": check.type,
            "result": result(check.passed),
            "after_edit": check.after_edit,
        }
        for check in checks
        if identity in check.covers
    ]
    final = {item["result"] for item in evidence if item["phase"] == "evaluator"}
    return {
        "id": identity,
        "text": requirement.get("text", ""),
        "checks": evidence,
        "met": False if "failed" in final else True if final == {"passed"} else None,
    }
