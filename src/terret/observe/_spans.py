"""Journal events as OpenTelemetry spans after the GenAI semantic conventions.

Spans are plain data in the OTLP/JSON form of ``opentelemetry.proto.trace.v1.Span``: ids in lower-case hex, 64-bit
integers as decimal strings, enums as numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from terret.journal import Event

SEMCONV_VERSION = "1.41.1"
"""The pinned version of the OpenTelemetry semantic conventions whose ``gen_ai`` names are used."""

SCHEMA_URL = f"https://opentelemetry.io/schemas/{SEMCONV_VERSION}"

INTERNAL, CLIENT = 1, 3
"""Span kinds."""

OK, ERROR = 1, 2
"""Status codes; 0 is unset."""

Span = dict[str, Any]


def trace_id(episode: str) -> str:
    """The trace of an episode: 32 hex digits."""
    return sha256(f"terret/trace\0{episode}".encode()).hexdigest()[:32]


def span_id(episode: str, pid: int, name: str) -> str:
    """The span of an effect, or of what else has a name in an episode: 16 hex digits."""
    return sha256(f"terret/span\0{episode}\0{pid}\0{name}".encode()).hexdigest()[:16]


def span(
    episode: str,
    pid: int,
    identity: str,
    name: str,
    kind: int,
    times: tuple[float, float],
    attributes: Mapping[str, Any],
    *,
    parent: str = "",
    error: str | None = None,
    events: Sequence[Span] = (),
) -> Span:
    """One span; attributes that are ``None`` are left out, ``error`` sets ``error.type`` and the status."""
    start, end = nanoseconds(times[0]), nanoseconds(max(times))
    found: Span = {"traceId": trace_id(episode), "spanId": span_id(episode, pid, identity)}
    if parent:
        found["parentSpanId"] = parent
    found |= {"name": name, "kind": kind, "startTimeUnixNano": start, "endTimeUnixNano": end}
    found["attributes"] = attribute_list({**attributes, "error.type": error})
    if events:
        found["events"] = list(events)
    if error is not None:
        found["status"] = {"code": ERROR, "message": error}
    return found


def span_event(event: Event, name: str, attributes: Mapping[str, Any]) -> Span:
    """An event of a span at the time of a journal event."""
    return {
        "timeUnixNano": nanoseconds(event.ts),
        "name": name,
        "attributes": attribute_list({**attributes, "terret.event.seq": event.seq}),
    }


def nanoseconds(ts: float) -> str:
    """Unix seconds as decimal nanoseconds, exact to the microsecond that the journal keeps."""
    return str(round(ts * 1_000_000) * 1000)


def attribute_list(values: Mapping[str, Any]) -> list[Span]:
    """Attributes as OTLP key-value pairs, in the order given, without those that are ``None``."""
    return [{"key": key, "value": _any_value(value)} for key, value in values.items() if value is not None]


def _any_value(value: Any) -> Span:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list() | tuple():
            return {"arrayValue": {"values": [_any_value(item) for item in value]}}  # pyright: ignore[reportUnknownVariableType]
        case _:
            return {"stringValue": str(value)}
