"""Running a suite: side by side, resumable, and never stopped by one task."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from terret.errors import ConfigError, ModelUnavailable, SuiteError
from terret.gym import Row, SuiteTask, read_rows, run_suite
from terret.task import Repository, Task

TASKS = [SuiteTask(name, Task(name, Repository(files={"a": "b"}), "x")) for name in "abcdef"]


class Runner:
    """Counts what runs, how much of it at a time; tasks in ``fail`` raise."""

    def __init__(self, fail: dict[str, BaseException] | None = None) -> None:
        self.ran: list[str] = []
        self.running = 0
        self.most = 0
        self.fail = fail or {}

    async def __call__(self, task: SuiteTask) -> Row:
        self.ran.append(task.id)
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(1 + "fedcba".index(task.id)):
            await asyncio.sleep(0)
        self.running -= 1
        if task.id in self.fail:
            raise self.fail[task.id]
        return Row(task.id, "failed", False)


@pytest.mark.parametrize(("jobs", "most"), [(1, 1), (3, 3), (50, 6)])
def test_rows_come_in_the_order_of_the_tasks(jobs: int, most: int) -> None:
    runner, heard = Runner(), list[str]()
    rows = asyncio.run(run_suite(TASKS, run_one=runner, jobs=jobs, on_row=lambda row: heard.append(row.id)))
    assert [row.id for row in rows] == list("abcdef")
    assert sorted(heard) == list("abcdef")
    assert runner.most == most


def test_an_error_of_one_task_stops_nothing(tmp_path: Path) -> None:
    runner = Runner({"b": ModelUnavailable("the endpoint is away"), "d": KeyError("x\ny")})
    rows = asyncio.run(run_suite(TASKS, run_one=runner, jobs=2, on_row=None, out=tmp_path))
    assert [row.id for row in rows] == list("abcdef")
    assert rows[1].error == "the endpoint is away [E_MODEL_UNAVAILABLE]"
    assert rows[3].error is not None
    assert rows[3].error.startswith("KeyError: ")
    assert [row.error for row in rows if row.id not in "bd"] == [None] * 4


def test_a_second_run_keeps_the_rows_and_tries_the_errors_again(tmp_path: Path) -> None:
    asyncio.run(run_suite(TASKS[:4], run_one=Runner({"b": ModelUnavailable("away")}), jobs=1, out=tmp_path))
    again = Runner()
    rows = asyncio.run(run_suite(TASKS, run_one=again, jobs=1, out=tmp_path))
    assert again.ran == ["b", "e", "f"]
    assert [row.error for row in rows] == [None] * 6
    assert {row.id: row for row in read_rows(tmp_path / "rows.jsonl")} == {row.id: row for row in rows}
    nothing = Runner()
    assert asyncio.run(run_suite(TASKS, run_one=nothing, jobs=1, out=tmp_path)) == rows
    assert nothing.ran == []


def test_the_id_is_that_of_the_task() -> None:
    async def other(task: SuiteTask) -> Row:
        return Row("another", label="failed")

    assert [row.id for row in asyncio.run(run_suite(TASKS[:1], run_one=other, jobs=1))] == ["a"]


def test_cancellation_keeps_what_is_done(tmp_path: Path) -> None:
    started: list[str] = []
    stopped: list[str] = []
    waits: list[asyncio.Event] = []

    async def one(task: SuiteTask) -> Row:
        if task.id in "ab":
            return Row(task.id, "failed", False)
        started.append(task.id)
        if len(started) == 2:
            waits[0].set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(task.id)
            raise
        raise AssertionError

    async def main() -> None:
        waiting = asyncio.Event()
        waits.append(waiting)
        running = asyncio.ensure_future(run_suite(TASKS, run_one=one, jobs=2, out=tmp_path))
        await waiting.wait()
        running.cancel()
        await running

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert [row.id for row in read_rows(tmp_path / "rows.jsonl")] == ["a", "b"]
    assert sorted(stopped) == ["c", "d"]


def test_keyboard_interrupt_in_a_task_ends_the_run_and_keeps_what_is_done(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(run_suite(TASKS, run_one=Runner({"c": KeyboardInterrupt()}), jobs=1, out=tmp_path))
    assert [row.id for row in read_rows(tmp_path / "rows.jsonl")] == ["a", "b"]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_last_line_that_was_cut_off_is_run_again(cut: int, tmp_path: Path) -> None:
    asyncio.run(run_suite(TASKS[:3], run_one=Runner(), jobs=1, out=tmp_path))
    file = tmp_path / "rows.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])
    again = Runner()
    rows = asyncio.run(run_suite(TASKS[:4], run_one=again, jobs=1, out=tmp_path))
    # Cut by its line feed only, the row is whole.
    assert again.ran == (["d"] if cut == 1 else ["c", "d"])
    assert read_rows(file) == rows
    assert len(file.read_bytes().splitlines()) == 4


def test_rows_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"id":"a"}\n{"id":1}\n{"id":"b"}\n')
    with pytest.raises(SuiteError, match=r"rows.jsonl:2: a line is not a row"):
        asyncio.run(run_suite(TASKS, run_one=Runner(), jobs=1, out=tmp_path))
    file.unlink()
    file.mkdir()
    with pytest.raises(SuiteError, match="cannot be read"):
        read_rows(file)
    assert read_rows(tmp_path / "other.jsonl") == []


def test_rows_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SuiteError, match="cannot be"):
        asyncio.run(run_suite(TASKS, run_one=Runner(), jobs=2, out=tmp_path / "file" / "out"))


def test_jobs_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="jobs is not positive"):
        asyncio.run(run_suite(TASKS, run_one=Runner(), jobs=0))
