"""The live state of an episode: its working copy, who may use it, and its end in a package."""

from __future__ import annotations

import shutil
from pathlib import Path

from terret.errors import EpisodeNotFound, SandboxError
from terret.intervention import ORDERS, FolderOrders
from terret.journal import EpisodeOpened, Journal, StoreChoice, holds_journal, write_package
from terret.memory import ProjectMemory
from terret.runtime._levels import parse_level
from terret.runtime._result import Episode, finished_episode, summary
from terret.runtime._states import take_in
from terret.runtime._support import learn, uses_memory
from terret.sandbox import Workspace, end_strays

WORKSPACE = "workspace"


def ended_before(folder: Path, store: StoreChoice) -> Episode | None:
    """The episode of a folder that holds a package and no live state; ``None`` when there is something to go on with.

    Raises:
        EpisodeNotFound: The folder holds neither, and no store is given.
    """
    live = folder / "live"
    if holds_journal(live):
        return None
    if (folder / "episode.json").exists():
        shutil.rmtree(live, ignore_errors=True)
        return finished_episode(folder)
    if store is None:
        hint = "give the folder that terret run printed"
        raise EpisodeNotFound("no episode to resume", where=str(folder), hint=hint)
    return None


def open_workspace(live: Path, journal: Journal, *, take_over: bool) -> Workspace:
    """The working copy of a live episode, with nothing of a process that died still running in it.

    One that is taken over goes on in a copy: whatever its earlier owner still writes does not reach the new one. On
    another machine it is made anew from what the journal keeps.

    Raises:
        SandboxError: There is none here, and the journal is not shared.
    """
    workspace = _here(live, journal, take_over=take_over)
    take_in(journal, workspace)
    return workspace


def _here(live: Path, journal: Journal, *, take_over: bool) -> Workspace:
    latest = max(live.glob(f"{WORKSPACE}*"), key=_epoch, default=None)
    if latest is not None and not take_over:
        end_strays(latest / "tree")
        return Workspace.open(latest)
    partial = live / f".{WORKSPACE}-{journal.epoch}"
    if latest is not None:
        shutil.copytree(latest, partial, symlinks=True, ignore_dangling_symlinks=True)
    elif not journal.shared:
        raise SandboxError("the episode's workspace is missing", where=str(live))
    else:
        opened = journal.events()[0].data
        assert isinstance(opened, EpisodeOpened)
        Workspace.from_archive(partial, journal.blobs.get(opened.repository["archive"]))
    return Workspace.open(partial.rename(live / f"{WORKSPACE}-{journal.epoch}"))


def orders_of(folder: Path, journal: Journal) -> FolderOrders:
    """What an operator orders this owner of an episode to do."""
    return FolderOrders(folder / "live" / ORDERS, journal.epoch)


def seal(folder: Path, journal: Journal, memory: ProjectMemory | None) -> Episode:
    """Learn, write the package, then remove the live state: a crash in between leaves enough to do it again.

    Raises:
        JournalBusy: Another process has taken the episode over; nothing is removed.
    """
    if journal.faults is not None:
        journal.faults("seal.before")
    journal.hold()
    events = journal.events()
    opened = events[0].data
    assert isinstance(opened, EpisodeOpened)
    if memory is not None and uses_memory(parse_level(opened.level), frozenset(opened.ablated)):
        learn(memory, opened.task_name, events)
    write_package(folder, journal)
    journal.hold()
    journal.close()
    shutil.rmtree(folder / "live", ignore_errors=True)
    if journal.faults is not None:
        journal.faults("seal.after")
    return summary(folder, events, "finished", None)


def _epoch(folder: Path) -> int:
    return int(folder.name.partition("-")[2] or 0)
