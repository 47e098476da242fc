"""Appending, committing, owning, and what a full or read-only disk does."""

from __future__ import annotations

import fcntl
import os
import resource
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from journal_samples import EPISODE, KEY, StepClock, record, whole

from terret.errors import ConfigError, EpisodeNotFound, JournalBusy, JournalCorrupt, JournalError, JournalWriteFailed
from terret.journal import (
    BlobStore,
    Event,
    Journal,
    Outcome,
    SigningKey,
    StateUpdated,
    Store,
    check_chain,
    decode_event,
    encode_event,
    seal,
)


def note(number: int) -> StateUpdated:
    return StateUpdated(number, "agent", {"number": number})


def filled(folder: Path, count: int) -> None:
    with Journal.create(folder, EPISODE, KEY, clock=StepClock()) as journal:
        for number in range(count):
            journal.append(note(number))


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    with record(tmp_path, whole(BlobStore(tmp_path / "blobs"))) as journal:
        events = journal.events()
    with Journal.open(tmp_path, KEY) as again:
        assert again.events() == events
        assert again.episode == EPISODE
        assert again.recovery is None
        assert len(again) == len(events)
        assert again.head == (len(events), events[-1].hash)


def test_an_event_in_memory_has_the_types_it_is_read_back_with(tmp_path: Path) -> None:
    with Journal.create(tmp_path, EPISODE, KEY) as journal:
        event = journal.append(Outcome("e", "ok", {"pair": (1, 2)}, 3, {"input": 12}))
        assert isinstance(event.data, Outcome)
        assert repr(event.data.usage) == "{'input': 12.0}"
        assert event.data.result == {"pair": [1, 2]}
        assert encode_event(event) == journal.lines()[0]
        assert decode_event(journal.lines()[0]) == event


def test_events_wait_for_a_durable_one_or_the_fiftieth(tmp_path: Path) -> None:
    with Journal.create(tmp_path, EPISODE, KEY) as journal:
        for number in range(10):
            journal.append(note(number))
        assert journal.pending == 10
        assert Journal.read(tmp_path) == []
        journal.append(note(10), durable=True)
        assert journal.pending == 0
        assert Journal.read(tmp_path) == journal.events()
        for number in range(50):
            journal.append(note(number))
        assert journal.pending == 0


def test_anchors_are_made_every_fifty_durable_events(tmp_path: Path) -> None:
    with Journal.create(tmp_path, EPISODE, KEY) as journal:
        for number in range(120):
            journal.append(note(number), durable=number % 7 == 0)
        journal.commit()
        assert [anchor.seq for anchor in journal.anchors()] == [49, 99]
        head = seal(journal)
        assert len(check_chain(journal.lines(), head, KEY.public_hex)) == 120
    with Journal.open(tmp_path, KEY) as again:
        assert again.anchors() == head.anchors
        for number in range(40):
            again.append(note(number))
        assert [anchor.seq for anchor in seal(again).anchors] == [49, 99, 149]


def test_time_never_runs_backwards_in_a_journal(tmp_path: Path) -> None:
    times = iter([10.0, 9.0, 11.0])
    with Journal.create(tmp_path, EPISODE, KEY, clock=lambda: next(times)) as journal:
        stamps = [journal.append(note(number)).ts for number in range(3)]
    assert stamps == [10.0, 10.0, 12.0]


def test_only_one_owner_at_a_time(tmp_path: Path) -> None:
    with Journal.create(tmp_path, EPISODE, KEY) as journal:
        journal.append(note(0), durable=True)
        with pytest.raises(JournalBusy, match="E_JOURNAL_BUSY"):
            Journal.open(tmp_path, KEY)
        with pytest.raises(JournalBusy):
            Journal.create(tmp_path, EPISODE, KEY)
        assert len(Journal.read(tmp_path)) == 1
    Journal.open(tmp_path, KEY).close()


def test_a_reader_follows_a_running_episode(tmp_path: Path) -> None:
    seen: list[Event] = []
    with Journal.create(tmp_path, EPISODE, KEY) as journal:
        for number in range(30):
            journal.append(note(number), durable=True)
            if number % 3 == 0:
                seen += Journal.read(tmp_path, after=seen[-1].seq if seen else -1)
        seen += Journal.read(tmp_path, after=seen[-1].seq)
        assert seen == journal.events()


def test_threads_may_append_to_one_journal(tmp_path: Path) -> None:
    def work() -> None:
        for number in range(100):
            journal.append(note(number), durable=number % 10 == 0)

    with Journal.create(tmp_path, EPISODE, KEY) as journal:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(check_chain(journal.lines(), seal(journal))) == 400


def test_many_episodes_share_a_store(tmp_path: Path) -> None:
    with Store(tmp_path / "journal.db") as store:
        for name in ("b", "a"):
            store.add_episode(name, KEY.public_hex)
        store.write("b", [(0, b"one"), (1, b"two")])
        store.write("a", [(0, b"three")])
        with pytest.raises(JournalError, match="of that name"):
            store.add_episode("a", KEY.public_hex)
        with pytest.raises(JournalError, match="no such episode"):
            store.write("c", [(0, b"x")])
    with Store(tmp_path / "journal.db", read_only=True) as store:
        assert store.episodes() == ["b", "a"]
        assert store.lines("b") == [b"one", b"two"]
        assert store.lines("b", after=0) == [b"two"]
        assert store.lines("a") == [b"three"]
        assert store.lines("nobody") == []
        with pytest.raises(JournalWriteFailed):
            store.write("a", [(1, b"x")])


