"""One event on one line, in words, for ``logs``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from terret.cli._words import amount, amount_of, duration, model_name, plural, shorten
from terret.journal import (
    ActionParsed,
    ActionRejected,
    CheckRan,
    ContextOffered,
    Declared,
    Denied,
    EpisodeOpened,
    EpisodePaused,
    EpisodeResumed,
    Evaluated,
    Event,
    Faulted,
    Intent,
    Intervened,
    Labelled,
    MessageSent,
    Observed,
    Outcome,
    PatchTaken,
    ProcessEnded,
    ProcessMoved,
    ProcessStarted,
    Stopped,
    Text,
)


def event_line(event: Event) -> str:
    """Local time, number, turn, kind, and what it says."""
    data: Any = event.data
    clock = time.strftime("%H:%M:%S", time.localtime(event.ts))
    turn: int = getattr(data, "turn", 0)
    at = f"t{turn}" if turn else ""
    pid = f"[{event.pid}] " if event.pid else ""
    return f"{clock}  {event.seq:>5}  {at:<4} {kind_of(event):<16} {pid}{shorten(words(data), 200)}".rstrip()


def kind_of(event: Event) -> str:
    """The kind without its version."""
    return str(event.data.__struct_config__.tag).partition("/")[0]


def words(data: Any) -> str:
    """What a payload says."""
    kind: type = type(data)  # pyright: ignore[reportUnknownVariableType]
    tell = _WORDS.get(kind)
    if tell is not None:
        return tell(data)
    import msgspec

    fields = {name: value for name, value in msgspec.to_builtins(data).items() if name not in ("kind", "turn")}
    return json.dumps(fields, ensure_ascii=False)


def _opened(data: EpisodeOpened) -> str:
    return (
        f"{data.task_name}, level {data.level}, {model_name(data.model)}, sandbox {data.enforcement.get('tier', '?')}"
    )


def _intent(data: Intent) -> str:
    if data.primitive == "model.complete":
        return f"{data.effect} {data.primitive} {plural(int(data.args.get('messages', 0)), 'message')}"
    rule = data.decision.get("rule", "?")
    return f"{data.effect} {data.primitive} {amount(data.args)} ({data.effect_class}; rule {rule})"


def _outcome(data: Outcome) -> str:
    parts = [f"{data.effect} {data.status} in {duration(data.duration_ms / 1000)}"]
    if data.usage.get("output"):
        parts.append(f"{amount_of(data.usage.get('input', 0))} tokens in, {amount_of(data.usage['output'])} out")
    text = dict[str, Any](data.result.get("text") or data.result.get("output") or {})
    lines = str(text.get("inline") or text.get("head") or "").splitlines()
    said = next((line for line in lines if line.strip() and not line.startswith("```")), "")
    message = str(data.result.get("message", "")) or said
    return ", ".join(parts) + (f": {shorten(message, 120)}" if message.strip() else "")


def _text(text: Text) -> str:
    return shorten(text.inline or text.head or "", 120)


def _observed(data: Observed) -> str:
    failure = f" ({data.failure.get('type', '?')})" if data.failure else ""
    return f"{data.tool} {'ok' if data.ok else 'failed'}{failure}: {_text(data.text)}"


def _check(data: CheckRan) -> str:
    result = {True: "passed", False: "failed", None: "gave no result"}[data.passed]
    return f"{data.name} {result} ({data.phase}, {data.type}, {duration(data.duration_ms / 1000)}) {data.detail}"


def _resumed(data: EpisodeResumed) -> str:
    return f"after {duration(data.gap_s)}, {plural(len(data.unknown), 'effect')} of unknown outcome"


def _label(data: Labelled) -> str:
    return f"{data.label or 'ungraded'} {data.failure_code or ''}: {'; '.join(data.reasons)}"


def _declared(data: Declared) -> str:
    return f"accepted: {data.summary}" if data.accepted else f"refused: {'; '.join(data.reasons)}"


def _evaluated(data: Evaluated) -> str:
    return f"{plural(len(data.facts.get('checks', [])), 'check')}, stop reason {data.facts.get('stop_reason', '?')}"


def _offered(data: ContextOffered) -> str:
    return f"{plural(len(data.items), 'item')}, {data.tokens:,} of {data.limit:,} tokens"


def _started(data: ProcessStarted) -> str:
    return f"{data.how} of {data.image} below {data.parent}, tenant {data.tenant}"


_WORDS: dict[type, Callable[[Any], str]] = {
    EpisodeOpened: _opened,
    EpisodeResumed: _resumed,
    EpisodePaused: lambda data: f"by {data.by or 'an operator'} {data.reason}",
    ContextOffered: _offered,
    Intent: _intent,
    Outcome: _outcome,
    Denied: lambda data: f"{data.effect} {data.primitive} {amount(data.args)}: {data.decision.get('reason', '?')}",
    ActionParsed: lambda data: f"{data.tool} {amount(data.args)}" + ("" if data.by == "agent" else f" by {data.by}"),
    ActionRejected: lambda data: f"{data.reason}: {data.message}",
    Observed: _observed,
    CheckRan: _check,
    Declared: _declared,
    Intervened: lambda data: f"{data.form}: {data.text}",
    Faulted: lambda data: f"{data.part}: {data.message} [{data.code}]",
    Stopped: lambda data: f"{data.reason}: {data.detail}",
    PatchTaken: lambda data: plural(len(data.files), "file") + " changed",
    Evaluated: _evaluated,
    Labelled: _label,
    ProcessStarted: _started,
    ProcessMoved: lambda data: f"{data.before} to {data.after}: {data.why}",
    ProcessEnded: lambda data: data.status,
    MessageSent: lambda data: f"to {data.to}, {data.topic}",
}
