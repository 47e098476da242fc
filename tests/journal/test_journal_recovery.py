"""What a crash, a power loss or a rotten disk leaves, and what opening makes of it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from journal_samples import EPISODE, KEY, StepClock

from terret.errors import BlobMismatch, JournalCorrupt, TerretError
from terret.journal import BlobStore, Journal, Observed, StateUpdated, check_chain, seal, store_text

DRIVER = Path(__file__).with_name("journal_killed.py")


def fill(folder: Path, count: int) -> None:
    with Journal.create(folder, EPISODE, KEY, clock=StepClock()) as journal:
        for number in range(count):
            journal.append(StateUpdated(number, "agent", {"text": "x" * 200}))


def change(folder: Path, statement: str, *values: object) -> None:
    db = sqlite3.connect(folder / "journal.db")
    with db:
        db.execute(statement, values)
    db.close()


def row(seq: int) -> int:
    return (1 << 32) | seq


def line_of(folder: Path, seq: int) -> bytes:
    db = sqlite3.connect(folder / "journal.db")
    found = db.execute("SELECT line FROM event WHERE id = ?", (row(seq),)).fetchone()[0]
    db.close()
    return bytes(found)


@pytest.mark.parametrize("mode", ["normal", "full"])
def test_a_process_killed_at_any_point_loses_no_durable_event(tmp_path: Path, mode: str) -> None:
    command = [sys.executable, str(DRIVER), str(tmp_path), mode, "20"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(reports) == 20
    for report in reports:
        assert report["signal"] == 9
        assert report["kept"] >= report["acknowledged"], report
        assert report["texts"] == list(range(report["kept"])), report
        assert report["read"] == report["kept"], report
    assert len({report["kept"] for report in reports}) > 9


def test_an_unfinished_write_is_dropped_and_reported(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, EPISODE, KEY)
    for number in range(10):
        journal.append(StateUpdated(number, "agent", {}), durable=True)
    log = (tmp_path / "journal.db-wal").read_bytes()
    database = (tmp_path / "journal.db").read_bytes()
    journal.close()
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "journal.db").write_bytes(database)
    (copy / "journal.db-wal").write_bytes(log[:-100])
    with Journal.open(copy, KEY) as again:
        assert len(again) == 9
        assert again.recovery is not None
        assert again.recovery.dropped_bytes == 24 + 8192 - 100
        assert "unfinished write" in str(again.recovery)
        again.append(StateUpdated(9, "agent", {}), durable=True)
    with Journal.open(copy, KEY) as once_more:
        assert once_more.recovery is None
        assert len(once_more) == 10


def test_a_clean_journal_needs_no_recovery(tmp_path: Path) -> None:
    fill(tmp_path, 60)
    with Journal.open(tmp_path, KEY) as journal:
        assert journal.recovery is None
        assert len(journal) == 60


@pytest.mark.parametrize("torn", [b"", b"\0" * 300, b'{"blobs":[],"data":{"by":"ag'])
def test_an_unreadable_last_event_is_set_aside_and_kept(tmp_path: Path, torn: bytes) -> None:
    fill(tmp_path, 60)
    change(tmp_path, "UPDATE event SET line = ? WHERE id = ?", torn, row(59))
    with Journal.open(tmp_path, KEY) as journal:
        assert len(journal) == 59
        assert journal.recovery is not None
        assert (journal.recovery.dropped_events, journal.recovery.first) == (1, 59)
        assert "event 59 is unreadable" in journal.recovery.reason
        journal.append(StateUpdated(59, "agent", {"again": True}))
        assert len(check_chain(journal.lines(), seal(journal))) == 60
    db = sqlite3.connect(tmp_path / "journal.db")
    assert db.execute("SELECT id, line FROM set_aside").fetchall() == [(row(59), torn)]
    db.close()
    with Journal.open(tmp_path, KEY) as journal:
        assert journal.recovery is None


def damage_middle(folder: Path) -> str:
    change(folder, "UPDATE event SET line = ? WHERE id = ?", line_of(folder, 55).replace(b"agent", b"human"), row(55))
    return "event 55"


def damage_anchored(folder: Path) -> str:
    for seq in range(45, 60):
        change(folder, "UPDATE event SET line = ? WHERE id = ?", b"?", row(seq))
    return "event 45"


def damage_first(folder: Path) -> str:
    for seq in range(60):
        change(folder, "UPDATE event SET line = ? WHERE id = ?", b"?", row(seq))
    return "event 0"


def delete_middle(folder: Path) -> str:
    change(folder, "DELETE FROM event WHERE id = ?", row(55))
    return "event 56"


def delete_anchored(folder: Path) -> str:
    change(folder, "DELETE FROM event WHERE id >= ?", row(40))
    return "event 40"


def misfile(folder: Path) -> str:
    change(folder, "UPDATE event SET line = ? WHERE id = ?", line_of(folder, 54), row(55))
    return "event 55"


def forge_anchor(folder: Path) -> str:
    change(folder, "UPDATE anchor SET signature = ?", "00" * 64)
    return "anchor of event 49"


@pytest.mark.parametrize(
    "damage",
    [damage_middle, damage_anchored, damage_first, delete_middle, delete_anchored, misfile, forge_anchor],
)
def test_damage_that_is_no_torn_tail_is_refused_and_nothing_is_changed(tmp_path: Path, damage: object) -> None:
    fill(tmp_path, 60)
    where = damage(tmp_path)  # type: ignore[operator]
    before = (tmp_path / "journal.db").read_bytes()
    with pytest.raises(JournalCorrupt) as caught:
        Journal.open(tmp_path, KEY)
    assert caught.value.where == where
    assert (tmp_path / "journal.db").read_bytes() == before


def garbage(content: bytes) -> bytes:
    return b"\xa5" * len(content)


def garbage_after_header(content: bytes) -> bytes:
    return content[:100] + b"\xa5" * (len(content) - 100)


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def garbage_page(content: bytes) -> bytes:
    middle = len(content) // 2 // 4096 * 4096
    return content[:middle] + b"\xa5" * 4096 + content[middle + 4096 :]


@pytest.mark.parametrize("damage", [garbage, garbage_after_header, truncated, garbage_page])
def test_a_damaged_file_is_named(tmp_path: Path, damage: object) -> None:
    fill(tmp_path, 400)
    path = tmp_path / "journal.db"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    before = path.read_bytes()
    for attempt in (lambda: Journal.open(tmp_path, KEY), lambda: Journal.read(tmp_path)):
        with pytest.raises(TerretError) as caught:
            attempt()
        assert caught.value.code in {"E_JOURNAL_CORRUPT", "E_PKG_EDITED"}
        assert caught.value.where
    assert path.read_bytes() == before


def test_any_damaged_byte_range_is_mended_or_refused_never_a_traceback(tmp_path: Path) -> None:
    fill(tmp_path, 80)
    path = tmp_path / "journal.db"
    sound = path.read_bytes()
    with Journal.open(tmp_path, KEY) as journal:
        events = journal.events()
    for position in range(0, len(sound), 997):
        path.write_bytes(sound[:position] + b"\x5a" * 64 + sound[position + 64 :])
        with contextlib.suppress(TerretError), Journal.open(tmp_path, KEY) as journal:
            assert journal.events() == events[: len(journal)]
            assert len(journal) >= 50
            assert (len(journal) == 80) == (journal.recovery is None)


def test_an_event_whose_blob_was_lost_is_set_aside(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path / "blobs")
    with Journal.create(tmp_path, EPISODE, KEY) as journal:
        journal.append(StateUpdated(1, "agent", {}))
        journal.append(Observed(1, "run", True, store_text("long " * 1000, blobs)))
        journal.append(StateUpdated(2, "agent", {}))
    (tmp_path / "blobs" / blobs.digests()[0]).write_bytes(b"")
    with Journal.open(tmp_path, KEY) as journal:
        assert len(journal) == 1
        assert journal.recovery is not None
        assert journal.recovery.dropped_events == 2
        assert "blob of event 1" in str(journal.recovery)


def test_a_lost_blob_of_the_first_event_is_refused(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path / "blobs")
    with Journal.create(tmp_path, EPISODE, KEY) as journal:
        journal.append(Observed(1, "run", True, store_text("long " * 1000, blobs)))
    (tmp_path / "blobs" / blobs.digests()[0]).unlink()
    with pytest.raises(BlobMismatch, match="missing"):
        Journal.open(tmp_path, KEY)


def test_remains_of_unfinished_blobs_are_swept(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    (tmp_path / "blobs").mkdir()
    partial = tmp_path / "blobs" / f".{'a' * 64}.123.4"
    foreign = tmp_path / "blobs" / "notes.txt"
    partial.write_bytes(b"half")
    foreign.write_bytes(b"mine")
    Journal.open(tmp_path, KEY).close()
    assert not partial.exists()
    assert foreign.exists()