@pytest.mark.parametrize(("mode", "sync"), [("normal", 1), ("full", 2)])
def test_durability_sets_how_sqlite_syncs(
    tmp_path: Path, mode: Any, sync: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def spy(*args: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*args, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", spy)
    with Store(tmp_path / "journal.db", mode):
        assert opened[0].execute("PRAGMA synchronous").fetchone()[0] == sync
        assert opened[0].execute("PRAGMA journal_mode").fetchone()[0] == "wal"


@pytest.mark.parametrize(
    "data",
    [
        StateUpdated(1, "agent", {"x": object()}),
        StateUpdated("one", "agent", {}),  # type: ignore[arg-type]
        Outcome("e", "ok", {}, float("nan")),
        StateUpdated(1, "agent", {"x": {1: b"\xff"}, "y": {2j}}),
    ],
)
def test_what_cannot_be_recorded_is_refused_and_leaves_no_trace(tmp_path: Path, data: Any) -> None:
    with Journal.create(tmp_path, EPISODE, KEY) as journal:
        with pytest.raises(JournalError, match="cannot be recorded"):
            journal.append(data)
        journal.append(note(0))
        assert len(check_chain(journal.lines(), seal(journal))) == 1


def test_deeply_nested_values_are_refused(tmp_path: Path) -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    with Journal.create(tmp_path, EPISODE, KEY) as journal, pytest.raises(JournalError, match="cannot be recorded"):
        journal.append(StateUpdated(1, "agent", {"deep": deep}))


def test_a_full_disk_loses_nothing_and_a_later_commit_succeeds(tmp_path: Path) -> None:
    with Journal.create(tmp_path, EPISODE, KEY) as journal:
        journal.append(note(0), durable=True)
        size = (tmp_path / "journal.db-wal").stat().st_size
        with file_size_limit(size):
            with pytest.raises(JournalWriteFailed, match="E_JOURNAL_WRITE"):
                journal.append(note(1), durable=True)
            for number in range(2, 49):
                journal.append(note(number))
            with pytest.raises(JournalWriteFailed):
                journal.commit()
            with pytest.raises(JournalWriteFailed):
                journal.text("x" * 100_000)
        assert len(journal) == 49
        assert journal.pending == 48
        assert len(Journal.read(tmp_path)) == 1
        journal.commit()
        assert journal.pending == 0
        events = journal.events()
    with Journal.open(tmp_path, KEY) as again:
        assert again.events() == events


def test_closing_on_a_full_disk_says_so_and_frees_the_episode(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, EPISODE, KEY)
    journal.append(note(0), durable=True)
    journal.append(note(1))
    with file_size_limit(1000), pytest.raises(JournalWriteFailed):
        journal.close()
    assert journal.pending == 1
    journal.abandon()
    with Journal.open(tmp_path, KEY) as again:
        assert len(again) == 1


def fail_with(journal: Journal, error: Exception) -> None:
    with journal:
        journal.append(note(0))
        raise error


def test_an_error_in_the_block_is_not_hidden_by_a_failing_last_commit(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, EPISODE, KEY)
    with file_size_limit(0), pytest.raises(ValueError, match="mine"):
        fail_with(journal, ValueError("mine"))
    Journal.open(tmp_path, KEY).close()


def test_a_journal_cannot_be_made_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalWriteFailed):
        Journal.create(tmp_path / "file" / "below", EPISODE, KEY)
    with file_size_limit(0), pytest.raises(JournalWriteFailed):
        Journal.create(tmp_path / "full", EPISODE, KEY)


def test_a_closed_journal_refuses_events(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, EPISODE, KEY)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.append(note(0))


def test_create_does_not_overwrite(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    with pytest.raises(JournalError, match="holds a journal already"):
        Journal.create(tmp_path, EPISODE, KEY)
    assert len(Journal.read(tmp_path)) == 3


def test_opening_nothing_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(EpisodeNotFound) as caught:
        Journal.open(tmp_path / "nowhere", KEY)
    assert "nowhere" in str(caught.value)
    with pytest.raises(EpisodeNotFound):
        Journal.read(tmp_path)
    (tmp_path / "journal.db").touch()
    with pytest.raises(EpisodeNotFound, match="never began"):
        Journal.open(tmp_path, KEY)


def test_another_key_may_not_go_on_with_an_episode(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    with pytest.raises(ConfigError, match="another signing key"):
        Journal.open(tmp_path, SigningKey.generate())


def test_files_of_others_are_not_taken_for_journals(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "journal.db") as db:
        db.execute("CREATE TABLE event (id INTEGER)")
    db.close()
    with pytest.raises(JournalCorrupt, match="not a terret journal"):
        Journal.open(tmp_path, KEY)


def test_a_journal_of_a_newer_terret_is_left_alone(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    with sqlite3.connect(tmp_path / "journal.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(JournalError, match="another terret"):
        Journal.open(tmp_path, KEY)


def test_a_lock_that_outlives_its_killed_owner_is_waited_for(tmp_path: Path) -> None:
    """A child that inherited the lock holds it a little longer than the process that was killed."""
    Journal.create(tmp_path, "e", KEY).close()
    gone = subprocess.Popen(["true"])
    gone.wait()
    handle = os.open(tmp_path / "lock", os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{gone.pid}\n".encode(), 0)
    timer = threading.Timer(0.1, os.close, [handle])
    timer.start()
    with Journal.open(tmp_path, KEY) as journal:
        assert journal.episode == "e"
    timer.join()
