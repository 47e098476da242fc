"""What a stranger does with a sequence: every package proved, and the way from each result to the next start redone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from terret.errors import DerivedMismatch, PackageError, RerunMismatch
from terret.gym._sequence import RECORD, Entry, SequenceOpened, TaskEnded, check_record, closing, opening, tasks_of
from terret.gym._sequence_run import EPISODES
from terret.gym._sequence_state import (
    Facts,
    Lineage,
    carry,
    entry_of,
    facts_of_package,
    kept_and_lost,
    placeless_digest,
)
from terret.gym._suite import SuiteTask

if TYPE_CHECKING:
    from terret.journal import CheckedPackage
    from terret.runtime import VerifyStep
    from terret.sandbox import Tier


class SequenceReport(msgspec.Struct, frozen=True):
    """The outcome of a verification that found no damage; damage is raised. ``key`` signed everything."""

    tasks: list[TaskEnded]
    key: str
    steps: list[Any]


def verify_sequence(
    folder: Path,
    *,
    rerun: bool = True,
    expected_key: str | None = None,
    tier: Tier | None = None,
    allow_none: bool = False,
    listener: Callable[[VerifyStep], None] | None = None,
) -> SequenceReport:
    """Prove a finished sequence or raise the first damage found.

    The record's links and signatures; every package as ``terret verify`` does, with the record's key; and from the
    packages alone, that each episode began with the tree, the commit and the task state that the accepted results
    before it make, with the task that the record names, and that acceptance, entropy and, with ``rerun``, the list of
    tasks that still pass at the end are as recorded.

    Raises:
        PackageError: One subclass per kind of damage, see :mod:`terret.errors`.
        SandboxUnavailable: The checks cannot be run again on this machine.
    """
    from terret.runtime import Proofs, verify_package

    proved = Proofs(listener)
    entries, opened = _record(folder, expected_key)
    proved("record", f"{len(entries)} entries, linked, signed by {opened.public_key[:16]}")
    with tempfile.TemporaryDirectory(prefix="terret-verify-") as name:
        replay = _Replay(opened, Path(name))
        for place, entry in enumerate(tasks_of(entries)):
            package = folder / EPISODES / entry.episode
            report = verify_package(
                package, rerun=rerun, expected_key=opened.public_key, tier=tier, allow_none=allow_none
            )
            replay.take(place, entry, package)
            change = f"accepted as {entry.end.commit[:12]}" if entry.accepted else "not accepted; the state stays"
            proved("task", f"{entry.task}: {report.label or 'ungraded'}, {change}; entropy {entry.entropy_total}")
        replay.finish(entries, rerun=rerun, tier=tier, allow_none=allow_none)
    proved("end", "what is recorded of the last state holds" if rerun else "not run again", True if rerun else None)
    return SequenceReport(tasks_of(entries), opened.public_key, proved.steps)


def _record(folder: Path, expected_key: str | None) -> tuple[list[Entry], SequenceOpened]:
    try:
        entries = check_record((folder / RECORD).read_bytes(), expected_key)
    except OSError as error:
        raise PackageError(f"the sequence cannot be read: {error.strerror}", where=str(folder / RECORD)) from None
    opened, closed = opening(entries), closing(entries)
    if opened is None or closed is None:
        raise PackageError(
            "the sequence is not finished", where=str(folder), hint="give the command that began it again, then verify"
        )
    return entries, opened


class _Replay:
    """Goes the way of the sequence again, with nothing but what the packages hold."""

    def __init__(self, opened: SequenceOpened, scratch: Path) -> None:
        self._opened = opened
        self._scratch = scratch
        self._lineage: Lineage | None = None
        self._carried: dict[str, Any] = {}
        self._tasks: list[SuiteTask] = []

    def take(self, place: int, entry: TaskEnded, folder: Path) -> None:
        """Check that an episode belongs where the record has it, and move on to the state it left."""
        from terret.journal import check_package
        from terret.runtime import is_visible, parse_level
        from terret.task import decode_task

        package = check_package(folder)
        facts = facts_of_package(entry.task, package)
        task = decode_task(package.blobs.get(facts.opened.task))
        if place >= len(self._opened.tasks) or (entry.task, placeless_digest(task)) != tuple(self._opened.tasks[place]):
            raise DerivedMismatch(
                "an episode is not of the task that the sequence names", value=entry.task, where=RECORD
            )
        lineage = self._begun(package, facts)
        self._same("start", entry, lineage.state, entry.start)
        repository = facts.opened.repository
        began = {"commit": repository["commit"], "tree": repository["tree"]}
        self._same("first tree", entry, began, msgspec.to_builtins(lineage.state))
        keeps_state = is_visible("task_state", parse_level(facts.opened.level))
        self._same("task state", entry, facts.opened.carried, self._carried if keeps_state else {})
        self._same("level", entry, facts.opened.level, self._opened.level)
        start = lineage.state
        end = lineage.advance(task, facts)
        again = entry_of(facts, entry.episode, start, end, lineage.entropy())
        for name in entry.__struct_fields__:
            self._same(name, entry, getattr(again, name), getattr(entry, name))
        self._carried = carry(self._carried, facts, lineage.paths)
        self._tasks.append(SuiteTask(entry.task, task))

    def finish(self, entries: Sequence[Entry], *, rerun: bool, tier: Any, allow_none: bool) -> None:
        """Check the last line."""
        closed, ended = closing(entries), tasks_of(entries)
        assert closed is not None
        failed = next((entry.task for entry in ended if not entry.accepted), None)
        stopped = failed if self._opened.on_failure == "stop" else None
        if closed.stopped_at != stopped or (stopped is None and len(ended) != len(self._opened.tasks)):
            raise DerivedMismatch("the sequence did not end where its rule says", value=closed.stopped_at, where=RECORD)
        if self._lineage is None or closed.end != self._lineage.state:
            raise DerivedMismatch("the last state is not what the accepted changes make", where=RECORD)
        if rerun:
            archive, scratch = self._lineage.archive(), self._scratch / "end"
            found = kept_and_lost(self._tasks, ended, archive, scratch, tier=tier, allow_none=allow_none)
            if found != (closed.kept, closed.lost):
                raise RerunMismatch("other tasks pass on the last state than the record says", value=found[1])

    def _begun(self, package: CheckedPackage, facts: Facts) -> Lineage:
        if self._lineage is None:
            from terret.sandbox import Workspace

            archive = package.blobs.get(facts.opened.repository["archive"])
            workspace = Workspace.from_archive(self._scratch / "repository", archive)
            self._lineage = Lineage(workspace, self._opened.ts)
            if self._lineage.start != self._opened.start:
                raise DerivedMismatch("the first repository is not the recorded start", where=RECORD)
        return self._lineage

    def _same(self, what: str, entry: TaskEnded, found: Any, recorded: Any) -> None:
        if found != recorded:
            raise DerivedMismatch(
                f"the sequence records another {what} than its packages yield", value=str(found), where=entry.episode
            )
