"""What became of the agent processes, one row an event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from terret.journal._events import Event
from terret.journal._process_events import MessageSent, ProcessEnded, ProcessMoved, ProcessReplaced, ProcessStarted

_KINDS = (ProcessStarted, ProcessReplaced, ProcessMoved, ProcessEnded, MessageSent)


def process_record(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Starts, moves, messages and ends in order, each with its ``pid`` and time."""
    return [
        {"pid": event.pid, "ts": event.ts, **msgspec.to_builtins(event.data)}
        for event in events
        if isinstance(event.data, _KINDS)
    ]
