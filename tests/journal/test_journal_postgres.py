"""The store in PostgreSQL: connections and servers that go away, other machines, answers that are lost."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from journal_samples import KEY

from postgres import PostgresServer
from terret.errors import (
    BlobMismatch,
    ConfigError,
    EpisodeNotFound,
    JournalBusy,
    JournalError,
    JournalWriteFailed,
    MissingExtra,
)
from terret.journal import Journal, StateUpdated, open_store, read_live

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'terret'"


def note(number: int) -> StateUpdated:
    return StateUpdated(number, "agent", {"number": number})


def numbers(journal: Journal) -> list[int]:
    stored = Journal.read(journal.folder)
    return [event.data.changes["number"] for event in stored]  # type: ignore[union-attr]


def impatient(folder: Path, url: str) -> Journal:
    return Journal.create(folder, "e", KEY, store=open_store(url, patience=0.0))


class Proxy:
    """Passes one connection after another on to a server; ``swallow`` loses the next answer and cuts the connection."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.swallow = threading.Event()
        self.swallowed = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with source, sink:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    if answers and self.swallow.is_set():
                        self.swallow.clear()
                        self.swallowed.set()
                        break
                    sink.sendall(data)
            for end in (source, sink):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[Proxy]:
    made = Proxy(postgres_server.port)
    yield made
    made.close()


# connections


