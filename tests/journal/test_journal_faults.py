"""Fencing tokens, full and read-only disks, a locked file, clocks that jump, torn blobs: nothing durable is lost."""

from __future__ import annotations

import resource
import sqlite3
from pathlib import Path

import pytest
from journal_samples import KEY

from terret.errors import JournalBusy, JournalWriteFailed
from terret.journal import BOUNDARIES, Intent, Journal, Outcome, SteadyClock, Store, check_chain, seal, write_package
from terret.journal import StateUpdated as Note


def note(number: int) -> Note:
    return Note(number, "agent", {"number": number})


def numbers(folder: Path) -> list[int]:
    return [event.data.changes["number"] for event in Journal.read(folder)]  # type: ignore[union-attr]


# fencing


@pytest.mark.parametrize("many", [1, 3])
def test_an_owner_that_was_overtaken_can_append_nothing(tmp_path: Path, many: int) -> None:
    zombie = Journal.create(tmp_path, "e", KEY)
    zombie.append(note(0), durable=True)
    for number in range(1, many):
        zombie.append(note(number))
    with Journal.open(tmp_path, KEY, take_over=True) as owner:
        assert owner.epoch == zombie.epoch + 1
        owner.append(note(100), durable=True)
        with pytest.raises(JournalBusy, match="has taken the episode over"):
            zombie.append(note(many), durable=True)
        with pytest.raises(JournalBusy):
            zombie.hold()
        with pytest.raises(JournalBusy):
            write_package(tmp_path / "package", zombie)
        owner.append(note(101), durable=True)
        assert numbers(tmp_path) == [0, 100, 101]
        assert len(check_chain(owner.lines(), seal(owner))) == 3
    zombie.abandon()
    assert not (tmp_path / "package" / "head.json").exists()


def test_the_lock_is_the_new_owners_and_an_open_owner_is_not_disturbed_unasked(tmp_path: Path) -> None:
    zombie = Journal.create(tmp_path, "e", KEY)
    zombie.append(note(0), durable=True)
    with pytest.raises(JournalBusy, match="--take-over"):
        Journal.open(tmp_path, KEY)
    zombie.append(note(1), durable=True)
    owner = Journal.open(tmp_path, KEY, take_over=True)
    zombie.abandon()
    with pytest.raises(JournalBusy):
        Journal.open(tmp_path, KEY)
    owner.close()
    with Journal.open(tmp_path, KEY) as last:
        assert (last.epoch, numbers(tmp_path)) == (3, [0, 1])


def test_a_file_without_leases_gets_them_when_it_is_opened_to_write(tmp_path: Path) -> None:
    Journal.create(tmp_path, "e", KEY).close()
    with sqlite3.connect(tmp_path / "journal.db") as db:
        db.execute("DROP TABLE lease")
        db.execute("PRAGMA user_version = 1")
    db.close()
    assert Journal.read(tmp_path) == []
    with Journal.open(tmp_path, KEY) as journal:
        journal.append(note(0), durable=True)
        assert journal.epoch == 1
    with Store(tmp_path / "journal.db", read_only=True) as store:
        lease = store.lease("e")
    assert lease is not None
    assert lease.epoch == 1


# disks


def test_a_full_disk_loses_nothing_and_says_what_to_do(tmp_path: Path) -> None:
    with Journal.create(tmp_path, "e", KEY) as journal:
        journal.append(note(0), durable=True)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "journal.db-wal").stat().st_size, before[1]))
        try:
            with pytest.raises(JournalWriteFailed, match="free disk space"):
                journal.append(note(1), durable=True)
            with pytest.raises(JournalWriteFailed, match="blob"):
                journal.blobs.put(b"x" * 1_000_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert numbers(tmp_path) == [0]
        journal.commit()
        assert numbers(tmp_path) == [0, 1]
        assert list(journal.blobs.root.iterdir()) == []


def test_a_disk_that_fails_in_the_middle_of_a_commit_loses_nothing(tmp_path: Path) -> None:
    broken = True

    def faults(name: str) -> None:
        if broken and name == "commit.before":
            raise sqlite3.OperationalError("disk I/O error")

    broken = False
    with Journal.create(tmp_path, "e", KEY, faults=faults) as journal:
        journal.append(note(0))
        broken = True
        with pytest.raises(JournalWriteFailed, match="disk I/O error"):
            journal.append(note(1), durable=True)
        broken = False
        journal.append(note(2), durable=True)
    assert numbers(tmp_path) == [0, 1, 2]


def test_a_file_that_somebody_else_holds_locked_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **named: connect(*args, **{**named, "timeout": 0.01}))
    with Journal.create(tmp_path, "e", KEY) as journal:
        other = connect(tmp_path / "journal.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalWriteFailed, match="end the process that holds it locked"):
            journal.append(note(0), durable=True)
        other.execute("ROLLBACK")
        other.close()
        journal.commit()
    assert numbers(tmp_path) == [0]


def test_a_blob_that_fails_before_it_has_its_name_leaves_nothing(tmp_path: Path) -> None:
    def faults(name: str) -> None:
        if name == "blob.before":
            raise OSError(30, "Read-only file system")

    with Journal.create(tmp_path, "e", KEY, faults=faults) as journal:
        with pytest.raises(JournalWriteFailed, match="Read-only file system"):
            journal.blob_text("text")
        assert list(journal.blobs.root.iterdir()) == []


# clocks


def test_setting_the_clock_moves_no_journal_while_a_process_runs(tmp_path: Path) -> None:
    now = {"wall": 1000.0, "steady": 5.0}
    clock = SteadyClock(lambda: now["wall"], lambda: now["steady"])
    with Journal.create(tmp_path, "e", KEY, clock=clock) as journal:
        stamps = [journal.append(note(0)).ts]
        for wall, steady in ((90_000.0, 6.0), (3.0, 7.5)):
            now.update(wall=wall, steady=steady)
            stamps.append(journal.append(note(1)).ts)
    assert stamps == [1000.0, 1001.0, 1002.5]


def test_time_goes_on_after_a_clock_was_set_back_between_two_processes(tmp_path: Path) -> None:
    with Journal.create(tmp_path, "e", KEY, clock=lambda: 5000.0) as journal:
        journal.append(note(0))
    times = iter([100.0, 102.0, 105.0])
    with Journal.open(tmp_path, KEY, clock=lambda: next(times)) as journal:
        assert [journal.append(note(number)).ts for number in (1, 2, 3)] == [5000.0, 5002.0, 5005.0]


# boundaries


def test_every_boundary_is_reached_by_its_name_and_in_order(tmp_path: Path) -> None:
    seen: list[str] = []
    with Journal.create(tmp_path, "e", KEY, faults=seen.append) as journal:
        journal.append(Intent("e0", "fs.read", "read", {}, {}, 0), durable=True)
        journal.append(Outcome("e0", "ok", {"text": 1}, 0.0))
        journal.blob_text("text")
    assert seen == [
        *("intent.before", "commit.before", "commit.after", "intent.after"),
        *("outcome.before", "outcome.after", "blob.before", "blob.after", "commit.before", "commit.after"),
    ]
    assert set(seen) <= set(BOUNDARIES)
