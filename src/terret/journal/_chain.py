"""Walks a chain of stored lines and says exactly what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from terret.errors import (
    EventEdited,
    EventInserted,
    EventMissing,
    EventReordered,
    KeyMismatch,
    SignatureInvalid,
    TruncatedBeforeAnchor,
    TruncatedTail,
)
from terret.journal._codec import GENESIS, Envelope, event_of, open_line
from terret.journal._events import EpisodeOpened, Event
from terret.journal._head import Anchor, Head, anchor_is_signed
from terret.journal._sign import verify_signature


def check_chain(lines: Sequence[bytes], head: Head, expected_key: str | None = None) -> list[Event]:
    """The events of a sealed journal, or the first damage found.

    Args:
        lines: Stored lines without line ends.
        head: What the journal's owner signed.
        expected_key: Public key that must have signed, 64 hex digits; any key when ``None``.

    Raises:
        KeyMismatch: Another key signed, or the episode was opened under another key.
        SignatureInvalid: The head or an anchor is not signed by its key.
        EventEdited: An event does not have its hash, or the chain was written anew.
        EventMissing: Events are missing before the last one.
        EventReordered: All events are there, in another order.
        EventInserted: There is a line that does not belong to the chain.
        TruncatedBeforeAnchor: The chain ends before an anchored event.
        TruncatedTail: The chain ends after its last anchor and before the head.
        JournalCorrupt: A sound event of an unknown kind or shape.
    """
    _check_signatures(head, expected_key)
    envelopes = open_lines(lines, head)
    check_order(envelopes, head)
    check_links(envelopes, head.last if len(envelopes) == head.count else None)
    check_anchors(envelopes, head.anchors)
    _check_end(envelopes, head)
    events = [event_of(envelope) for envelope in envelopes]
    opened = events[0].data if events else None
    if isinstance(opened, EpisodeOpened) and opened.public_key != head.public_key:
        raise KeyMismatch(
            "the head is not signed with the key the episode was opened with",
            value=head.public_key[:16],
            where="head.json",
            hint=f"the episode names {opened.public_key[:16]}",
        )
    return events


def read_journal_jsonl(raw: bytes) -> list[Event]:
    """The events of an exported journal: every hash, link and number is checked, no signature.

    Raises:
        PackageError: What :func:`check_chain` raises, as far as a journal alone can show it.
        JournalCorrupt: A sound event of an unknown kind or shape.
    """
    lines = split_lines(raw)
    envelopes = open_lines(lines, None)
    check_order(envelopes, None)
    check_links(envelopes, None)
    return [event_of(envelope) for envelope in envelopes]


def split_lines(raw: bytes) -> list[bytes]:
    """The lines of ``journal.jsonl``.

    Raises:
        TruncatedTail: The last line is not ended.
    """
    if not raw:
        return []
    if not raw.endswith(b"\n"):
        count = raw.count(b"\n")
        raise TruncatedTail("the journal breaks off inside an event", where=f"journal.jsonl line {count + 1}")
    return raw[:-1].split(b"\n")


def open_lines(lines: Sequence[bytes], head: Head | None) -> list[Envelope]:
    """Every line on its own; raises EventEdited or EventInserted with the line's position."""
    envelopes: list[Envelope] = []
    failure: tuple[int, EventEdited] | None = None
    for position, line in enumerate(lines):
        try:
            envelopes.append(open_line(line))
        except EventEdited as error:
            failure = failure or (position, error)
    if failure is not None:
        position, error = failure
        where = f"event {position}"
        if head is not None and _is_whole(envelopes, head):
            raise EventInserted("a line is not part of the chain", value=lines[position][:80], where=where)
        raise EventEdited(error.message, value=error.value, where=where, hint=error.hint)
    return envelopes


def check_order(envelopes: Sequence[Envelope], head: Head | None) -> None:
    """Whether every event is there once and in its place, as far as their numbers tell."""
    episode = head.episode if head else (envelopes[0].episode if envelopes else "")
    count = head.count if head else None
    seen: dict[int, int] = {}
    for position, envelope in enumerate(envelopes):
        where = f"event {position}"
        if envelope.episode != episode:
            raise EventInserted("an event belongs to another episode", value=envelope.episode, where=where)
        if envelope.seq in seen:
            first = seen[envelope.seq]
            odd = position if _fits(envelopes, first) or not _fits(envelopes, position) else first
            raise EventInserted("two events have the same number", value=envelope.seq, where=f"event {odd}")
        seen[envelope.seq] = position
        if count is not None and envelope.seq >= count:
            raise EventInserted(f"an event lies beyond the {count} signed ones", value=envelope.seq, where=where)
    last = max(seen, default=-1)
    missing = [seq for seq in range(last) if seq not in seen] if last >= len(envelopes) else []
    if missing:
        raise EventMissing(_missing(missing), where=f"event {missing[0]}")
    for position, envelope in enumerate(envelopes):
        if envelope.seq != position:
            raise EventReordered(
                "an event stands in the place of another", value=envelope.seq, where=f"event {position}"
            )


