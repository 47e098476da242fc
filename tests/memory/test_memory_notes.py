"""Project memory: durable, shared between processes, deduplicated, and rendered so that no note can break out."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.errors import InfrastructureError, InputError
from terret.journal import Scrubber
from terret.memory import ProjectMemory, memory_for, new_note, normalise


def texts(notes):
    return [note.text for note in notes]


def add_many(folder: Path, writer: int, count: int) -> None:
    memory = ProjectMemory(folder)
    for number in range(count):
        memory.add(new_note("note", f"writer {writer} number {number} " + "x" * 500))


def test_notes_persist_between_openings(tmp_path):
    ProjectMemory(tmp_path).add(new_note("note", "tests live in spec/", evidence="ls", episode="e1", ts=12.5))
    (note,) = ProjectMemory(tmp_path).notes()
    assert (note.text, note.evidence, note.episode, note.ts) == ("tests live in spec/", "ls", "e1", 12.5)


def test_the_two_kinds_are_kept_apart(tmp_path):
    memory = ProjectMemory(tmp_path)
    memory.add(new_note("note", "same words"))
    memory.add(new_note("known_failure", "same words"))
    assert len(memory.notes()) == len(memory.known_failures()) == 1


def test_nothing_is_written_until_a_note_is_added(tmp_path):
    memory = ProjectMemory(tmp_path / "new")
    assert memory.notes() == []
    assert "None." in memory.render("known_failure")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("test_login FAILED", "  test_login\n failed "),
        ("TypeError at src/a.py:12", "TypeError at src/a.py:99"),
        ("File a.py, line 12, in f", "File a.py, line 13, in f"),
        ("<Foo object at 0x7f001> is not None", "<Foo object at 0x7fABC> is not None"),
        ("timed out after 10.2 s", "timed out after 9.95 s"),
        ("\x1b[31mE\x1b[0m boom", "E boom"),
        ("2026-01-01T10:00:00Z boom", "2026-02-03 11:12:13.5 boom"),
        ("cannot open /tmp/pytest-1/x", "cannot open /tmp/pytest-22/y"),
    ],
)
def test_a_failure_seen_again_is_the_same_failure(tmp_path, first, again):
    memory = ProjectMemory(tmp_path)
    kept = memory.add(new_note("known_failure", first, episode="e1"))
    assert memory.add(new_note("known_failure", again, episode="e2")) == kept
    assert texts(memory.known_failures()) == [kept.text]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("expected 3 got 4", "expected 3 got 5"),
        ("test_login failed", "test_logout failed"),
        ("error in a.py:1", "error in b.py:1"),
        ("line 1 of a", "line 1 of b"),
    ],
)
def test_different_failures_stay_apart(tmp_path, one, other):
    memory = ProjectMemory(tmp_path)
    memory.add(new_note("known_failure", one))
    memory.add(new_note("known_failure", other))
    assert len(memory.known_failures()) == 2


def test_notes_that_differ_in_a_line_number_are_two_notes(tmp_path):
    memory = ProjectMemory(tmp_path)
    memory.add(new_note("note", "entry point: main.py:10"))
    memory.add(new_note("note", "entry point: main.py:20"))
    memory.add(new_note("note", "entry point: main.py:20"))
    assert len(memory.notes()) == 2


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    assert normalise(normalise(text)) == normalise(text)


def test_a_torn_last_line_is_passed_over_and_closed(tmp_path):
    memory = ProjectMemory(tmp_path)
    memory.add(new_note("note", "first"))
    file = tmp_path / "notes.jsonl"
    with file.open("ab") as handle:
        handle.write(b'{"id":"0","kind":"note","text":"half wri')
    assert texts(memory.notes()) == ["first"]
    memory.add(new_note("note", "second"))
    assert texts(memory.notes()) == ["first", "second"]
    assert b"half wri\n" in file.read_bytes()


@pytest.mark.parametrize(
    "junk", [b"[]", b"{}", b"\xff\xfe", b'{"id":"a","kind":"other","text":"x"}', b"null", b"{" * 9999]
)
def test_a_damaged_line_costs_only_itself(tmp_path, junk):
    memory = ProjectMemory(tmp_path)
    memory.add(new_note("note", "first"))
    with (tmp_path / "notes.jsonl").open("ab") as handle:
        handle.write(junk + b"\n")
    memory.add(new_note("note", "second"))
    assert texts(memory.notes()) == ["first", "second"]


def test_writers_at_once_lose_nothing_and_readers_see_whole_notes(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=add_many, args=(tmp_path, number, 15)) for number in range(3)]
    for writer in writers:
        writer.start()
    memory = ProjectMemory(tmp_path)
    seen = 0
    while any(writer.is_alive() for writer in writers):
        now = memory.notes()
        assert len(now) >= seen
        assert all(note.text.endswith("x" * 500) for note in now)
        seen = len(now)
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(memory.notes()) == 45


KILLED = """
import os, sys
from pathlib import Path
from terret.memory import ProjectMemory, new_note
memory = ProjectMemory(Path(sys.argv[1]))
for number in range(1000):
    memory.add(new_note("note", f"number {number}"))
    print(number, flush=True)
"""


def test_a_note_that_was_added_survives_kill_9(tmp_path):
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        told = [int(process.stdout.readline()) for _ in range(5)]
        process.kill()
    kept = texts(ProjectMemory(tmp_path).notes())
    assert kept[: len(told)] == [f"number {number}" for number in told]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_an_error_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InfrastructureError, match="cannot be written"):
        ProjectMemory(tmp_path / "sub").add(new_note("note", "x"))


def test_a_file_in_the_way_is_an_error_line(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InfrastructureError, match="cannot be written"):
        ProjectMemory(tmp_path / "file").add(new_note("note", "x"))
    (tmp_path / "notes.jsonl").mkdir()
    with pytest.raises(InfrastructureError, match="cannot be read"):
        ProjectMemory(tmp_path).notes()


@pytest.mark.parametrize("text", ["", "  \n", "\x00\x1b[31m\u200b"])
def test_an_empty_note_is_refused(text):
    with pytest.raises(InputError, match="needs a text"):
        new_note("note", text)


def test_secrets_never_reach_the_file(tmp_path):
    memory = ProjectMemory(tmp_path, scrubber=Scrubber({"DB": "hunter2hunter2"}))
    memory.add(new_note("known_failure", "login with hunter2hunter2 fails", evidence="psql hunter2hunter2"))
    assert b"hunter2" not in (tmp_path / "notes.jsonl").read_bytes()
    assert "[secret:DB]" in memory.known_failures()[0].text


def test_each_repository_has_its_own_memory(tmp_path):
    where = {"XDG_DATA_HOME": str(tmp_path)}
    memory_for("https://example.org/a.git", environment=where).add(new_note("note", "a"))
    assert memory_for("https://example.org/b.git", environment=where).notes() == []
    assert texts(memory_for("https://example.org/a.git", environment=where).notes()) == ["a"]
    (folder,) = (tmp_path / "terret" / "memory").iterdir()
    assert len(folder.name) == 64