def test_a_cut_connection_is_made_again_unseen(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    with Journal.create(tmp_path, "e", KEY, store=postgres_url) as journal:
        for number in range(20):
            journal.append(note(number), durable=True)
            if number % 5 == 2:
                postgres_server.execute(CUT)
        assert numbers(journal) == list(range(20))
        with pytest.raises(JournalBusy):
            Journal.open(tmp_path / "other", KEY, store=postgres_url, episode="e")


def test_without_patience_a_lost_connection_fails_the_commit_and_loses_nothing(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    with impatient(tmp_path, postgres_url) as journal:
        journal.append(note(0), durable=True)
        text = journal.blob_text("long " * 1000)
        postgres_server.execute(CUT)
        with pytest.raises(JournalWriteFailed, match="no event is lost"):
            journal.append(note(1), durable=True)
        assert (journal.pending, len(journal)) == (1, 2)
        journal.commit()
        postgres_server.execute(CUT)
        large = journal.blobs.put(b"large" * 10_000)
        journal.append(note(2), durable=True)
        assert numbers(journal) == [0, 1, 2]
    with Journal.open(tmp_path / "other", KEY, store=postgres_url, episode="e") as again:
        assert text.blob is not None
        assert again.blobs.get(text.blob) == b"long " * 1000
        assert again.blobs.get(large) == b"large" * 10_000


def test_a_stopped_server_fails_the_commit_and_a_later_one_writes_everything(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    with impatient(tmp_path, postgres_url) as journal:
        journal.append(note(0), durable=True)
        postgres_server.stop()
        try:
            for number in (1, 2):
                with pytest.raises(JournalWriteFailed, match="start the server"):
                    journal.append(note(number), durable=True)
            with pytest.raises(JournalError, match="cannot be read"):
                journal.hold()
            with pytest.raises(JournalError, match="cannot be reached"):
                open_store(postgres_url)
        finally:
            postgres_server.start()
        journal.commit()
        assert numbers(journal) == [0, 1, 2]


def test_a_server_that_restarts_is_waited_for(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    with Journal.create(tmp_path, "e", KEY, store=postgres_url) as journal:
        for number in range(10):
            journal.append(note(number), durable=True)
        postgres_server.stop()
        late = threading.Thread(target=journal.append, args=(note(10),), kwargs={"durable": True})
        late.start()
        late.join(0.3)
        assert late.is_alive()
        postgres_server.start()
        late.join(30)
        assert numbers(journal) == list(range(11))


@pytest.mark.parametrize(("durability", "undone"), [("normal", True), ("full", False)])
def test_what_a_crash_of_the_server_undid_is_written_again(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str, durability: str, undone: bool
) -> None:
    postgres_server.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
    postgres_server.restart()
    try:
        with Journal.create(tmp_path, "e", KEY, store=postgres_url, durability=durability) as journal:  # type: ignore[arg-type]
            for number in range(30):
                journal.append(note(number), durable=True)
            text = journal.blob_text("x" * 5000)
            journal.append(note(30), durable=True)
            postgres_server.restart(signal.SIGQUIT)
            left = postgres_server.execute("SELECT count(*) FROM terret.event", postgres_url.rpartition("/")[2])[0][0]
            assert (left < 31) == undone  # type: ignore[operator]
            journal.append(note(31), durable=True)
            assert numbers(journal) == list(range(32))
            assert len(journal.lines()) == 32
        with Journal.open(tmp_path / "other", KEY, store=postgres_url, episode="e") as again:
            assert again.recovery is None
            assert text.blob is not None
            assert len(again.blobs.get(text.blob)) == 5000
    finally:
        postgres_server.execute("ALTER SYSTEM RESET wal_writer_delay")
        postgres_server.restart()


def test_reading_after_a_crash_of_the_server_finds_everything_that_was_written(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    with Journal.create(tmp_path, "e", KEY, store=postgres_url) as journal:
        for number in range(30):
            journal.append(note(number), durable=True)
        postgres_server.restart(signal.SIGQUIT)
        assert len(journal.lines()) == 30


def test_a_commit_whose_answer_is_lost_is_not_written_twice(tmp_path: Path, postgres_url: str, proxy: Proxy) -> None:
    through = postgres_url.replace(postgres_url.rpartition(":")[2].partition("/")[0], str(proxy.port))
    with Journal.create(tmp_path, "e", KEY, store=through) as journal:
        for number in range(60):
            if number % 7 == 3:
                proxy.swallow.set()
            journal.append(note(number), durable=True)
        assert proxy.swallowed.is_set()
        assert Journal.read(tmp_path / "other", store=postgres_url, episode="e") == journal.events()
        assert [anchor.seq for anchor in journal.anchors()] == [49]


# other machines


def test_another_machine_has_blobs_and_states_from_the_store_alone(tmp_path: Path, postgres_url: str) -> None:
    with Journal.create(tmp_path / "here", "e", KEY, store=postgres_url) as journal:
        assert journal.shared
        text = journal.blob_text("y" * 3000)
        journal.keep_state("tree-1", b"pack 1")
        journal.keep_state("tree-2", b"pack 2")
        journal.append(note(0), durable=True)
    assert text.blob is not None
    with Journal.open(tmp_path / "there", KEY, store=postgres_url, episode="e") as again:
        assert not (again.blobs.root / text.blob).exists()
        assert again.blobs.has(text.blob)
        assert again.blobs.path(text.blob).read_bytes() == b"y" * 3000
        (again.blobs.root / text.blob).write_bytes(b"z" * 3000)
        assert again.blobs.get(text.blob) == b"y" * 3000
        assert again.states() == {"tree-1": b"pack 1", "tree-2": b"pack 2"}
        with pytest.raises(BlobMismatch):
            again.blobs.get("0" * 64)
        assert not again.blobs.has("0" * 64)


def test_writers_of_the_same_blobs_do_not_stop_each_other(tmp_path: Path, postgres_url: str) -> None:
    contents = [bytes([number]) * 3000 for number in range(100)]
    failures: list[BaseException] = []

    def work(name: str, mine: list[bytes]) -> None:
        try:
            with Journal.create(tmp_path / name, name, KEY, store=postgres_url) as journal:
                for start in range(0, 100, 10):
                    for content in mine[start : start + 10]:
                        journal.blobs.put(content)
                    journal.append(note(start), durable=True)
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=work, args=(f"w{n}", contents[:: 1 if n % 2 else -1])) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    assert failures == []


def test_many_machines_may_be_the_first(postgres_url: str) -> None:
    failures: list[BaseException] = []

    def begin(number: int) -> None:
        try:
            with open_store(postgres_url) as store:
                store.add_episode(f"e{number}", "00")
        except BaseException as error:
            failures.append(error)

    machines = [threading.Thread(target=begin, args=(number,)) for number in range(8)]
    for machine in machines:
        machine.start()
    for machine in machines:
        machine.join(30)
    assert failures == []
    with open_store(postgres_url, read_only=True) as store:
        assert sorted(store.episodes()) == [f"e{number}" for number in range(8)]


def test_the_folder_notes_its_store_without_the_password(tmp_path: Path, postgres_url: str) -> None:
    with_password = postgres_url.replace("terret@", "terret:hunter22@") + "?application_name=me"
    with Journal.create(tmp_path / "a", "e", KEY, store=with_password) as journal:
        journal.append(note(0))
    assert "hunter22" not in (tmp_path / "a" / "store.json").read_text()
    assert len(Journal.read(tmp_path / "a")) == 1
    assert len(read_live(tmp_path / "a")[0]) == 1
    Journal.open(tmp_path / "a", KEY).close()


def test_an_episode_that_never_got_an_event_can_be_begun_again(tmp_path: Path, postgres_url: str) -> None:
    dead = Journal.create(tmp_path / "a", "e", KEY, store=postgres_url)
    with pytest.raises(JournalBusy):
        Journal.create(tmp_path / "b", "e", KEY, store=postgres_url)
    with open_store(postgres_url) as store, pytest.raises(JournalError, match="of that name"):
        store.add_episode("e", "another key")
    dead.abandon()
    with Journal.create(tmp_path / "c", "e", KEY, store=postgres_url) as journal:
        journal.append(note(0), durable=True)
        assert journal.epoch == 2
    with pytest.raises(JournalError, match="of that name"):
        Journal.create(tmp_path / "d", "e", KEY, store=postgres_url)


# errors


def test_what_is_no_store_is_refused_with_its_reason(tmp_path: Path, postgres_url: str) -> None:
    with pytest.raises(ConfigError, match="unknown kind of store"):
        open_store("mysql://here")
    with pytest.raises(ConfigError, match="not a PostgreSQL URL") as refused:
        open_store("postgresql://me:hunter%2@here/db")
    assert "hunter" not in str(refused.value)
    with pytest.raises(ConfigError, match="not a PostgreSQL URL"):
        open_store("postgresql://me:hunter2@[here/db")
    with pytest.raises(EpisodeNotFound, match="holds no journals"):
        open_store(postgres_url, read_only=True)
    open_store(postgres_url).close()
    with pytest.raises(EpisodeNotFound, match="holds no such episode"):
        Journal.open(tmp_path / "a", KEY, store=postgres_url, episode="nobody")
    assert not (tmp_path / "a").exists()
    with open_store(postgres_url, read_only=True) as store, pytest.raises(JournalWriteFailed, match="read-only"):
        store.add_episode("e", "00")
    with open_store(postgres_url) as store:
        pass
    with pytest.raises(JournalError, match="is closed"):
        store.episodes()


def test_a_schema_of_another_terret_is_refused(postgres_server: PostgresServer, postgres_url: str) -> None:
    open_store(postgres_url).close()
    postgres_server.execute("UPDATE terret.format SET version = 99", postgres_url.rpartition("/")[2])
    with pytest.raises(JournalError, match=r"written by another terret \(got 99\)"):
        open_store(postgres_url)


def test_without_the_driver_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r"pip install 'terret\[postgres\]'"):
        open_store("postgresql://terret@127.0.0.1:1/nothing")


def test_an_embedded_journal_does_not_load_the_driver() -> None:
    code = "import sys, terret.journal; sys.exit(any(name.startswith('psycopg') for name in sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True)
