"""What becomes of old episodes: packed into one archive that stays verifiable, removed only where a policy says so."""

from __future__ import annotations

import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from terret.errors import InfrastructureError, TerretError
from terret.journal import CheckedPackage, Clock, EpisodeClosed, Labelled, check_package
from terret.operate._archive import ARCHIVE, Archive
from terret.operate._bundle import files_of
from terret.operate._facts import EpisodeFacts
from terret.operate._folder import FolderFleet
from terret.operate._places import HEAD, JOURNAL

FAILED = frozenset({"failed", "unsafe_invalid"})
"""The labels of episodes that did not work."""

RECORDS = ("sequence.jsonl", "cells.jsonl")
"""Records of runs that read their packages again, where they lie."""

Prove = Callable[[Path], object]
"""Proves a package, or raises."""


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """Which finished episodes are packed, and which are removed; seconds since they ended.

    ``keep_failed`` leaves those that failed as they are. Without ``remove_after_s`` nothing is ever removed.
    """

    older_than_s: float
    keep_failed: bool = False
    remove_after_s: float | None = None


class Disposal(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one episode, and why; ``bytes`` is the disk it takes as a folder."""

    name: str
    action: Literal["packed", "removed", "kept"]
    reason: str
    label: str | None = None
    bytes: int = 0


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """All disposals; ``before`` and ``after`` are the bytes on disk of folders and archives."""

    disposals: list[Disposal]
    before: int
    after: int
    dry_run: bool

    @property
    def saved(self) -> int:
        """Bytes given back."""
        return self.before - self.after


def sweep(
    root: Path, policy: Retention, prove: Prove = check_package, *, dry_run: bool = False, clock: Clock = time.time
) -> Sweep:
    """Apply a policy to the episodes below a folder.

    Each folder of episodes gets one archive. A package is proved, packed, read back and compared before its folder
    goes; one that does not prove sound, holds files of others, can be resumed, or is read by the record of a ladder or
    sequence stays. A crash leaves every episode in its folder, in the archive or in both, and the next sweep goes on.

    Raises:
        EpisodeNotFound: There is no such folder.
        InfrastructureError: The archive or a folder cannot be written.
    """
    now = float(clock())
    before = _disk(root)
    disposals: list[Disposal] = []
    by_folder: dict[Path, list[EpisodeFacts]] = defaultdict(list)
    for facts in FolderFleet(root, archived=True).episodes():
        place = Path(facts.place)
        by_folder[place.parent].append(facts)
    for folder, found in by_folder.items():
        disposals += _Sweeper(folder, policy, prove, now, dry_run).all(found)
    return Sweep(disposals=disposals, before=before, after=before if dry_run else _disk(root), dry_run=dry_run)


class _Sweeper:
    """Applies a policy to the episodes of one folder."""

    def __init__(self, folder: Path, policy: Retention, prove: Prove, now: float, dry_run: bool) -> None:
        self._path = folder / ARCHIVE
        self._policy = policy
        self._prove = prove
        self._now = now
        self._dry = dry_run

    def all(self, found: list[EpisodeFacts]) -> Iterator[Disposal]:
        removed = False
        if not self._dry:
            for left in self._path.parent.glob(".*.packed"):
                shutil.rmtree(left, ignore_errors=True)
        for facts in found:
            if facts.archived:
                disposal = self._archived(facts)
                removed = removed or disposal.action == "removed"
            else:
                disposal = self._folder(facts)
            yield disposal
        if removed and not self._dry:
            with Archive(self._path, create=True) as archive:
                archive.shrink()

    def _archived(self, facts: EpisodeFacts) -> Disposal:
        if facts.state == "damaged":
            return _kept(facts, facts.note)
        if not self._beyond(facts, self._policy.remove_after_s):
            return _kept(facts, "packed already")
        if self._policy.keep_failed and facts.label in FAILED:
            return _kept(facts, "it failed")
        if not self._dry:
            with Archive(self._path, create=True) as archive:
                archive.remove(facts.id)
        return Disposal(name=facts.name, action="removed", reason="older than the policy keeps", label=facts.label)

    def _folder(self, facts: EpisodeFacts) -> Disposal:
        folder = Path(facts.place)
        reason = self._stays(facts, folder)
        if reason:
            return _kept(facts, reason)
        own, _ = files_of(folder)
        size = sum(_allocated(folder / name) for name in own)
        try:
            self._prove(folder)
            package = check_package(folder)
            remove = self._beyond(facts, self._policy.remove_after_s)
            if not self._dry:
                if not remove:
                    self._pack(folder, package, size)
                _discard(folder)
        except TerretError as error:
            if isinstance(error, InfrastructureError):
                raise
            return _kept(facts, f"{error.message} [{error.code}]")
        action = "removed" if remove else "packed"
        reason = "older than the policy keeps" if remove else "finished and old enough"
        return Disposal(name=facts.name, action=action, reason=reason, label=facts.label, bytes=size)

    def _stays(self, facts: EpisodeFacts, folder: Path) -> str:
        """Why a folder is not touched; empty when it may be."""
        if facts.state != "finished":
            return facts.note if facts.state == "damaged" else f"{facts.state}, so it can go on"
        if not self._beyond(facts, self._policy.older_than_s):
            return "too young"
        if self._policy.keep_failed and facts.label in FAILED:
            return "it failed"
        for parent in (folder.parent, folder.parent.parent):
            for record in RECORDS:
                if (parent / record).is_file():
                    return f"{record} refers to it"
        foreign = files_of(folder)[1]
        return f"it holds {foreign[0]}, which is no part of a package" if foreign else ""

    def _beyond(self, facts: EpisodeFacts, seconds: float | None) -> bool:
        return seconds is not None and self._now - facts.latest >= seconds

    def _pack(self, folder: Path, package: CheckedPackage, size: int) -> None:
        events = package.events
        label = next((event.data.label for event in reversed(events) if isinstance(event.data, Labelled)), None)
        ended = next((event.ts for event in reversed(events) if isinstance(event.data, EpisodeClosed)), events[-1].ts)
        names = sorted({digest for event in events for digest in event.blobs})
        with Archive(self._path, create=True) as archive:
            archive.add(
                package.head.episode,
                (folder / HEAD).read_bytes(),
                (folder / JOURNAL).read_bytes(),
                {digest: package.blobs.get(digest) for digest in names},
                ended=ended,
                label=label,
                size=size,
            )


def _kept(facts: EpisodeFacts, reason: str) -> Disposal:
    return Disposal(name=facts.name, action="kept", reason=reason, label=facts.label)


def _discard(folder: Path) -> None:
    """Remove a folder under another name, so that no half of a package is ever seen."""
    aside = folder.with_name(f".{folder.name}.packed")
    try:
        if aside.exists():
            shutil.rmtree(aside)
        shutil.rmtree(folder.rename(aside))
    except OSError as error:
        raise InfrastructureError(
            f"the folder cannot be removed: {error.strerror}", where=str(folder), hint="check rights, run it again"
        ) from None


def _allocated(path: Path) -> int:
    return path.stat().st_blocks * 512


def _disk(root: Path) -> int:
    """Bytes on disk of everything below a folder, hidden remains of an earlier sweep included."""
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512  # noqa: PTH118
            except FileNotFoundError:
                continue
    return total
