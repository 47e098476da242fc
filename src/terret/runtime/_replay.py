"""Replay: run an episode's loop again on its own record, and say where it first does something else."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

import msgspec

from terret.errors import Diverged, PackageError
from terret.journal import (
    CheckedPackage,
    EpisodeClosed,
    EpisodeOpened,
    Event,
    EventData,
    HistoryKept,
    Journal,
    Scrubber,
    SigningKey,
    check_package,
)
from terret.models import ModelIdentity, Reply, Request, TokenListener
from terret.runtime._episode import drive
from terret.runtime._means import Means
from terret.runtime._recorder import RecordEnded, Recorder
from terret.sandbox import Command, Completed, Workspace
from terret.task import Task, decode_task


class Divergence(msgspec.Struct, frozen=True):
    """Where a replay first differs: the recorded event, its turn, and what the replay did instead."""

    seq: int
    turn: int | None
    recorded: str
    replayed: str


class ReplayReport(msgspec.Struct, frozen=True):
    """What a replay showed. ``finished`` is false for the record of an episode that was cut short."""

    episode: str
    events: int
    finished: bool
    divergence: Divergence | None = None


def replay_package(folder: Path) -> ReplayReport:
    """Run the loop of a package again with its recorded model replies and tool results; nothing outside is touched.

    Raises:
        PackageError: The package is damaged, or does not hold the states of its workspace.
    """
    package = check_package(folder)
    with tempfile.TemporaryDirectory(prefix="terret-replay-") as name:
        live = Path(name) / package.events[0].episode / "live"
        with rebuild(package, live, package.events, SigningKey.generate()) as journal:
            return asyncio.run(_replay(package, journal, live))


def rebuild(
    package: CheckedPackage,
    live: Path,
    events: Iterable[Event],
    key: SigningKey,
    *,
    opened: Callable[[Journal], EventData] | None = None,
    scrubber: Scrubber | None = None,
) -> Journal:
    """A live folder made from a package: its workspace with every state, and a journal of ``events``.

    Args:
        package: The checked package.
        live: The folder, new or empty.
        events: The events to begin with; they keep their times.
        key: Signs the new chain.
        opened: Makes what stands in for the first of them.
        scrubber: Hides secrets in what is new.

    Raises:
        PackageError: The package does not hold the states of its workspace.
    """
    first = opening(package)
    live.mkdir(parents=True, exist_ok=True)
    shutil.copytree(package.blobs.root, live / "blobs", dirs_exist_ok=True)
    workspace = Workspace.from_archive(live / "workspace", package.blobs.get(first.repository["archive"]))
    workspace.unbundle(_history(package))
    recorded = list(events)
    times = iter(recorded)
    journal = Journal.create(live, live.parent.name, key, clock=lambda: next(times).ts, scrubber=scrubber)
    for event in recorded:
        journal.append(opened(journal) if opened is not None and event.seq == 0 else event.data, pid=event.pid)
    journal.commit()
    return journal


def opened_of(folder: Path) -> EpisodeOpened:
    """How an episode was set up, from its package.

    Raises:
        PackageError: The package is damaged.
    """
    return opening(check_package(folder))


def opening(package: CheckedPackage) -> EpisodeOpened:
    """The opening event of a package."""
    first = package.events[0].data
    if not isinstance(first, EpisodeOpened):
        raise PackageError("the journal does not begin with the opening of an episode")
    return first


def _history(package: CheckedPackage) -> bytes:
    kept = next((event.data for event in package.events if isinstance(event.data, HistoryKept)), None)
    if kept is None or kept.blob is None:
        why = kept.note if kept is not None else "it was written by a version that did not keep them"
        raise PackageError("the package does not hold the states of its workspace", value=why)
    return package.blobs.get(kept.blob)


async def _replay(package: CheckedPackage, journal: Journal, live: Path) -> ReplayReport:
    opened = opening(package)
    closed = isinstance(package.events[-1].data, EpisodeClosed)
    task = decode_task(package.blobs.get(opened.task))
    recorder = Recorder(journal, sealed=True)
    recorder.emit(opened)
    workspace = Workspace.open(live / "workspace")
    divergence = None
    try:
        model = _Recorded(msgspec.convert(opened.model, ModelIdentity))
        await drive(task, opened, recorder, workspace, _Nothing(task), model, live.parent, Means())  # type: ignore[arg-type]
    except Diverged as diverged:
        divergence = _divergence(recorder.peek(), str(diverged.value))
    except RecordEnded:
        if closed:
            divergence = Divergence(package.events[-1].seq, None, "the end of the episode", "the run goes on")
    if divergence is None and closed and (left := recorder.peek()) is not None:
        divergence = _divergence(left, "the end of the episode")
    return ReplayReport(package.events[0].episode, len(package.events), closed, divergence)


def _divergence(event: Event | None, replayed: str) -> Divergence:
    if event is None:
        return Divergence(-1, None, "nothing", replayed)
    return Divergence(event.seq, getattr(event.data, "turn", None), type(event.data).__name__, replayed)


class _Recorded:
    """Stands for the model of an episode whose every reply is recorded."""

    def __init__(self, identity: ModelIdentity) -> None:
        self.identity = identity

    async def complete(self, request: Request, on_token: TokenListener | None = None) -> Reply:
        raise RecordEnded

    async def aclose(self) -> None:
        """Nothing is open."""


class _Nothing:
    """Stands for a sandbox in which nothing is run."""

    def __init__(self, task: Task) -> None:
        self.egress = task.permissions.egress or None

    def run(self, command: Command) -> Completed:
        raise RecordEnded

    def __getattr__(self, name: str) -> NoReturn:
        raise RecordEnded(name)
