"""Runs tasks one after the other in one repository: each starts from what was accepted before."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from terret.errors import ConfigError, SuiteError
from terret.gym._ladder_models import ModelPool
from terret.gym._ladder_run import finished
from terret.gym._sequence import (
    FORMAT,
    RECORD,
    OnFailure,
    SequenceClosed,
    SequenceOpened,
    SequenceRecord,
    State,
    TaskEnded,
)
from terret.gym._sequence_state import (
    Lineage,
    carry,
    entry_of,
    facts_of_package,
    kept_and_lost,
    placeless_digest,
)
from terret.gym._suite import SuiteTask
from terret.task import Repository, Task

if TYPE_CHECKING:
    from terret.memory import ProjectMemory
    from terret.runtime import Episode

EPISODES, REPOSITORY, MEMORY = "episodes", "repository", "memory"


class SequenceSettings(msgspec.Struct, frozen=True):
    """How a sequence is run.

    ``memory``: whether tasks learn from the ones before. ``episode`` holds further arguments of
    :func:`terret.runtime.run_episode`, ``key`` among them; ``record`` what of them the record should state.
    """

    model: str
    level: str = "H3"
    on_failure: OnFailure = "continue"
    seed: int = 0
    memory: bool = True
    ablate: frozenset[str] = frozenset()
    episode: dict[str, Any] = {}
    record: dict[str, Any] = {}


class SequenceResult(msgspec.Struct, frozen=True):
    """What came of a sequence; ``suspended`` says which task an infrastructure fault holds up, and why."""

    opened: SequenceOpened
    tasks: list[TaskEnded]
    closed: SequenceClosed | None
    suspended: tuple[str, str] | None = None


async def run_sequence(
    tasks: Sequence[SuiteTask],
    *,
    out: Path,
    settings: SequenceSettings,
    pool: ModelPool,
    repository: Repository | None = None,
    on_task: Callable[[TaskEnded, bool], None] | None = None,
) -> SequenceResult:
    """Run the tasks in order, or go on where the same call left off.

    ``out`` gets ``repository/`` (the last good state in ``tree``, its history in ``git``), ``episodes/``, ``memory/``
    and ``sequence.jsonl``. The first task starts from ``repository``, which is the first task's own by default;
    relative paths must be resolved. ``on_task`` hears of each task, and whether it ran now.

    Raises:
        ConfigError: The folder holds another sequence, or the settings are wrong.
        RepositoryError: The repository cannot be had.
        SuiteError: A task occurs twice, there is none, or the record cannot be written.
        PackageError: The record or a package in ``out`` is damaged.
    """
    names = [task.id for task in tasks]
    if not names or len(set(names)) < len(names):
        raise SuiteError("a sequence needs tasks with different names", value=", ".join(names))
    await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    run = _Run(tasks, out.absolute(), settings, pool)
    await asyncio.to_thread(run.begin, repository or tasks[0].task.repository)
    return await run.all(on_task)


class _Run:
    def __init__(self, tasks: Sequence[SuiteTask], out: Path, settings: SequenceSettings, pool: ModelPool) -> None:
        self._tasks = tasks
        self._out = out
        self._settings = settings
        self._pool = pool
        self._record = SequenceRecord(out / RECORD, settings.episode["key"])
        self._carried: dict[str, Any] = {}
        self._lineage: Lineage

    def begin(self, repository: Repository) -> None:
        """Make the repository, or find it again; what the record does not know of it is made anew."""
        from terret.sandbox import Workspace

        place = self._out / REPOSITORY
        opened = self._record.opened
        if opened is None:
            shutil.rmtree(place, ignore_errors=True)
            workspace = Workspace.create(place, repository, base_folder=None)
            now = self._settings.episode.get("clock", time.time)()
            self._lineage = Lineage(workspace, now)
            self._record.append(self._opening(workspace.source, self._lineage.start, now))
            return
        asked = self._opening(opened.source, opened.start, opened.ts)
        if asked != opened:
            changed = [name for name in asked.__struct_fields__ if getattr(asked, name) != getattr(opened, name)]
            raise ConfigError(
                "the folder holds another sequence",
                value=", ".join(changed),
                where=str(self._out),
                hint="take another --out, or the tasks and settings of before",
            )
        self._lineage = Lineage(Workspace.open(place), opened.ts)

    def _opening(self, source: str, start: State, now: float) -> SequenceOpened:
        settings = self._settings
        fixed = {"seed": settings.seed, "memory": settings.memory, "ablate": sorted(settings.ablate), **settings.record}
        return SequenceOpened(
            format=FORMAT,
            tasks=[(task.id, placeless_digest(task.task)) for task in self._tasks],
            model=settings.model,
            level=settings.level,
            on_failure=settings.on_failure,
            settings=msgspec.json.decode(msgspec.json.encode(fixed)),
            source=source,
            start=start,
            public_key=settings.episode["key"].public_hex,
            ts=now,
        )

    async def all(self, on_task: Callable[[TaskEnded, bool], None] | None) -> SequenceResult:
        """Every task, then the last look."""
        known = self._record.ended
        stopped: str | None = None
        for index, task in enumerate(self._tasks):
            start = self._lineage.state
            name = f"{index + 1:02}-{task.id.replace('/', '-')}"
            fresh = index >= len(known)
            if fresh:
                episode = await self._episode(task, self._out / EPISODES / name, index)
                if episode.status == "suspended":
                    return self._result((task.id, (episode.fault or {}).get("message", "")))
            entry = await asyncio.to_thread(self._take_in, task, name, start)
            if fresh:
                self._record.append(entry)
            elif entry != known[index]:
                where = str(self._out)
                raise SuiteError("a package is not the one that the sequence recorded", value=name, where=where)
            if on_task is not None:
                on_task(entry, fresh)
            if self._settings.on_failure == "stop" and not entry.accepted:
                stopped = task.id
                break
        if self._record.closed is None:
            await asyncio.to_thread(self._close, stopped)
        return self._result(None)

    async def _episode(self, task: SuiteTask, folder: Path, index: int) -> Episode:
        """Run the task's episode, or go on with the one that lies there."""
        from terret.errors import EpisodeNotFound
        from terret.runtime import finished_episode, resume_episode, run_episode

        if finished(folder):
            return finished_episode(folder)
        settings, options = self._settings, self._settings.episode
        memory = self._memory()
        async with self._pool.model(settings.model, task) as model:
            if (folder / "live" / "journal.db").exists():
                known = {name: options[name] for name in ("key", "durability", "scrubber", "clock") if name in options}
                try:
                    return await resume_episode(folder, connect=lambda _: model, memory=memory, **known)
                except EpisodeNotFound:
                    pass
            shutil.rmtree(folder / "live", ignore_errors=True)
            return await run_episode(
                self._placed(task.task),
                model=model,
                folder=folder,
                level=settings.level,
                seed=settings.seed + index,
                ablate=settings.ablate,
                memory=memory,
                state=self._carried,
                **options,
            )

    def _placed(self, task: Task) -> Task:
        place = Repository(path=str(self._out / REPOSITORY / "git"), commit=self._lineage.state.commit)
        return msgspec.structs.replace(task, repository=place)

    def _memory(self) -> ProjectMemory | None:
        from terret.memory import ProjectMemory

        return ProjectMemory(self._out / MEMORY) if self._settings.memory else None

    def _take_in(self, task: SuiteTask, name: str, start: State) -> TaskEnded:
        from terret.journal import check_package

        facts = facts_of_package(task.id, check_package(self._out / EPISODES / name))
        end = self._lineage.advance(task.task, facts)
        self._carried = carry(self._carried, facts, self._lineage.paths)
        return entry_of(facts, name, start, end, self._lineage.entropy())

    def _close(self, stopped: str | None) -> None:
        options, scratch = self._settings.episode, self._out / "scratch"
        tier, allow_none = options.get("tier"), options.get("allow_none", False)
        ended, archive = self._record.ended, self._lineage.archive()
        try:
            kept, lost = kept_and_lost(self._tasks, ended, archive, scratch, tier=tier, allow_none=allow_none)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        self._record.append(SequenceClosed(self._lineage.state, kept, lost, stopped))

    def _result(self, suspended: tuple[str, str] | None) -> SequenceResult:
        opened = self._record.opened
        assert opened is not None
        return SequenceResult(opened, self._record.ended, self._record.closed, suspended)
