"""Canonical JSON, the hash of an event, and the way back from stored bytes.

The canonical form is msgspec JSON with sorted keys and no white space. A stored line is the canonical form of an
:class:`Event`; its hash covers the previous hash and the line without its ``hash`` member. Hashes are always
computed over stored bytes, never over a migrated form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, cast, get_args

import msgspec

from terret.errors import EventEdited, JournalCorrupt, JournalError
from terret.journal._events import Data, Event, EventData, Text

GENESIS = "0" * 64
"""``prev`` of an episode's first event."""

KINDS: dict[str, type[Data]] = {
    str(cast(type[Data], struct).__struct_config__.tag): cast(type[Data], struct) for struct in get_args(EventData)
}
"""Every current kind and its struct."""

Migration = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns the payload of one kind version (``kind`` included) into that of a later one."""

MIGRATIONS: dict[str, Migration] = {}
"""Migrations by the kind they start from; every kind ever written is here or in :data:`KINDS`."""


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An event whose payload is still the stored bytes."""

    seq: int
    ts: float
    episode: str
    pid: int
    data: msgspec.Raw
    blobs: list[str]
    prev: str
    hash: str


_encoder = msgspec.json.Encoder(order="sorted")
_envelope_decoder = msgspec.json.Decoder(Envelope)
_data_decoder: msgspec.json.Decoder[EventData] = msgspec.json.Decoder(EventData)
_any_decoder = msgspec.json.Decoder()


def canonical(value: object) -> bytes:
    """The canonical JSON of a plain value or struct."""
    return _encoder.encode(value)


def well_formed(text: str) -> str:
    """``text`` with lone surrogates (undecodable output bytes) replaced by U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """A copy of a JSON value with ``change`` applied to every string, keys included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        members = cast(dict[str, Any], value)
        return {change(name): map_strings(member, change) for name, member in members.items()}
    if isinstance(value, list | tuple):
        return [map_strings(item, change) for item in cast(list[Any], value)]
    if isinstance(value, msgspec.Struct):
        return map_strings(msgspec.to_builtins(value), change)
    return value


def encode_data(data: EventData) -> bytes:
    """The canonical JSON of a payload.

    Raises:
        JournalError: The payload holds something that is not plain JSON.
    """
    return settle(data)[1]


def settle(data: EventData, change: Callable[[str], str] | None = None) -> tuple[EventData, bytes]:
    """A payload as it will be read back, and its canonical JSON.

    Numbers and containers take the types of their fields, lone surrogates become U+FFFD, and ``change`` is applied
    to every text of the payload (not to its field names). Settling twice changes nothing more.

    Raises:
        JournalError: The payload holds something that is not plain JSON, or has not the shape of its kind.
    """
    try:
        if change is not None:
            data = _reword(data, change)
        try:
            raw = _encoder.encode(data)
        except UnicodeEncodeError:
            raw = _encoder.encode(_reword(data, well_formed))
        settled = _data_decoder.decode(raw)
        return settled, _encoder.encode(settled)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise JournalError(f"a {type(data).__name__} event cannot be recorded: {error}") from None


def _reword(data: Any, change: Callable[[str], str]) -> Any:
    """A copy of a struct with ``change`` applied to the texts of its fields."""
    fields: dict[str, Any] = {}
    for name in data.__struct_fields__:
        value = getattr(data, name)
        if isinstance(value, Text):
            inline = None if value.inline is None else change(value.inline)
            head = None if value.head is None else change(value.head)
            size = value.size if inline is None else len(inline.encode("utf-8", "replace"))
            fields[name] = Text(size=size, inline=inline, blob=value.blob, head=head)
        else:
            fields[name] = map_strings(value, change)
    return type(data)(**fields)


def decode_data(raw: bytes | msgspec.Raw, migrations: Mapping[str, Migration] = MIGRATIONS) -> EventData:
    """The payload of stored bytes, migrated to the current version of its kind.

    Raises:
        JournalCorrupt: The kind is unknown, or the payload has not the shape of its kind.
    """
    try:
        return _data_decoder.decode(raw)
    except msgspec.ValidationError as error:
        reason = error
    plain = cast(dict[str, Any], _any_decoder.decode(raw))
    migrated = migrate(plain, migrations)
    if migrated is plain:
        raise JournalCorrupt(f"a {plain['kind']} event has not the shape of its kind: {reason}")
    try:
        return msgspec.convert(migrated, cast(type[EventData], EventData))
    except msgspec.ValidationError as error:
        raise JournalCorrupt(f"a {plain['kind']} event cannot be migrated to {migrated['kind']}: {error}") from None


