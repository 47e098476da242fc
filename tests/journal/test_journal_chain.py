"""Every kind of damage to a sealed journal is told apart and located."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_samples import EPISODE, KEY, StepClock, opened

from terret.errors import (
    EventEdited,
    EventInserted,
    EventMissing,
    EventReordered,
    JournalCorrupt,
    KeyMismatch,
    PackageError,
    SignatureInvalid,
    TerretError,
    TruncatedBeforeAnchor,
    TruncatedTail,
)
from terret.journal import (
    BlobStore,
    Event,
    Head,
    Journal,
    SigningKey,
    StateUpdated,
    canonical,
    check_chain,
    read_journal_jsonl,
    seal,
    sign_anchor,
    sign_head,
)

COUNT = 120
"""Events of the journal under test: anchors at 49 and 99, then a tail of 20."""

Lines = list[bytes]


@functools.cache
def sealed() -> tuple[tuple[bytes, ...], Head]:
    with tempfile.TemporaryDirectory() as name, Journal.create(Path(name), EPISODE, KEY, clock=StepClock()) as journal:
        journal.append(opened(BlobStore(Path(name) / "blobs")))
        for number in range(1, COUNT):
            journal.append(StateUpdated(number, "agent", {"number": number, "text": "é" * (number % 3)}))
        return tuple(journal.lines()), seal(journal)


def rehash(line: bytes, **changes: object) -> bytes:
    """A line with other members and a hash that fits them."""
    members = msgspec.json.decode(line) | changes
    before, after = canonical(members | {"hash": "?"}).split(b'"hash":"?",')
    digest = sha256(str(members["prev"]).encode() + before + after).hexdigest()
    return before + b'"hash":"' + digest.encode() + b'",' + after


def rechain(lines: Lines, start: int) -> Lines:
    """Number and hash every line anew from ``start`` on, as a forger without the key would."""
    done = lines[:start]
    for seq in range(start, len(lines)):
        prev = str(msgspec.json.decode(done[-1])["hash"]) if done else "0" * 64
        done.append(rehash(lines[seq], seq=seq, prev=prev))
    return done


def edit_text(lines: Lines, at: int) -> Lines:
    return [*lines[:at], lines[at].replace(b'"agent"', b'"human"'), *lines[at + 1 :]]


def forged(lines: Lines, at: int) -> bytes:
    """An event that is sound in itself and follows event ``at - 1``."""
    prev = msgspec.json.decode(lines[at - 1])["hash"]
    return rehash(lines[at], data={"kind": "state/1", "turn": 1, "by": "forger", "changes": {}}, prev=prev)


def replaced(lines: Lines, at: int) -> Lines:
    return [*lines[:at], forged(lines, at), *lines[at + 1 :]]


DAMAGE: dict[str, tuple[Callable[[Lines], Lines], type[PackageError], str]] = {
    "edit": (lambda x: edit_text(x, 60), EventEdited, "event 60"),
    "edit the first": (lambda x: [x[0].replace(b"login", b"logon"), *x[1:]], EventEdited, "event 0"),
    "edit the last": (lambda x: edit_text(x, COUNT - 1), EventEdited, f"event {COUNT - 1}"),
    "edit two": (lambda x: edit_text(edit_text(x, 70), 30), EventEdited, "event 30"),
    "edit and hash anew": (lambda x: replaced(x, 60), EventEdited, "event 60"),
    "edit the last and hash anew": (lambda x: replaced(x, COUNT - 1), EventEdited, "events 100 to 119"),
    "edit the predecessor's name": (
        lambda x: [*x[:60], rehash(x[60], prev="1" * 64), *x[61:]],
        EventEdited,
        "event 60",
    ),
    "edit before an anchor, chain anew": (lambda x: rechain(replaced(x, 60), 60), EventEdited, "events 50 to 99"),
    "edit after the anchors, chain anew": (lambda x: rechain(replaced(x, 110), 110), EventEdited, "events 100 to 119"),
    "spoil a line": (lambda x: [*x[:5], b"not json", *x[6:]], EventEdited, "event 5"),
    "cut a line": (lambda x: [*x[:5], x[5][:-9], *x[6:]], EventEdited, "event 5"),
    "delete": (lambda x: [*x[:60], *x[61:]], EventMissing, "event 60"),
    "delete the first": (lambda x: x[1:], EventMissing, "event 0"),
    "delete several": (lambda x: [*x[:10], *x[13:50], *x[52:]], EventMissing, "event 10"),
    "delete and cut": (lambda x: [*x[:10], *x[11:80]], EventMissing, "event 10"),
    "swap neighbours": (lambda x: [*x[:60], x[61], x[60], *x[62:]], EventReordered, "event 60"),
    "swap far apart": (lambda x: [*x[:10], x[119], *x[11:119], x[10]], EventReordered, "event 10"),
    "reverse": (lambda x: x[::-1], EventReordered, "event 0"),
    "insert a forged event": (lambda x: [*x[:60], forged(x, 60), *x[60:]], EventInserted, "event 60"),
    "insert a forged event behind": (lambda x: [*x[:61], forged(x, 60), *x[61:]], EventInserted, "event 61"),
    "insert a copy": (lambda x: [*x[:60], x[20], *x[60:]], EventInserted, "event 60"),
    "insert junk": (lambda x: [*x[:60], b"{}", *x[60:]], EventInserted, "event 60"),
    "insert an empty line": (lambda x: [*x[:60], b"", *x[60:]], EventInserted, "event 60"),
    "insert from another episode": (
        lambda x: [*x[:60], rehash(x[60], episode="other"), *x[60:]],
        EventInserted,
        "event 60",
    ),
    "append an event": (
        lambda x: [*x, rehash(x[-1], seq=COUNT, prev=msgspec.json.decode(x[-1])["hash"])],
        EventInserted,
        f"event {COUNT}",
    ),
    "truncate before the first anchor": (lambda x: x[:30], TruncatedBeforeAnchor, "event 30"),
    "truncate before the last anchor": (lambda x: x[:99], TruncatedBeforeAnchor, "event 99"),
    "truncate after the last anchor": (lambda x: x[:100], TruncatedTail, "event 100"),
    "truncate the last": (lambda x: x[:-1], TruncatedTail, f"event {COUNT - 1}"),
    "truncate all": (lambda x: [], TruncatedBeforeAnchor, "event 0"),
}


@pytest.mark.parametrize("name", sorted(DAMAGE))
def test_damage_is_named_and_located(name: str) -> None:
    damage, kind, where = DAMAGE[name]
    lines, head = sealed()
    with pytest.raises(PackageError) as caught:
        check_chain(damage(list(lines)), head)
    assert type(caught.value) is kind, str(caught.value)
    assert caught.value.where == where, str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_intact_chain_is_returned() -> None:
    lines, head = sealed()
    events = check_chain(lines, head, KEY.public_hex.upper())
    assert [event.seq for event in events] == list(range(COUNT))
    assert read_journal_jsonl(b"".join(line + b"\n" for line in lines)) == events


def test_an_empty_journal_has_an_intact_chain(tmp_path: Path) -> None:
    with Journal.create(tmp_path, EPISODE, KEY) as journal:
        assert check_chain(journal.lines(), seal(journal)) == []
    assert read_journal_jsonl(b"") == []


OTHER = SigningKey(bytes(range(1, 33)))


def changed(head: Head, **fields: object) -> Head:
    return msgspec.structs.replace(head, **fields)


def test_another_key_than_the_expected_one() -> None:
    lines, head = sealed()
    with pytest.raises(KeyMismatch) as caught:
        check_chain(lines, head, OTHER.public_hex)
    assert KEY.public_hex in str(caught.value)


def test_a_package_signed_anew_by_another_key() -> None:
    lines, head = sealed()
    anchors = [sign_anchor(OTHER, EPISODE, anchor.seq, anchor.hash) for anchor in head.anchors]
    with pytest.raises(KeyMismatch, match="opened with"):
        check_chain(lines, sign_head(OTHER, EPISODE, COUNT, head.last, anchors))


@pytest.mark.parametrize(
    "fields",
    [
        {"signature": "00" * 64},
        {"signature": "nonsense"},
        {"count": COUNT - 1},
        {"last": "0" * 64},
        {"episode": "other"},
        {"anchors": []},
        {"public_key": OTHER.public_hex},
        {"public_key": "nonsense"},
    ],
)
def test_a_head_that_was_changed(fields: dict[str, object]) -> None:
    lines, head = sealed()
    with pytest.raises(SignatureInvalid):
        check_chain(lines, changed(head, **fields))


def test_an_anchor_by_another_key() -> None:
    lines, head = sealed()
    anchors = [head.anchors[0], sign_anchor(OTHER, EPISODE, 99, head.anchors[1].hash)]
    with pytest.raises(SignatureInvalid) as caught:
        check_chain(lines, sign_head(KEY, EPISODE, COUNT, head.last, anchors))
    assert caught.value.where == "head.json, anchor of event 99"


def test_anchors_out_of_place() -> None:
    lines, head = sealed()
    for anchors in (head.anchors[::-1], [sign_anchor(KEY, EPISODE, COUNT, head.last)]):
        with pytest.raises(SignatureInvalid, match="out of place"):
            check_chain(lines, sign_head(KEY, EPISODE, COUNT, head.last, anchors))


@pytest.mark.parametrize("line", [0, 1, COUNT - 1])
def test_every_byte_of_a_line_counts(line: int) -> None:
    lines, _ = sealed()
    raw = lines[line]
    for position in range(len(raw)):
        flipped = raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
        with pytest.raises(TerretError):
            read_journal_jsonl(b"".join(part + b"\n" for part in (*lines[: min(line, 1)], flipped)))


@given(st.integers(0, COUNT - 1), st.floats(0, 0.9999), st.integers(1, 255))
def test_any_single_byte_flip_is_detected(line: int, at: float, mask: int) -> None:
    lines, head = sealed()
    raw = lines[line]
    position = int(at * len(raw))
    flipped = raw[:position] + bytes([raw[position] ^ mask]) + raw[position + 1 :]
    with pytest.raises(EventEdited):
        check_chain([*lines[:line], flipped, *lines[line + 1 :]], head)


@given(st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=COUNT, unique=True))
def test_any_selection_but_the_whole_is_refused(order: list[int]) -> None:
    lines, head = sealed()
    if order == list(range(COUNT)):
        return
    with pytest.raises((EventMissing, EventReordered, TruncatedBeforeAnchor, TruncatedTail)):
        check_chain([lines[index] for index in order], head)


def test_an_exported_journal_is_read_strictly() -> None:
    lines, _ = sealed()
    raw = b"".join(line + b"\n" for line in lines)
    for damaged, kind in [
        (raw[:-1], TruncatedTail),
        (raw[:-20], TruncatedTail),
        (raw.replace(b"agent", b"human", 1), EventEdited),
        (raw.replace(b"\n", b"\r\n"), EventEdited),
        (b"\n" + raw, EventEdited),
        (b"".join(line + b"\n" for line in lines[1:]), EventMissing),
        (b"\xff\xfe\n", EventEdited),
    ]:
        with pytest.raises(kind):
            read_journal_jsonl(damaged)


def test_a_sound_event_of_an_unknown_kind_asks_for_a_newer_terret(tmp_path: Path) -> None:
    lines, head = sealed()
    strange = rehash(lines[COUNT - 1], data={"kind": "telepathy/1", "turn": 1})
    last = str(msgspec.json.decode(strange)["hash"])
    with pytest.raises(JournalCorrupt, match="newer terret") as caught:
        check_chain([*lines[:-1], strange], sign_head(KEY, EPISODE, COUNT, last, head.anchors))
    assert caught.value.where == f"event {COUNT - 1}"


def test_a_head_file_is_read_back() -> None:
    _, head = sealed()
    assert Head.from_json(head.to_json()) == head
    for content in (b"", b"{}", b"[1]", b"\xff", head.to_json().replace(b'"count"', b'"kount"')):
        with pytest.raises(PackageError, match="the head cannot be read"):
            Head.from_json(content)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(max_size=6), json_values, max_size=3), max_size=6), st.booleans())
def test_whatever_is_recorded_is_read_back_as_it_was(payloads: list[dict[str, object]], durable: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        with Journal.create(Path(name), EPISODE, KEY) as journal:
            for number, payload in enumerate(payloads):
                journal.append(StateUpdated(number, "agent", payload), durable=durable)
            events: list[Event] = journal.events()
            assert check_chain(journal.lines(), seal(journal)) == events
        with Journal.open(Path(name), KEY) as again:
            assert repr(again.events()) == repr(events)
