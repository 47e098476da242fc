"""The traces: what was done, with which tools, on what context, with what evidence, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, cast

import msgspec

from terret.journal._effects import Effect, pair_effects, recovered
from terret.journal._events import (
    ActionParsed,
    ActionRejected,
    Attributed,
    CheckRan,
    ContextOffered,
    Data,
    Declared,
    Denied,
    EntropyFound,
    EpisodeClosed,
    EpisodeOpened,
    Evaluated,
    Event,
    Faulted,
    Intent,
    Intervened,
    Labelled,
    MemoryReferenced,
    Observed,
    Outcome,
    Stopped,
)

Row = dict[str, Any]

DECLARE = "declare_complete"
MODEL = "model.complete"
CONSULTING = ("fs.read", "fs.list", "fs.search")
"""Primitives that bring something of the workspace before the agent."""

TIME_FIELDS = frozenset({"ts", "duration_ms", "wall", "wall_ms", "cpu_ms", "peak_kb", "model_s", "effect_s"})
"""Members of trace rows that hold clock times or measurements: all that differs when an episode is repeated."""

D = TypeVar("D", bound=Data)


def last(events: Sequence[Event], kind: type[D]) -> D | None:
    """The latest payload of a kind."""
    return next((event.data for event in reversed(events) if isinstance(event.data, kind)), None)


def rows_of(events: Iterable[Event], kind: type[Data]) -> list[Row]:
    """The payloads of one kind as rows: every field, with ``pid`` and ``ts``."""
    return [
        {"pid": event.pid, "ts": event.ts, **fields(event.data)} for event in events if isinstance(event.data, kind)
    ]


def fields(data: Data) -> Row:
    """Every field of a payload, defaults included."""
    return {name: msgspec.to_builtins(getattr(data, name)) for name in data.__struct_fields__}


def action_trace(events: Sequence[Event]) -> list[Row]:
    """Externally meaningful operations, rejected replies and declarations, one row each in order."""
    rows: list[Row] = []
    open_rows: dict[int, Row] = {}
    for event in events:
        data = event.data
        if isinstance(data, ActionParsed):
            row = _action(event, "action", data.tool, data.args, data.by, data.dialect)
            open_rows[event.pid] = row
            rows.append(row)
        elif isinstance(data, ActionRejected):
            row = _action(event, "rejected", None, {}, "agent", data.dialect)
            failure = {"type": data.reason, "code": data.code, "detail": data.message}
            rows.append(row | {"ok": False, "failure": failure})
        elif isinstance(data, Declared):
            row = open_rows.get(event.pid)
            if row is None or row["op"] != DECLARE or row["ok"] is not None:
                row = _action(event, "declared", DECLARE, {"summary": data.summary}, data.by, "")
                rows.append(row)
            refused = {"type": "refused", "code": None, "detail": "; ".join(data.reasons)}
            row.update(ok=data.accepted, failure=None if data.accepted else refused)
        elif isinstance(data, Observed):
            row = open_rows.pop(event.pid, None)
            if row is not None and row["op"] == data.tool:
                row.update(effects=data.effects)
                if row["ok"] is None:
                    failure = None if data.failure is None else {"code": None, **data.failure}
                    row.update(ok=data.ok, failure=failure)
    return [{"action": number, **row} for number, row in enumerate(rows)]


def tool_trace(events: Sequence[Event]) -> list[Row]:
    """Every effect but model calls; ``status`` is ``None`` while it has no outcome."""
    effects = [effect for effect in pair_effects(events) if effect.intent.primitive != MODEL]
    return [_tool(effect, cured) for effect, cured in zip(effects, recovered(effects), strict=True)]


def context_trace(events: Sequence[Event]) -> list[Row]:
    """What was offered, consulted in the workspace and taken from memory.

    A consulted artifact ``influenced`` the work when a later effect wrote to it.
    """
    effects = {(effect.pid, effect.intent.effect): effect for effect in pair_effects(events)}
    written: set[tuple[int, str]] = set()
    influence: dict[tuple[int, str], bool] = {}
    for name, effect in reversed(list(effects.items())):
        influence[name] = (effect.pid, effect.target) in written
        if effect.intent.primitive in {"fs.write", "fs.delete"} and effect.ok:
            written.add((effect.pid, effect.target))
    rows: list[Row] = []
    for event in events:
        data = event.data
        if isinstance(data, ContextOffered):
            rows.append({"type": "offered", "pid": event.pid, "ts": event.ts, **fields(data)})
        elif isinstance(data, MemoryReferenced):
            rows.append({"type": "memory", "pid": event.pid, "ts": event.ts, **fields(data)})
        elif isinstance(data, Intent) and data.primitive in CONSULTING:
            name = (event.pid, data.effect)
            if effects[name].intent is data:
                rows.append(_consulted(effects[name], influence[name]))
    return rows


def verification_trace(events: Sequence[Event]) -> list[Row]:
    """Every check of both phases with its result."""
    rows = rows_of(events, CheckRan)
    return [{"method": row.pop("command"), "result": result(row["passed"]), **row} for row in rows]


def attribution_trace(events: Sequence[Event]) -> list[Row]:
    """Every diagnosis of a failed observation."""
    return rows_of(events, Attributed)


def intervention_trace(events: Sequence[Event]) -> list[Row]:
    """Every piece of human help."""
    return rows_of(events, Intervened)


def entropy_trace(events: Sequence[Event]) -> list[Row]:
    """Every maintenance burden found in the patch."""
    return rows_of(events, EntropyFound)


def outcome_record(events: Sequence[Event]) -> Row:
    """Label, facts, reason of the end and totals; ``finished`` is false while the episode runs."""
    labelled, stopped, closed = last(events, Labelled), last(events, Stopped), last(events, EpisodeClosed)
    evaluated, opened, declared = last(events, Evaluated), last(events, EpisodeOpened), last(events, Declared)
    verdict = fields(labelled) if labelled else dict.fromkeys(Labelled.__struct_fields__)
    return {
        "episode": events[0].episode if events else None,
        "finished": closed is not None,
        **verdict,
        "declared": declared is not None and declared.accepted,
        "stop": fields(stopped) if stopped else None,
        "facts": evaluated.facts if evaluated else None,
        "usage": usage_totals(events),
        "budget": {"limit": opened.budget if opened else None, "used": closed.usage if closed else None},
    }


def usage_totals(events: Sequence[Event]) -> dict[str, float]:
    """What the episode used so far: calls, tokens, USD and seconds, and how often things went wrong."""
    effects = pair_effects(events)
    models = [effect.outcome for effect in effects if effect.intent.primitive == MODEL and effect.outcome]
    tools = [effect for effect in effects if effect.intent.primitive != MODEL]
    count = {kind: sum(isinstance(event.data, kind) for event in events) for kind in _COUNTED}
    return {
        "model_calls": len(models),
        "input_tokens": round(_total(models, "input")),
        "output_tokens": round(_total(models, "output")),
        "cached_tokens": round(_total(models, "cached")),
        "cost": _total(models, "cost"),
        "model_s": round(sum(outcome.duration_ms for outcome in models) / 1000, 3),
        "effects": len(tools),
        "failed_effects": sum(effect.failure is not None for effect in tools),
        "recovered_effects": sum(cured is True for cured in recovered(tools)),
        "effect_s": round(sum(effect.outcome.duration_ms for effect in tools if effect.outcome) / 1000, 3),
        **{name: count[kind] for kind, name in _COUNTED.items()},
    }


def result(passed: bool | None) -> str:
    """A check's result in words."""
    return "unknown" if passed is None else "passed" if passed else "failed"


