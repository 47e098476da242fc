"""Runs the cells of a ladder side by side; every cell is an episode whose package stays on disk."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from terret.errors import ConfigError, TerretError
from terret.gym._ladder_cells import EPISODES, Cell, CellResult, keep, read_cells
from terret.gym._ladder_models import ModelPool
from terret.gym._memory import MemoryMode, shared_memory
from terret.gym._metrics import read_metrics
from terret.gym._suite import SuiteTask

if TYPE_CHECKING:
    from terret.runtime import Episode

CELLS = "cells.jsonl"


class LadderSettings(msgspec.Struct, frozen=True):
    """What all cells have in common.

    ``episode`` holds further arguments of :func:`terret.runtime.run_episode`, such as ``key``, ``tier`` and
    ``sampling``; the seed of repeat k is ``seed + k - 1`` at every level, so that levels are paired. ``memory`` is
    ``fresh`` (no episode learns from another, so that cells are independent) or ``shared`` (those of one model, level
    and repository do).
    """

    seed: int = 0
    ablate: frozenset[str] = frozenset()
    episode: dict[str, Any] = {}
    memory: MemoryMode = "fresh"


RunCell = Callable[[Cell], Awaitable[CellResult]]


async def run_cells(
    cells: Sequence[Cell],
    *,
    run_one: RunCell,
    out: Path,
    jobs: int = 1,
    on_cell: Callable[[CellResult, bool], None] | None = None,
) -> list[CellResult]:
    """Run the cells in the order given, at most ``jobs`` at a time; results come back in that order, with metrics.

    A cell whose package is finished is not run again. Each new result is appended to ``out/cells.jsonl`` before
    ``on_cell`` hears of it; its second argument says whether the cell was run now. A cell that raises gives a
    result with status ``error``; only cancellation ends the run early.

    Raises:
        ConfigError: ``jobs`` is not positive.
        SuiteError: ``out/cells.jsonl`` cannot be read or written.
    """
    if jobs < 1:
        raise ConfigError("jobs is not positive", value=jobs, hint="give the number of cells to run at a time")
    file = out / CELLS
    known = read_cells(file)
    results: dict[Cell, CellResult] = {}
    left: list[Cell] = []
    for cell in cells:
        if finished(out / EPISODES / cell.id):
            results[cell] = _measured(CellResult(cell, "finished", f"{EPISODES}/{cell.id}"), out)
            if cell not in known or known[cell].status != "finished":
                keep(file, results[cell])
            if on_cell is not None:
                on_cell(results[cell], False)
        else:
            left.append(cell)

    async def work(queue: Iterable[Cell]) -> None:
        for cell in queue:
            result = _measured(await _guarded(cell, run_one), out)
            keep(file, result)
            results[cell] = result
            if on_cell is not None:
                on_cell(result, True)

    queue = iter(left)
    workers = [asyncio.ensure_future(work(queue)) for _ in range(min(jobs, len(left)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return [results[cell] for cell in cells]


class CellRunner:
    """Runs one cell as an episode below ``out``, or goes on with the one that lies there."""

    def __init__(self, tasks: Sequence[SuiteTask], pool: ModelPool, settings: LadderSettings, out: Path) -> None:
        self._tasks = {task.id: task for task in tasks}
        self._pool = pool
        self._settings = settings
        self._out = out

    async def __call__(self, cell: Cell) -> CellResult:
        """Run the cell.

        Raises:
            TerretError: No episode came of it.
        """
        folder = self._out / EPISODES / cell.id
        episode = await self._resume(cell, folder)
        if episode is None:
            shutil.rmtree(folder / "live", ignore_errors=True)
            episode = await self._run(cell, folder)
        package = f"{EPISODES}/{cell.id}"
        if episode.status == "suspended":
            fault = episode.fault or {}
            return CellResult(cell, "suspended", package, fault.get("message", ""))
        return CellResult(cell, "finished", package, "; ".join(episode.reasons[:3]))

    async def _run(self, cell: Cell, folder: Path) -> Episode:
        from terret.runtime import run_episode

        task = self._tasks[cell.task]
        settings = self._settings
        seed = settings.seed + cell.repeat - 1
        options = dict(settings.episode)
        sampling = options.pop("sampling", None)
        if sampling is not None:
            options["sampling"] = msgspec.structs.replace(sampling, seed=seed)
        if settings.ablate:
            options["ablate"] = settings.ablate
        if settings.memory == "shared":
            options["memory"] = shared_memory(self._out, task, cell.model, cell.level)
        async with self._pool.model(cell.model, task) as model:
            return await run_episode(task.task, model=model, folder=folder, level=cell.level, seed=seed, **options)

    async def _resume(self, cell: Cell, folder: Path) -> Episode | None:
        """Go on with a suspended or interrupted episode; nothing when there is none that began."""
        from terret.errors import EpisodeNotFound
        from terret.runtime import resume_episode

        if not (folder / "live" / "journal.db").exists():
            return None
        known = {name: self._settings.episode[name] for name in _RESUMING if name in self._settings.episode}
        async with self._pool.model(cell.model, self._tasks[cell.task]) as model:
            try:
                return await resume_episode(folder, connect=lambda _: model, **known)
            except EpisodeNotFound:
                return None


_RESUMING = ("key", "durability", "scrubber", "listener", "clock")


def finished(folder: Path) -> bool:
    """Whether a folder holds a finished package."""
    return (folder / "journal.jsonl").is_file() and not (folder / "live").exists()


def _measured(result: CellResult, out: Path) -> CellResult:
    """The result with its metrics; a package that cannot be read is an error of the cell."""
    if result.status != "finished":
        return result
    try:
        return msgspec.structs.replace(result, metrics=read_metrics(out / result.package))
    except TerretError as error:
        return msgspec.structs.replace(result, status="error", detail=str(error))


async def _guarded(cell: Cell, run_one: RunCell) -> CellResult:
    package = f"{EPISODES}/{cell.id}"
    try:
        return await run_one(cell)
    except TerretError as error:
        return CellResult(cell, "error", package, str(error))
    except Exception as error:  # one cell's fault must not take the others with it
        return CellResult(cell, "error", package, f"{type(error).__name__}: {error}".replace("\n", " "))
