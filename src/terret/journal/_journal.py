"""One episode's chain: appended to by its single owner, readable by anybody at any time."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from terret.errors import JournalError
from terret.journal._blobs import Durability, store_text
from terret.journal._clock import Clock, SteadyClock
from terret.journal._codec import GENESIS, event_of, link, open_line, settle
from terret.journal._events import INLINE_LIMIT, EpisodeOpened, Event, EventData, Text
from terret.journal._faults import POINTS, Faults
from terret.journal._head import ANCHOR_EVERY, Anchor, sign_anchor
from terret.journal._lock import holder
from terret.journal._place import Place, StoreChoice, begin, enter, look
from terret.journal._recovery import Found, Recovery, examine
from terret.journal._scrub import Scrubber
from terret.journal._sign import SigningKey
from terret.journal._stores import Row

COMMIT_EVERY = 50

_REFERENCE = re.compile(rb'"blob":"([0-9a-f]{64})"')
_OPENED_REFERENCE = re.compile(rb'"(?:archive|blob|task)":"([0-9a-f]{64})"')


class Journal:
    """The exclusive owner of an episode's events; get one from :meth:`create` or :meth:`open`.

    Attributes:
        folder: Holds ``blobs/``, ``lock``, and ``journal.db`` or else ``store.json``.
        episode: The episode's id.
        key: Signs anchors and head.
        blobs: The episode's blobs.
        durability: What a commit survives.
        recovery: What :meth:`open` had to mend; ``None`` when nothing.
        clock: Tells the time of events.
        epoch: The fencing token: the number of this ownership, counted from 1.
        commit_every: Events that may wait for a commit; more make one.
        faults: Told of every boundary as it is reached; ``None`` outside tests.
    """

    def __init__(
        self,
        folder: Path,
        place: Place,
        key: SigningKey,
        *,
        durability: Durability,
        clock: Clock | None,
        scrubber: Scrubber | None,
        faults: Faults | None = None,
    ) -> None:
        self.folder = folder
        self.episode = place.episode
        self.key = key
        self.blobs = place.blobs
        self.blobs.faults = faults
        self.durability: Durability = durability
        self.recovery: Recovery | None = None
        self.faults = faults
        self.clock: Clock = clock or SteadyClock()
        self.epoch = 0
        self.commit_every = COMMIT_EVERY
        self._place = place
        self._store = place.store
        self._store.faults = faults
        self._ahead = 0.0
        self._scrubber = scrubber or Scrubber()
        self._events: list[Event] = []
        self._let_go = 0
        """How many of the first events are in the store alone."""
        self._most: int | None = None
        self._anchors: list[Anchor] = []
        self._waiting: list[Row] = []
        self._last = GENESIS
        self._mutex = threading.RLock()
        self._open = True

    @classmethod
    def create(
        cls,
        folder: Path,
        episode: str,
        key: SigningKey,
        *,
        store: StoreChoice = None,
        durability: Durability = "normal",
        clock: Clock | None = None,
        scrubber: Scrubber | None = None,
        faults: Faults | None = None,
    ) -> Self:
        """Begin an episode in a folder that holds none.

        Its events live in the folder, or in a ``store`` that machines share: a ``postgresql://`` URL.

        Raises:
            JournalBusy: Another process owns the folder.
            JournalError: The folder holds a journal already, or the store cannot be reached.
            JournalWriteFailed: The folder or the store cannot be written.
        """
        place = begin(folder, episode, key.public_hex, durability, store)
        try:
            journal = cls(folder, place, key, durability=durability, clock=clock, scrubber=scrubber, faults=faults)
            journal._claim()
        except BaseException:
            place.release()
            raise
        return journal

    @classmethod
    def open(
        cls,
        folder: Path,
        key: SigningKey,
        *,
        store: StoreChoice = None,
        episode: str | None = None,
        durability: Durability = "normal",
        clock: Clock | None = None,
        scrubber: Scrubber | None = None,
        faults: Faults | None = None,
        take_over: bool = False,
    ) -> Self:
        """Take over the episode in a folder, or ``episode`` of a ``store``: verify its chain and mend a torn tail.

        From here on every earlier owner is fenced off: it can append nothing more. ``take_over`` does so even while
        an owner holds the lock, for one that is frozen or cut off. With a ``store`` the folder may be a new one.

        Raises:
            EpisodeNotFound: The folder or the store holds no such episode, or one that never began.
            JournalBusy: Another process owns it.
            JournalCorrupt: The file is damaged beyond its torn tail; says where.
            JournalError: The store cannot be reached.
            BlobMismatch: A blob of the first event is missing or damaged.
            ConfigError: The episode was begun with another key.
        """
        place = enter(folder, key.public_hex, durability, store, episode, take_over=take_over)
        try:
            journal = cls(folder, place, key, durability=durability, clock=clock, scrubber=scrubber, faults=faults)
            journal._load(place.dropped)
        except BaseException:
            place.release()
            raise
        return journal

    @staticmethod
    def holder(folder: Path) -> int | None:
        """The process that owns the episode in a folder, 0 when it is not named; ``None`` when no process does."""
        return holder(folder)

    @staticmethod
    def read(folder: Path, after: int = -1, *, store: StoreChoice = None, episode: str | None = None) -> list[Event]:
        """The durable events above ``after`` without owning the episode, even while it runs.

        Raises:
            EpisodeNotFound: The folder holds no journal.
            JournalCorrupt: The file is damaged.
            EventEdited: An event does not have its hash.
        """
        source, name = look(folder, store, episode)
        with source:
            lines = [] if name is None else source.lines(name, after)
        return [event_of(open_line(line)) for line in lines]

    def append(self, data: EventData, *, pid: int = 0, durable: bool = False) -> Event:
        """Scrub, hash and chain an event; ``durable`` makes it and all before it durable before returning.

        When this raises JournalWriteFailed the event is part of the journal nonetheless: free space and
        :meth:`commit`, do not append it again.

        Raises:
            JournalError: The payload cannot be recorded, or the journal is closed; nothing was appended.
            JournalBusy: Another process has taken the episode over.
            JournalWriteFailed: The event could not be made durable; it is kept in memory.
        """
        point = None if self.faults is None else POINTS.get(type(data))
        if self.faults is not None and point is not None:
            self.faults(f"{point}.before")
            event = self._append(data, pid, durable)
            self.faults(f"{point}.after")
            return event
        return self._append(data, pid, durable)

    def _append(self, data: EventData, pid: int, durable: bool) -> Event:
        data, raw = self._settle(data)
        blobs = self._references(data, raw)
        with self._mutex:
            if not self._open:
                raise JournalError("the journal is closed", where=str(self.folder))
            seq = len(self)
            ts = int((self.clock() + self._ahead) * 1e6) / 1e6
            if seq and ts < self._events[-1].ts:
                # A clock that was set back: time goes on from the last event instead of standing still.
                self._ahead += self._events[-1].ts - ts
                ts = self._events[-1].ts
            prev = self._last
            line, digest = link(raw, seq=seq, ts=ts, episode=self.episode, pid=pid, blobs=blobs, prev=prev)
            event = Event(seq, ts, self.episode, pid, data, blobs, prev, digest)
            self._events.append(event)
            self._waiting.append((seq, line))
            self._last = digest
            if durable or len(self._waiting) >= self.commit_every:
                self.commit()
        return event

    def commit(self) -> None:
        """Make every appended event durable, in one transaction.

        Raises:
            JournalBusy: Another process has taken the episode over; nothing was written.
            JournalWriteFailed: Nothing was written; everything stays in memory and a later commit tries again.
        """
        with self._mutex:
            if not self._waiting:
                return
            first = self._waiting[0][0]
            due = range(first + (ANCHOR_EVERY - 1 - first) % ANCHOR_EVERY, len(self), ANCHOR_EVERY)
            gone = self._let_go
            anchors = [sign_anchor(self.key, self.episode, seq, self._events[seq - gone].hash) for seq in due]
            self._store.write(self.episode, self._waiting, anchors, self.epoch)
            self._anchors += anchors
            self._waiting.clear()
            self._let_some_go()

    def keep(self, most: int) -> None:
        """Hold at most so many durable events in memory from here on; others are read from the store when asked for."""
        with self._mutex:
            self._most = max(1, most)
            self.commit()
            self._let_some_go()

    @property
    def kept(self) -> int | None:
        """The most durable events that are held in memory; nothing when it is all of them."""
        return self._most

    def hold(self) -> None:
        """Make sure that the episode is still this object's.

        Raises:
            JournalBusy: Another process has taken it over.
        """
        self._store.hold(self.episode, self.epoch)

    def events(self) -> list[Event]:
        """All events appended so far, durable or not."""
        if not self._let_go:
            return list(self._events)
        return [event_of(open_line(line)) for line in self.lines()]

    def __len__(self) -> int:
        return self._let_go + len(self._events)

    @property
    def head(self) -> tuple[int, str]:
        """The number of events and the hash of the last one."""
        return len(self), self._last

    @property
    def pending(self) -> int:
        """Events that are not durable yet."""
        return len(self._waiting)

    def anchors(self) -> list[Anchor]:
        """The anchors of all durable events."""
        return self._store.anchors(self.episode) if self._let_go else list(self._anchors)

    def lines(self) -> list[bytes]:
        """The stored lines of all events; commits first and raises what :meth:`commit` raises."""
        self.commit()
        return self._store.lines(self.episode)

    def text(self, text: str) -> Text:
        """A text for an event, scrubbed; a long one becomes a blob.

        Raises:
            JournalWriteFailed: The blob cannot be written.
        """
        return store_text(self._scrubber.scrub(text), self.blobs, INLINE_LIMIT)

    def blob_text(self, text: str) -> Text:
        """A text for an event, scrubbed and always a blob; raises what :meth:`text` raises."""
        return store_text(self._scrubber.scrub(text), self.blobs, -1)

    def holds_secret(self, text: str) -> bool:
        """Whether recording the text would change it."""
        return self._scrubber.scrub(text) != text

    def scrubbed(self, data: EventData) -> EventData:
        """A payload as :meth:`append` would record it.

        Raises:
            JournalError: The payload cannot be recorded.
        """
        return self._settle(data)[0]

    @property
    def shared(self) -> bool:
        """Whether another machine can go on with the episode: then the states of its workspace are kept here too."""
        return self._place.shared is not None

    def keep_state(self, tree: str, pack: bytes) -> None:
        """Keep what a state of the workspace has that earlier ones have not; durable with the next commit."""
        if self._place.shared is not None:
            self._place.shared.put_state(tree, pack)

    def states(self) -> dict[str, bytes]:
        """The kept states of the workspace in order, tree id and pack; none when the journal is not shared."""
        return {} if self._place.shared is None else self._place.shared.states(self.episode)

    def close(self) -> None:
        """Commit and give the episode up; closing twice is allowed.

        Raises:
            JournalWriteFailed: The last events could not be made durable; the journal stays open.
        """
        with self._mutex:
            if self._open:
                self.commit()
                self.abandon()

    def abandon(self) -> None:
        """Give the episode up without a commit: events that are not durable are lost."""
        with self._mutex:
            if self._open:
                self._open = False
                self._place.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # A failure that is already on its way says more than a failing last commit.
            with contextlib.suppress(*([JournalError] if error is not None else [])):
                self.close()
        finally:
            self.abandon()

    def _let_some_go(self) -> None:
        excess = 0 if self._most is None else len(self._events) - self._most
        if excess > 0:
            del self._events[:excess]
            self._anchors.clear()
            self._let_go += excess

    def _settle(self, data: EventData) -> tuple[EventData, bytes]:
        settled, raw = settle(data)
        if self._scrubber.touches(raw):
            return settle(settled, self._scrubber.scrub)
        return settled, raw

    def _references(self, data: EventData, raw: bytes) -> list[str]:
        """The digests of stored blobs that a payload names."""
        if isinstance(data, EpisodeOpened):
            found = _OPENED_REFERENCE.findall(raw)
        elif b'"blob":"' in raw:
            found = _REFERENCE.findall(raw)
        else:
            return []
        return sorted(digest for digest in {name.decode() for name in found} if self.blobs.has(digest))

    def _claim(self) -> None:
        self.epoch = self._store.claim(self.episode, f"{os.uname().nodename}:{os.getpid()}")

    def _examined(self) -> tuple[list[Row], list[Anchor], Found]:
        rows = self._store.rows(self.episode)
        anchors = self._store.anchors(self.episode)
        return rows, anchors, examine(rows, anchors, self.episode, self.key.public_hex, self.blobs)

    def _load(self, dropped: int) -> None:
        rows, anchors, found = self._examined()
        self._claim()
        if self._store.rows(self.episode, rows[-1][0] if rows else -1):
            # The earlier owner went on until it was fenced off.
            rows, anchors, found = self._examined()
        reasons = ["a write was cut short"] if dropped > 0 else []
        aside = 0
        if found.torn is not None:
            aside = len(rows) - found.torn
            self._store.set_aside(self.episode, found.torn, found.reason, round(float(self.clock()), 6))
            reasons.append(found.reason)
        if reasons:
            self.recovery = Recovery("; ".join(reasons), dropped, aside, found.torn)
        self._events = found.events
        self._anchors = anchors
        self._last = found.events[-1].hash if found.events else GENESIS
        self.blobs.sweep()