def migrate(payload: dict[str, Any], migrations: Mapping[str, Migration] = MIGRATIONS) -> dict[str, Any]:
    """Follow the migration chain from the payload's kind to a current one; the same object when there is none.

    Raises:
        JournalCorrupt: The kind is neither current nor the start of a migration.
    """
    while (kind := payload.get("kind")) not in KINDS:
        step = migrations.get(kind) if isinstance(kind, str) else None
        if step is None:
            raise JournalCorrupt("unknown event kind", value=kind, hint="read this journal with a newer terret")
        payload = step(payload)
    return payload


def link(data: bytes, *, seq: int, ts: float, episode: str, pid: int, blobs: list[str], prev: str) -> tuple[bytes, str]:
    """Chain an encoded payload to its predecessor: the stored line and its hash."""
    before, after = _halves(data, seq, ts, episode, pid, blobs, prev)
    digest = sha256(prev.encode() + before + after).hexdigest()
    return _join(before, digest, after), digest


def encode_event(event: Event) -> bytes:
    """The stored line of an event."""
    raw = encode_data(event.data)
    before, after = _halves(raw, event.seq, event.ts, event.episode, event.pid, event.blobs, event.prev)
    return _join(before, event.hash, after)


def open_line(line: bytes) -> Envelope:
    """Check one stored line on its own: its shape and its hash.

    Raises:
        EventEdited: The bytes are not what was hashed.
    """
    try:
        envelope = _envelope_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EventEdited("the line is not an event", value=line[:80], hint=str(error)) from None
    before, after = _halves(
        bytes(envelope.data),
        envelope.seq,
        envelope.ts,
        envelope.episode,
        envelope.pid,
        envelope.blobs,
        envelope.prev,
    )
    digest = sha256(envelope.prev.encode() + before + after).hexdigest()
    if digest != envelope.hash or _join(before, digest, after) != line:
        raise EventEdited("the event does not have its hash", value=envelope.hash, where=f"event {envelope.seq}")
    return envelope


def event_of(envelope: Envelope, migrations: Mapping[str, Migration] = MIGRATIONS) -> Event:
    """The event of a checked envelope.

    Raises:
        JournalCorrupt: Unknown kind, wrong shape, or bytes not in canonical form.
    """
    raw = bytes(envelope.data)
    try:
        data = decode_data(raw, migrations)
    except JournalCorrupt as error:
        error.where = f"event {envelope.seq}"
        raise
    # The first comparison spares the second for every payload of a current kind.
    if _encoder.encode(data) != raw and _encoder.encode(_any_decoder.decode(raw)) != raw:
        raise JournalCorrupt("the event is not in canonical form", where=f"event {envelope.seq}")
    return Event(
        seq=envelope.seq,
        ts=envelope.ts,
        episode=envelope.episode,
        pid=envelope.pid,
        data=data,
        blobs=envelope.blobs,
        prev=envelope.prev,
        hash=envelope.hash,
    )


def decode_event(line: bytes, migrations: Mapping[str, Migration] = MIGRATIONS) -> Event:
    """The event of one stored line, its hash checked and its payload migrated.

    Raises:
        EventEdited: The bytes are not what was hashed.
        JournalCorrupt: Unknown kind, wrong shape, or bytes not in canonical form.
    """
    return event_of(open_line(line), migrations)


def _halves(
    data: bytes, seq: int, ts: float, episode: str, pid: int, blobs: list[str], prev: str
) -> tuple[bytes, bytes]:
    """The canonical line before and after its ``hash`` member; splicing spares encoding the payload twice."""
    named = b'"episode":%b,' % _encoder.encode(episode)
    before = b'{"blobs":%b,"data":%b,%b' % (_encoder.encode(blobs) if blobs else b"[]", data, named)
    after = b'"pid":%d,"prev":%b,"seq":%d,"ts":%b}' % (pid, _encoder.encode(prev), seq, _encoder.encode(ts))
    return before, after


def _join(before: bytes, digest: str, after: bytes) -> bytes:
    return b'%b"hash":%b,%b' % (before, _encoder.encode(digest), after)
