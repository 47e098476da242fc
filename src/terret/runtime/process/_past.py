"""What the journal knows about processes, so that a run that is taken up again repeats its record."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from terret.errors import Diverged
from terret.journal import (
    Denied,
    Event,
    EventData,
    Intent,
    MessageSent,
    Outcome,
    ProcessEnded,
    ProcessMoved,
    ProcessReplaced,
    ProcessStarted,
)
from terret.runtime.process._mailbox import Message
from terret.runtime.process._status import Wait

Slot = tuple[int, int, int]
"""Which child: the parent's pid (0: none) and incarnation, and the ordinal."""


class Story:
    """What one process did, its last incarnation in order.

    Attributes:
        started: How the last incarnation began.
        ended: How it ended; nothing while it lives.
        stream: What it did and has not repeated yet.
        inbox: Messages to it, in order of arrival.
        usage: What all incarnations spent.
        restarts: When it was restarted, unix seconds.
    """

    __slots__ = ("ended", "inbox", "restarts", "started", "stream", "usage")

    def __init__(self, started: ProcessStarted) -> None:
        self.started = started
        self.ended: ProcessEnded | None = None
        self.stream: deque[EventData] = deque()
        self.inbox: list[Message] = []
        self.usage: dict[str, float] = {}
        self.restarts: list[float] = []

    def take(self, kind: type[EventData]) -> EventData | None:
        """The next thing it did, which must be of a kind; nothing when the record is at its end.

        Raises:
            Diverged: It did something else.
        """
        if not self.stream:
            return None
        if not isinstance(self.stream[0], kind):
            raise Diverged(
                "a process does not repeat its record",
                value=type(self.stream[0]).__name__,
                where=f"image {self.started.image}",
                hint="resume with the images of that run",
            )
        return self.stream.popleft()

    def take_wait(self, wait: Wait) -> bool:
        """Whether it waited for this next."""
        head = self.stream[0] if self.stream else None
        if not isinstance(head, ProcessMoved) or head.wait is None:
            return False
        if (head.wait["kind"], head.wait.get("key", "")) != (wait.kind, wait.key):
            return False
        self.stream.popleft()
        return True


def stories(events: Sequence[Event]) -> dict[int, Story]:
    """The story of every process a journal holds, by pid."""
    found: dict[int, Story] = {}
    for event in events:
        data = event.data
        if isinstance(data, ProcessStarted):
            _start(found, event.pid, data, event.ts)
        elif isinstance(data, MessageSent):
            if (receiver := found.get(data.to)) is not None:
                receiver.inbox.append(Message(event.pid, data.topic, data.body))
            if (sender := found.get(event.pid)) is not None:
                sender.stream.append(data)
        elif (story := found.get(event.pid)) is not None:
            _tell(story, data)
    for story in found.values():
        if story.ended is not None:
            # It does nothing any more, so nothing is repeated.
            story.stream.clear()
            story.inbox.clear()
    return found


def _start(found: dict[int, Story], pid: int, data: ProcessStarted, ts: float) -> None:
    story = Story(data)
    if (former := found.get(pid)) is not None:
        story.usage, story.restarts = former.usage, [*former.restarts, ts]
    elif (parent := found.get(data.parent)) is not None:
        parent.usage["processes"] = parent.usage.get("processes", 0.0) + 1
    found[pid] = story


def _tell(story: Story, data: EventData) -> None:
    if isinstance(data, ProcessEnded):
        story.ended = data
        story.usage = dict(data.usage)
    elif isinstance(data, Outcome):
        for name, amount in data.usage.items():
            story.usage[name] = story.usage.get(name, 0.0) + amount
        story.stream.append(data)
    elif isinstance(data, Intent | Denied | ProcessReplaced) or (
        isinstance(data, ProcessMoved) and "waiting_event" in (data.before, data.after) and data.after != "suspended"
    ):
        story.stream.append(data)


def slots(found: dict[int, Story]) -> dict[Slot, int]:
    """The pid behind every place in the family."""
    return {
        (story.started.parent, story.started.parent_incarnation, story.started.ordinal): pid
        for pid, story in found.items()
    }


def spent_below(found: dict[int, Story]) -> dict[int, dict[str, float]]:
    """What each process and everything below it spent, by pid, every incarnation counted."""
    totals = {pid: dict(story.usage) for pid, story in found.items()}
    # A child is younger than its parent.
    for pid in sorted(found, reverse=True):
        above = totals.get(found[pid].started.parent, {})
        for name, amount in totals[pid].items():
            above[name] = above.get(name, 0.0) + amount
    return totals
