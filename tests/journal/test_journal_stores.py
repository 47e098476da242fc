"""What every store promises, asked of the embedded one and of PostgreSQL alike."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from journal_samples import EPISODE, KEY, StepClock, everything

from postgres import PostgresServer
from terret.errors import ConfigError, EventEdited, JournalBusy, JournalCorrupt, JournalError, JournalWriteFailed
from terret.journal import (
    EpisodeResumed,
    Event,
    EventStore,
    Journal,
    SigningKey,
    StateUpdated,
    Store,
    check_chain,
    check_package,
    open_store,
    read_live,
    seal,
    write_package,
)

DRIVER = Path(__file__).parent / "journal_killed.py"


class House(NamedTuple):
    """A folder and the store of its episode."""

    folder: Path
    url: str | None
    execute: Callable[[str], list[tuple[object, ...]]]

    def create(self, **named: object) -> Journal:
        return Journal.create(self.folder, EPISODE, KEY, store=self.url, **named)  # type: ignore[arg-type]

    def open(self, **named: object) -> Journal:
        return Journal.open(self.folder, KEY, store=self.url, **named)  # type: ignore[arg-type]

    def read(self) -> list[Event]:
        return Journal.read(self.folder, store=self.url)

    def raw(self) -> EventStore:
        return Store(self.folder / "journal.db") if self.url is None else open_store(self.url)

    def change(self, verb: str, seq: int) -> None:
        """Meddle with an event behind the journal's back."""
        if self.url is None:
            words = {"table": "event", "key": f"id = {1 << 32 | seq}", "empty": "X'7b7d'"}
        else:
            words = {"table": "terret.event", "key": f"seq = {seq}", "empty": "'{}'"}
        self.execute(verb.format(**words))


DELETE = "DELETE FROM {table} WHERE {key}"
DAMAGE = "UPDATE {table} SET line = {empty} WHERE {key}"


