"""Runs the tasks of a suite side by side and keeps every result on disk as it comes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from terret.errors import ConfigError, SuiteError, TerretError
from terret.gym._rows import Row
from terret.gym._suite import SuiteTask


async def run_suite(
    tasks: Sequence[SuiteTask],
    *,
    run_one: Callable[[SuiteTask], Awaitable[Row]],
    jobs: int = 1,
    on_row: Callable[[Row], None] | None = None,
    out: Path | None = None,
) -> list[Row]:
    """Run every task with ``run_one``, at most ``jobs`` at a time; the rows come back in the order of the tasks.

    With ``out``, each row is appended to ``out/rows.jsonl`` before ``on_row`` hears of it, and tasks that already
    have a row there without ``error`` are not run again. A task that raises gives a row with its ``error``; only
    cancellation (Ctrl-C) ends the run early, and what is done by then stays in the file.

    Raises:
        ConfigError: ``jobs`` is not positive.
        SuiteError: ``out/rows.jsonl`` cannot be read or written.
    """
    if jobs < 1:
        raise ConfigError("jobs is not positive", value=jobs, hint="give the number of tasks to run at a time")
    file = None if out is None else out / "rows.jsonl"
    rows = {} if file is None else {row.id: row for row in _kept(file) if row.error is None}
    left = [task for task in tasks if task.id not in rows]
    queue = iter(left)

    async def work() -> None:
        for task in queue:
            row = await _guarded(task, run_one)
            if file is not None:
                _append(file, row)
            rows[task.id] = row
            if on_row is not None:
                on_row(row)

    workers = [asyncio.ensure_future(work()) for _ in range(min(jobs, len(left)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return [rows[task.id] for task in tasks]


def read_rows(file: Path) -> list[Row]:
    """The rows of a ``rows.jsonl``, the last one of each id; none when the file does not exist.

    A last line that was cut off while it was written is left out.

    Raises:
        SuiteError: The file cannot be read, or another line is not a row.
    """
    try:
        lines = file.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SuiteError(f"the rows cannot be read: {error.strerror}", where=str(file)) from None
    rows: dict[str, Row] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line, type=Row)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if number == len(lines):
                break
            raise SuiteError(
                f"a line is not a row: {error}", where=f"{file}:{number}", hint="mend it or take another folder"
            ) from None
        rows[row.id] = row
    return list(rows.values())


async def _guarded(task: SuiteTask, run_one: Callable[[SuiteTask], Awaitable[Row]]) -> Row:
    try:
        return msgspec.structs.replace(await run_one(task), id=task.id)
    except TerretError as error:
        return Row(task.id, error=str(error))
    except Exception as error:  # one task's fault must not take the others with it
        return Row(task.id, error=f"{type(error).__name__}: {error}".replace("\n", " "))


def _kept(file: Path) -> list[Row]:
    """The rows so far; a file whose last line was cut off is written anew without it."""
    rows = read_rows(file)
    try:
        if file.is_file() and not file.read_bytes().endswith(b"\n"):
            mended = file.with_suffix(".tmp")
            mended.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
            mended.replace(file)
    except OSError as error:
        raise SuiteError(f"the rows cannot be mended: {error.strerror}", where=str(file)) from None
    return rows


def _append(file: Path, row: Row) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as stream:
            stream.write(msgspec.json.encode(row) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise SuiteError(f"a row cannot be written: {error.strerror}", where=str(file)) from None
