"""The persisted format does not change: what was written once is read for ever."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from journal_samples import GOLDEN, KEY, write_golden

from terret.errors import EventEdited, JournalCorrupt
from terret.journal import (
    GENESIS,
    KINDS,
    MIGRATIONS,
    Intent,
    canonical,
    check_package,
    decode_data,
    decode_event,
    encode_data,
    encode_event,
    migrate,
    project,
)

LINES = (GOLDEN / "journal.jsonl").read_bytes().splitlines()


def kind(line: bytes) -> str:
    return str(msgspec.json.decode(line)["data"]["kind"])


def test_every_kind_has_a_golden_event() -> None:
    missing = set(KINDS) - {kind(line) for line in LINES}
    assert not missing, "add these to journal_samples.py and run it"


def test_every_kind_ever_written_can_still_be_read() -> None:
    assert {kind(line) for line in LINES} <= set(KINDS) | set(MIGRATIONS)


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{msgspec.json.decode(line)['seq']}-{kind(line)}")
def test_golden_events_are_decoded_and_encoded_to_the_same_bytes(line: bytes) -> None:
    event = decode_event(line)
    assert encode_event(event) == line
    assert encode_data(event.data) == canonical(msgspec.json.decode(line)["data"])
    rest = line.replace(b'"hash":"%b",' % event.hash.encode(), b"")
    assert sha256(event.prev.encode() + rest).hexdigest() == event.hash


def test_the_golden_package_is_proved() -> None:
    checked = check_package(GOLDEN, KEY.public_hex)
    assert checked.events[0].prev == GENESIS


def test_golden_projections_are_the_same_bytes() -> None:
    checked = check_package(GOLDEN)
    for path, content in project(checked.events, checked.blobs).items():
        assert content == (GOLDEN / path).read_bytes(), path


def test_recording_the_golden_episode_again_gives_the_same_package(tmp_path: Path) -> None:
    write_golden(tmp_path / "again")
    files = {path.relative_to(GOLDEN) for path in GOLDEN.rglob("*") if path.is_file()}
    assert files == {path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file()}
    for path in files:
        assert (tmp_path / "again" / path).read_bytes() == (GOLDEN / path).read_bytes(), path


def rename_tool(payload: dict[str, Any]) -> dict[str, Any]:
    changed = {name: value for name, value in payload.items() if name != "tool"}
    return changed | {"kind": "intent/0.2", "primitive": payload["tool"]}


def add_turn(payload: dict[str, Any]) -> dict[str, Any]:
    return payload | {"kind": "intent/1", "turn": 0}


CHAIN = {"intent/0.1": rename_tool, "intent/0.2": add_turn}
OLD = {
    "kind": "intent/0.1",
    "effect": "e0",
    "tool": "fs.read",
    "effect_class": "read",
    "args": {"path": "a"},
    "decision": {},
}


def old_line(payload: dict[str, Any]) -> bytes:
    """A stored line of another time, written without the current structs."""
    fields = {
        "blobs": [],
        "data": payload,
        "episode": "ep",
        "hash": "?",
        "pid": 0,
        "prev": GENESIS,
        "seq": 0,
        "ts": 1.5,
    }
    before, after = canonical(fields).split(b'"hash":"?",')
    digest = sha256(GENESIS.encode() + before + after).hexdigest()
    return before + b'"hash":"%b",' % digest.encode() + after


def test_an_old_event_walks_the_migration_chain_and_keeps_its_hash() -> None:
    line = old_line(OLD)
    event = decode_event(line, CHAIN)
    assert event.data == Intent("e0", "fs.read", "read", {"path": "a"}, {}, 0)
    assert event.hash.encode() in line
    with pytest.raises(EventEdited):
        decode_event(line.replace(b"fs.read", b"fs.list"), CHAIN)


def test_migration_starts_anywhere_in_the_chain_and_leaves_current_kinds_alone() -> None:
    middle = rename_tool(OLD)
    assert migrate(middle, CHAIN) == migrate(OLD, CHAIN) == add_turn(middle)
    current = add_turn(middle)
    assert migrate(current, CHAIN) is current


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"kind": "intent/0.0"}, "unknown event kind"),
        ({"kind": 7}, "unknown event kind"),
        ({}, "unknown event kind"),
        (OLD | {"effect": 7}, "cannot be migrated"),
        ({"kind": "intent/1", "effect": "e0"}, "has not the shape"),
    ],
)
def test_what_no_migration_leads_from_is_refused(payload: dict[str, Any], message: str) -> None:
    with pytest.raises(JournalCorrupt, match=message):
        decode_data(canonical(payload), CHAIN)


def test_bytes_with_their_hash_must_still_be_canonical() -> None:
    raw = old_line({"kind": "state/1", "turn": 1, "by": "agent", "changes": {}})
    shuffled = raw.replace(b'{"by":"agent","changes":{}', b'{"changes":{},"by":"agent"')
    before, rest = shuffled.split(b'"hash":"')
    digest = sha256(GENESIS.encode() + before + rest[66:]).hexdigest()
    with pytest.raises(JournalCorrupt, match="canonical"):
        decode_event(before + b'"hash":"%b",' % digest.encode() + rest[66:])