@pytest.fixture(params=["sqlite", "postgres"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    folder = tmp_path / "episode"
    if request.param == "sqlite":

        def execute(statement: str) -> list[tuple[object, ...]]:
            db = sqlite3.connect(folder / "journal.db", isolation_level=None)
            try:
                return db.execute(statement).fetchall()
            finally:
                db.close()

        return House(folder, None, execute)
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.database()
    return House(folder, url, lambda statement: server.execute(statement, url.rpartition("/")[2]))


def note(number: int) -> StateUpdated:
    return StateUpdated(number, "agent", {"number": number})


def filled(house: House, count: int) -> list[Event]:
    with house.create(clock=StepClock()) as journal:
        for number in range(count):
            journal.append(note(number))
        return journal.events()


# appending


def test_what_is_appended_is_read_back(house: House) -> None:
    events = filled(house, 130)
    assert house.read() == events
    assert Journal.read(house.folder, 100, store=house.url) == events[101:]
    with house.open() as again:
        assert again.events() == events
        assert again.recovery is None
        assert [anchor.seq for anchor in again.anchors()] == [49, 99]
        again.append(note(130), durable=True)
        assert len(check_chain(again.lines(), seal(again), KEY.public_hex)) == 131


def test_events_wait_for_a_durable_one_or_the_fiftieth(house: House) -> None:
    seen: list[str] = []
    with house.create(faults=seen.append) as journal:
        for number in range(10):
            journal.append(note(number))
        assert (journal.pending, house.read()) == (10, [])
        journal.append(note(10), durable=True)
        assert (journal.pending, house.read()) == (0, journal.events())
        for number in range(50):
            journal.append(note(number))
        assert journal.pending == 0
    assert seen == ["commit.before", "commit.after"] * 2


def test_a_commit_of_many_lines_is_one(house: House) -> None:
    with house.create() as journal, house.raw() as store:
        rows = [(seq, b"{}" * 400) for seq in range(2000)]
        store.write(EPISODE, rows, (), journal.epoch)
        assert store.rows(EPISODE) == rows


def test_the_same_events_make_the_same_package_in_every_store(house: House, tmp_path: Path) -> None:
    clock = StepClock()
    with house.create(clock=clock) as journal:
        for data in everything(journal.blobs):
            if isinstance(data, EpisodeResumed):
                clock.now += data.gap_s
            journal.append(data)
        write_package(tmp_path / "package", journal)
        events, blobs = read_live(house.folder)
        assert events == journal.events()
        assert {digest for event in events for digest in event.blobs} <= set(blobs.digests())
    golden = Path(__file__).parent.parent / "golden" / "journal"
    for path in golden.rglob("*"):
        if path.is_file():
            assert (tmp_path / "package" / path.relative_to(golden)).read_bytes() == path.read_bytes(), path
    check_package(tmp_path / "package", KEY.public_hex)


# owners


def test_one_owner_at_a_time_and_each_has_the_next_epoch(house: House) -> None:
    with house.create() as journal:
        journal.append(note(0), durable=True)
        with pytest.raises(JournalBusy, match="another process owns the episode"):
            house.open()
        journal.append(note(1), durable=True)
    with house.open() as journal:
        assert (journal.epoch, len(journal)) == (2, 2)


@pytest.mark.parametrize("many", [1, 60])
def test_an_owner_that_was_overtaken_can_append_nothing(house: House, tmp_path: Path, many: int) -> None:
    zombie = house.create()
    zombie.append(note(0), durable=True)
    for number in range(1, many):
        zombie.append(note(number), durable=number == many - 2)
    before = zombie.events()
    with house.open(take_over=True) as owner:
        assert owner.epoch == zombie.epoch + 1
        length = len(owner)
        owner.append(note(100), durable=True)
        with pytest.raises(JournalBusy, match="has taken the episode over"):
            zombie.append(note(many), durable=True)
        with pytest.raises(JournalBusy):
            zombie.hold()
        with pytest.raises(JournalBusy):
            write_package(tmp_path / "package", zombie)
        with pytest.raises(JournalBusy):
            house.open()
        owner.append(note(101), durable=True)
        assert house.read() == owner.events()
        assert house.read()[:length] == before[:length]
        assert len(check_chain(owner.lines(), seal(owner))) == length + 2
    zombie.abandon()
    assert not (tmp_path / "package" / "head.json").exists()


def test_a_claim_and_a_commit_at_the_same_time_never_both_win(house: House) -> None:
    house.create().close()
    with house.raw() as store, house.raw() as other:
        for round_ in range(25):
            epoch = store.claim(EPISODE, f"writer {round_}")
            first = len(store.rows(EPISODE))
            began = threading.Event()
            written: list[int] = []

            def write(epoch: int = epoch, first: int = first, began: threading.Event = began) -> None:
                for seq in range(first, first + 100_000):
                    try:
                        store.write(EPISODE, [(seq, b"line")], (), epoch)
                    except JournalBusy:
                        return
                    written.append(seq)  # noqa: B023
                    began.set()

            writer = threading.Thread(target=write)
            writer.start()
            began.wait(20)
            other.claim(EPISODE, "thief")
            seen = len(other.rows(EPISODE))
            writer.join(20)
            assert written == list(range(first, seen))
            assert len(other.rows(EPISODE)) == seen


def test_another_key_is_refused(house: House) -> None:
    filled(house, 1)
    with pytest.raises(ConfigError, match="another signing key"):
        Journal.open(house.folder, SigningKey.generate(), store=house.url)


# errors


def test_an_unknown_episode_is_named(house: House) -> None:
    filled(house, 1)
    with house.raw() as store:
        assert (store.lines("other"), store.rows("other"), store.anchors("other")) == ([], [], [])
        for attempt in (
            lambda: store.claim("other", "me"),
            lambda: store.lease("other"),
            lambda: store.hold("other", 1),
            lambda: store.write("other", [(0, b"{}")]),
            lambda: store.set_aside("other", 0, "", 0.0),
            lambda: store.public_key("other"),
        ):
            with pytest.raises(JournalError, match=r"no such episode \(got 'other'\)"):
                attempt()
        with pytest.raises(JournalError, match="an episode of that name"):
            store.add_episode(EPISODE, KEY.public_hex)
        assert store.episodes() == [EPISODE]
        assert store.public_key(EPISODE) == KEY.public_hex
        store.add_episode("second", "00")
        assert store.lease("second") is None
        assert store.episodes() == [EPISODE, "second"]


def test_another_line_under_a_number_that_is_taken_is_refused_and_nothing_is_written(house: House) -> None:
    filled(house, 3)
    with house.raw() as store:
        before = store.rows(EPISODE)
        with pytest.raises(JournalWriteFailed):
            store.write(EPISODE, [(3, b"new"), (2, b"other"), (4, b"new")])
        assert store.rows(EPISODE) == before


def test_a_folder_that_holds_an_episode_takes_no_second(house: House) -> None:
    filled(house, 1)
    with pytest.raises(JournalError, match="holds a journal already"):
        house.create()


# damage


def test_an_unreadable_end_is_set_aside(house: House) -> None:
    events = filled(house, 55)
    house.change(DAMAGE, 53)
    house.change(DAMAGE, 54)
    with house.open() as journal:
        assert journal.recovery is not None
        assert (journal.recovery.dropped_events, journal.recovery.first) == (2, 53)
        assert journal.events() == events[:53]
        journal.append(note(0), durable=True)
    table = "set_aside" if house.url is None else "terret.set_aside"
    assert house.execute(f"SELECT count(*) FROM {table}") == [(2,)]
    with house.open() as journal:
        assert (len(journal), journal.recovery) == (54, None)


@pytest.mark.parametrize(
    ("verb", "seq", "words"),
    [
        (DAMAGE, 20, "sound events follow"),
        (DELETE, 20, "events are missing"),
        (DELETE, 0, "events are missing"),
    ],
)
def test_damage_is_found_and_nothing_is_changed(house: House, verb: str, seq: int, words: str) -> None:
    filled(house, 60)
    house.change(verb, seq)
    with house.raw() as store:
        before = store.rows(EPISODE)
    with pytest.raises(JournalCorrupt, match=words):
        house.open()
    if verb == DAMAGE:
        with pytest.raises(EventEdited):
            house.read()
    with house.raw() as store:
        assert store.rows(EPISODE) == before


def test_an_edited_event_is_found(house: House) -> None:
    filled(house, 60)
    other = f"id = {1 << 32 | 3}" if house.url is None else "seq = 3"
    house.change(f"UPDATE {{table}} SET line = (SELECT line FROM {{table}} WHERE {other}) WHERE {{key}}", 4)
    with pytest.raises(JournalCorrupt, match="event 4"):
        house.open()


# death


@pytest.mark.parametrize("mode", ["normal", "full"])
def test_a_writer_killed_at_any_point_loses_no_durable_event(house: House, tmp_path: Path, mode: str) -> None:
    if house.url is None:
        pytest.skip("test_journal_recovery does this for the embedded store")
    command = [sys.executable, str(DRIVER), str(tmp_path / "killed"), mode, "8", house.url]
    (tmp_path / "killed").mkdir()
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(reports) == 8
    for report in reports:
        assert report["signal"] == 9
        assert report["kept"] >= report["acknowledged"], report
        assert report["texts"] == list(range(report["kept"])), report
        # The server may still be at the dead writer's last statement when it is read.
        assert report["acknowledged"] <= report["read"] <= report["kept"], report
    assert len({report["kept"] for report in reports}) > 3