_COUNTED: dict[type[Data], str] = {
    ActionParsed: "actions",
    ActionRejected: "rejected_replies",
    Denied: "denied",
    Faulted: "faults",
    Intervened: "interventions",
}


def _action(event: Event, kind: str, op: str | None, args: Row, by: str, dialect: str) -> Row:
    turn: int = getattr(event.data, "turn", 0)
    return {
        "type": kind,
        "pid": event.pid,
        "ts": event.ts,
        "turn": turn,
        "op": op,
        "args": args,
        "by": by,
        "dialect": dialect,
        "ok": None,
        "effects": [],
        "failure": None,
    }


def _tool(effect: Effect, cured: bool | None) -> Row:
    intent, outcome = effect.intent, effect.outcome
    return {
        "effect": intent.effect,
        "pid": effect.pid,
        "ts": effect.ts,
        "turn": intent.turn,
        "primitive": intent.primitive,
        "effect_class": intent.effect_class,
        "target": effect.target,
        "args": intent.args,
        "decision": intent.decision,
        "status": outcome.status if outcome else None,
        "exit_code": outcome.result.get("exit_code") if outcome else None,
        "duration_ms": outcome.duration_ms if outcome else None,
        "timed_out": outcome.status == "timeout" if outcome else None,
        "failure": effect.failure,
        "recovered": cured,
    }


def _consulted(effect: Effect, influenced: bool) -> Row:
    found = effect.outcome.result if effect.outcome and effect.ok else {}
    parts = [found, *(cast(Row, part) for part in found.values() if isinstance(part, dict))]
    size = next((part["size"] for part in parts if isinstance(part.get("size"), int)), 0)
    return {
        "type": "consulted",
        "pid": effect.pid,
        "ts": effect.ts,
        "turn": effect.intent.turn,
        "effect": effect.intent.effect,
        "primitive": effect.intent.primitive,
        "artifact": effect.target,
        "contributed": f"{size} bytes" if effect.ok else "nothing",
        "influenced": influenced,
    }


def _total(outcomes: Sequence[Outcome], name: str) -> float:
    total = sum(outcome.usage.get(name, 0) for outcome in outcomes)
    return round(total, 9)
