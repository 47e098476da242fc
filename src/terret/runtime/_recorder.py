"""One face for running and re-running: while the journal holds recorded events, emitting checks instead of appending.

An episode is resumed by running its loop again from the start. Everything the loop decides follows from recorded
outcomes, so it emits the same events again until the record ends; from there on events are appended. An event that
differs from its record means that the record and this version of terret do not fit: :class:`Diverged`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from terret.errors import Diverged
from terret.journal import EpisodePaused, EpisodeResumed, Event, EventData, Faulted, Journal, encode_data

Listener = Callable[[object], None]
"""Called with every new :class:`Event` and with ``("token", text)`` while a reply streams in."""

D = TypeVar("D", bound=EventData)


class RecordEnded(Exception):
    """A sealed recorder has no further event."""


class Recorder:
    """Appends to a journal, or replays what it holds.

    Args:
        journal: An open journal.
        listener: Told of events as they are appended, never of replayed ones.
        sealed: Nothing may be appended: :class:`RecordEnded` is raised where the record ends.
    """

    def __init__(self, journal: Journal, listener: Listener | None = None, *, sealed: bool = False) -> None:
        self.journal = journal
        self._listener = listener
        self._sealed = sealed
        self._recorded = journal.events()
        self._next = 0
        self.now = self._recorded[0].ts if self._recorded else 0.0
        self.gaps = 0.0
        """Seconds during which no process drove the episode, or it waited for a person."""

    def peek(self) -> Event | None:
        """The next recorded event, pauses and resumptions passed over; ``None`` when the record has ended."""
        while self._next < len(self._recorded):
            event = self._recorded[self._next]
            if isinstance(event.data, EpisodeResumed):
                self.gaps += event.data.gap_s
            elif not isinstance(event.data, EpisodePaused) and not (
                isinstance(event.data, Faulted) and event.data.part == "journal"
            ):
                return event
            self.now = event.ts
            self._next += 1
        return None

    @property
    def replaying(self) -> bool:
        """Whether recorded events remain."""
        return self.peek() is not None

    def take(self, kind: type[D]) -> D | None:
        """The next recorded payload if it is of that kind; the cursor moves past it."""
        event = self.peek()
        if event is None and self._sealed:
            raise RecordEnded
        if event is None or not isinstance(event.data, kind):
            return None
        self._advance(event)
        return event.data

    def emit(self, data: D, *, durable: bool = False) -> D:
        """Append an event, or check it against its record; returns the payload as recorded (secrets scrubbed).

        Raises:
            Diverged: The record holds something else here.
            JournalWriteFailed: A durable event could not be written.
        """
        recorded = self.peek()
        if recorded is None:
            return self._append(data, durable)
        if data != recorded.data and not self._same(data, recorded.data):
            raise Diverged(
                "the run does not repeat its own record",
                value=type(data).__name__,
                where=f"event {recorded.seq} ({type(recorded.data).__name__})",
                hint="resume with the terret version that wrote the episode, or start it again",
            )
        self._advance(recorded)
        return cast("D", recorded.data)

    def step(self, kind: type[D], produce: Callable[[], D], *, durable: bool = False) -> D:
        """A durable step: its recorded result, or ``produce()`` run now and recorded."""
        recorded = self.take(kind)
        return recorded if recorded is not None else self._append(produce(), durable)

    def seen(self) -> list[Event]:
        """The events up to here: those replayed so far, or all of them."""
        events = self.journal.events()
        return events[: self._next] if self.replaying else events

    def token(self, text: str) -> None:
        """Pass on a piece of a streaming reply."""
        if self._listener is not None:
            self._listener(("token", text))

    @property
    def elapsed(self) -> float:
        """Seconds from the first to the latest event, dead time left out; the same when replayed."""
        first = self._recorded[0].ts if self._recorded else self._first
        return self.now - first - self.gaps

    _first = 0.0

    def _advance(self, event: Event) -> None:
        self._next += 1
        self.now = event.ts

    def _same(self, data: EventData, recorded: EventData) -> bool:
        """Whether a payload is what its record holds, once its secrets are hidden."""
        mine = self.journal.scrubbed(data)
        return mine == recorded or encode_data(mine) == encode_data(recorded)

    def _append(self, data: D, durable: bool) -> D:
        if self._sealed:
            raise RecordEnded
        event = self.journal.append(data, durable=durable)
        if event.seq == 0:
            self._first = event.ts
        self.now = event.ts
        if self._listener is not None:
            self._listener(event)
        return cast("D", event.data)