def check_links(envelopes: Sequence[Envelope], last: str | None) -> None:
    """Whether every event names its predecessor's hash; ``last`` is the hash the final event must have, if known."""
    previous = GENESIS
    for position, envelope in enumerate(envelopes):
        if envelope.prev != previous:
            _report_break(envelopes, position, last)
        previous = envelope.hash


def check_anchors(envelopes: Sequence[Envelope], anchors: Sequence[Anchor]) -> None:
    """Whether the anchored events that are there have the anchored hashes."""
    sound = -1
    for anchor in anchors:
        if anchor.seq < len(envelopes):
            if envelopes[anchor.seq].hash != anchor.hash:
                _report_rewrite(sound, anchor.seq)
            sound = anchor.seq


def _check_signatures(head: Head, expected_key: str | None) -> None:
    if expected_key is not None and expected_key.strip().lower() != head.public_key:
        raise KeyMismatch(
            "the package is signed with another key",
            value=head.public_key,
            where="head.json",
            hint=f"expected {expected_key.strip()[:16]}",
        )
    if not verify_signature(head.public_key, head.message(), head.signature):
        raise SignatureInvalid("the head is not signed by its key", value=head.public_key[:16], where="head.json")
    previous = -1
    for anchor in head.anchors:
        where = f"head.json, anchor of event {anchor.seq}"
        if not previous < anchor.seq < head.count:
            raise SignatureInvalid("an anchor is out of place", value=anchor.seq, where=where)
        if not anchor_is_signed(head, anchor):
            raise SignatureInvalid("an anchor is not signed by the head's key", where=where)
        previous = anchor.seq


def _check_end(envelopes: Sequence[Envelope], head: Head) -> None:
    count = len(envelopes)
    if count < head.count:
        detail = f"the journal ends after {count} of {head.count} events"
        anchored = [anchor.seq for anchor in head.anchors if anchor.seq >= count]
        if anchored:
            raise TruncatedBeforeAnchor(f"{detail}, before an anchored one", value=anchored[0], where=f"event {count}")
        raise TruncatedTail(f"{detail}, after its last anchor", where=f"event {count}")
    last = envelopes[-1].hash if envelopes else GENESIS
    if last != head.last:
        sound = head.anchors[-1].seq if head.anchors else -1
        _report_rewrite(sound, count - 1)


def _report_break(envelopes: Sequence[Envelope], position: int, last: str | None) -> NoReturn:
    """Name the event that was changed and given a new hash: the one whose links to both neighbours are broken."""
    envelope = envelopes[position]
    follower = envelopes[position + 1].prev if position + 1 < len(envelopes) else last
    changed = position if position == 0 or (follower is not None and follower != envelope.hash) else position - 1
    raise EventEdited(
        "the event was changed and hashed anew; its neighbour names another hash",
        value=envelopes[changed].hash,
        where=f"event {changed}",
    )


def _report_rewrite(sound: int, broken: int) -> NoReturn:
    span = f"events {sound + 1} to {broken}" if broken > sound + 1 else f"event {broken}"
    raise EventEdited("the chain was written anew and no longer has the signed hash", where=span)


def _is_whole(envelopes: Sequence[Envelope], head: Head) -> bool:
    """Whether these events alone are the signed chain."""
    if len(envelopes) != head.count or not envelopes or envelopes[-1].hash != head.last:
        return False
    previous = GENESIS
    for envelope in envelopes:
        if envelope.prev != previous:
            return False
        previous = envelope.hash
    return True


def _fits(envelopes: Sequence[Envelope], position: int) -> bool:
    """Whether some later event names this one as its predecessor."""
    digest = envelopes[position].hash
    return any(later.prev == digest for later in envelopes[position + 1 :])


def _missing(seqs: Sequence[int]) -> str:
    if len(seqs) == 1:
        return f"event {seqs[0]} is missing"
    if seqs[-1] - seqs[0] + 1 == len(seqs):
        return f"events {seqs[0]} to {seqs[-1]} are missing"
    return f"{len(seqs)} events are missing, the first is {seqs[0]}"
