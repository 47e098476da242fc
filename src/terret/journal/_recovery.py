"""What opening a journal finds after a crash, and what can be mended without losing anything durable."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from terret.errors import BlobMismatch, EventEdited, JournalCorrupt, PackageError
from terret.journal._blobs import BlobStore
from terret.journal._chain import check_anchors, check_links
from terret.journal._codec import GENESIS, Envelope, event_of, open_line
from terret.journal._events import Event
from terret.journal._head import Anchor, anchor_message
from terret.journal._sign import verify_signature
from terret.journal._stores import Row

_LOG_HEADER = 32
_FRAME_HEADER = 24


class Recovery(msgspec.Struct, frozen=True):
    """What :meth:`terret.journal.Journal.open` had to mend.

    ``dropped_bytes`` of the write-ahead log belonged to a write that never finished. ``dropped_events`` from
    ``first`` on were unreadable and unanchored; their bytes are kept in the table ``set_aside`` of the file.
    """

    reason: str
    dropped_bytes: int = 0
    dropped_events: int = 0
    first: int | None = None

    def __str__(self) -> str:
        parts = [f"{self.dropped_bytes} bytes of an unfinished write dropped"] if self.dropped_bytes else []
        if self.dropped_events:
            parts.append(f"{self.dropped_events} events from event {self.first} on set aside")
        return f"{', '.join(parts)}: {self.reason}"


class Found(NamedTuple):
    """The sound events of a journal, and from which event on the rest has to be set aside (``None``: nothing)."""

    events: list[Event]
    torn: int | None
    reason: str


def examine(rows: Sequence[Row], anchors: Sequence[Anchor], episode: str, public_key: str, blobs: BlobStore) -> Found:
    """Tell sound events from a torn tail.

    A tail is torn when no sound event follows the first unsound one and no anchor vouches for it: that is what
    power loss leaves. Everything else is damage.

    Raises:
        JournalCorrupt: The damage is not a torn tail; says which event.
        BlobMismatch: A blob of the first event is missing or damaged.
    """
    envelopes, bad, reason = _sound_prefix(rows, episode)
    anchored = max((anchor.seq for anchor in anchors), default=-1)
    for anchor in anchors:
        if not verify_signature(public_key, anchor_message(episode, anchor.seq, anchor.hash), anchor.signature):
            raise JournalCorrupt("an anchor is not signed by the episode's key", where=f"anchor of event {anchor.seq}")
    try:
        check_links(envelopes, None)
        check_anchors(envelopes, anchors)
    except PackageError as error:
        raise JournalCorrupt(f"the chain is broken: {error.message}", where=error.where) from None
    if anchored >= len(envelopes):
        raise JournalCorrupt(
            f"an anchored event is missing: {reason or 'the journal ends before it'}",
            value=anchored,
            where=f"event {len(envelopes)}",
        )
    events = [event_of(envelope) for envelope in envelopes]
    for event in events[anchored + 1 :]:
        lost = _lost_blob(event, blobs)
        if lost is not None:
            if event.seq == 0:
                raise lost
            return Found(events[: event.seq], event.seq, f"a blob of event {event.seq} did not reach the disk")
    return Found(events, bad, reason)


def log_layout(path: Path) -> tuple[int, int]:
    """Bytes a write-ahead log's current generation takes in the file, and bytes of one frame; zeros without a log."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return 0, 0
    try:
        size = os.fstat(handle).st_size
        head = os.pread(handle, _LOG_HEADER, 0)
        if size <= _LOG_HEADER:
            return 0, 0
        frame = _FRAME_HEADER + int.from_bytes(head[8:12], "big")
        start = _LOG_HEADER
        # Frames of an earlier generation carry other salts and are not part of the log any more.
        while start < size and os.pread(handle, 8, start + 8) == head[16:24]:
            start += frame
        return min(start, size) - _LOG_HEADER, frame
    finally:
        os.close(handle)


def _sound_prefix(rows: Sequence[Row], episode: str) -> tuple[list[Envelope], int | None, str]:
    envelopes: list[Envelope] = []
    bad: int | None = None
    reason = ""
    for seq, line in rows:
        try:
            envelope = open_line(line)
            if envelope.seq != seq or envelope.episode != episode:
                raise EventEdited("the event is filed under another number or episode")
        except EventEdited as error:
            if bad is None:
                bad, reason = len(envelopes), f"event {len(envelopes)} is unreadable: {error.message}"
            continue
        if bad is not None:
            raise JournalCorrupt(f"{reason}; sound events follow it", where=f"event {bad}")
        if seq != len(envelopes):
            raise JournalCorrupt("events are missing", value=f"{len(envelopes)} to {seq - 1}", where=f"event {seq}")
        envelopes.append(envelope)
    if bad == 0:
        raise JournalCorrupt(f"{reason}; nothing sound is left", where="event 0")
    if envelopes and envelopes[0].prev != GENESIS:
        raise JournalCorrupt("the first event names a predecessor", where="event 0")
    return envelopes, bad, reason


def _lost_blob(event: Event, blobs: BlobStore) -> BlobMismatch | None:
    for digest in event.blobs:
        try:
            blobs.get(digest)
        except BlobMismatch as error:
            return error
    return None
