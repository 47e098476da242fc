"""What goes from one task of a sequence to the next: the repository with what was accepted, and the task state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from terret.errors import InputError
from terret.gym._sequence import State, TaskEnded
from terret.gym._suite import SuiteTask
from terret.journal import (
    CheckedPackage,
    EntropyFound,
    EpisodeOpened,
    EventData,
    Labelled,
    PatchTaken,
    StateUpdated,
)
from terret.sandbox import Workspace
from terret.state import TaskState, fold
from terret.task import Repository, Task, task_digest

DECISIONS = 40
"""Decisions carried on, the latest."""

NOWHERE = Repository(files={})


class Facts(msgspec.Struct, frozen=True):
    """What the sequence needs to know of a finished episode."""

    task: str
    opened: EpisodeOpened
    label: Labelled
    patch: bytes
    ended: float
    head: str
    entropy: int
    changes: list[dict[str, Any]]

    @property
    def accepted(self) -> bool:
        """Whether its change becomes part of the repository: it was graded and is labelled a success."""
        return self.label.graded and (self.label.label or "").endswith("_success")


class Lineage:
    """The repository of a sequence: each accepted change applied to the last good state and committed.

    Args:
        workspace: A workspace whose base is the start.
        ts: Unix time of the first commit.
    """

    def __init__(self, workspace: Workspace, ts: float) -> None:
        self._workspace = workspace
        self._hints: list[str] = []
        self._focused = True
        start = workspace.base
        self.start = State(workspace.record(start, "Start of the sequence\n", ts=ts), start)
        self.state = self.start

    @property
    def paths(self) -> list[str]:
        """Every path of the present state."""
        return self._workspace.paths(self.state.tree)

    def advance(self, task: Task, facts: Facts) -> State:
        """Take in an episode: its change when it was accepted, nothing otherwise; returns the state it leaves.

        Raises:
            PackageError: The change does not apply to the present state.
        """
        workspace = self._workspace
        workspace.restore(self.state.tree)
        if facts.accepted:
            workspace.apply(facts.patch)
            tree = workspace.snapshot()
            message = f"{facts.task}\n\nLabel: {facts.label.label}\nEpisode-Head: {facts.head}\n"
            commit = workspace.record(tree, message, ts=facts.ended, parent=self.state.commit)
            self.state = State(commit, tree)
            self._hints += task.hints
            self._focused = self._focused and bool(task.hints)
        return self.state

    def entropy(self) -> int:
        """The severities of the burdens in all that was accepted, audited as one change."""
        from terret.entropy import audit

        workspace, old, new = self._workspace, self.start.tree, self.state.tree
        burdens = audit(
            lambda path: workspace.show(old, path),
            lambda path: workspace.show(new, path),
            workspace.changes(old, new),
            paths=workspace.paths(new),
            hints=self._hints if self._focused else (),
        )
        return sum(burden.severity for burden in burdens)

    def archive(self) -> bytes:
        """The present state as an archive."""
        return self._workspace.archive(self.state.tree)


def entry_of(facts: Facts, episode: str, start: State, end: State, total: int) -> TaskEnded:
    """The line of the record for an episode."""
    return TaskEnded(
        task=facts.task,
        episode=episode,
        head=facts.head,
        label=facts.label.label,
        failure_code=facts.label.failure_code,
        functional_pass=facts.label.functional_pass,
        accepted=facts.accepted,
        start=start,
        end=end,
        entropy=facts.entropy,
        entropy_total=total,
    )


def facts_of_package(task: str, package: CheckedPackage) -> Facts:
    """Read the facts from a proved package of a finished episode."""
    found: dict[type[EventData], Any] = {type(event.data): event.data for event in package.events}
    label, patch = found[Labelled], found[PatchTaken]
    return Facts(
        task=task,
        opened=found[EpisodeOpened],
        label=label,
        patch=package.blobs.get(patch.blob),
        ended=package.events[-1].ts,
        head=package.head.last,
        entropy=sum(event.data.severity for event in package.events if isinstance(event.data, EntropyFound)),
        changes=[event.data.changes for event in package.events if isinstance(event.data, StateUpdated)],
    )


def carry(before: dict[str, Any], facts: Facts, paths: Iterable[str]) -> dict[str, Any]:
    """The task state for the next task.

    Of an accepted task: its decisions, open questions and inspected files that still exist. Of one that was not, that
    its change was taken back. Hypothesis and next steps belong to the task that is over.
    """
    there = set(paths)
    state = _folded([before, *facts.changes]) if facts.accepted else _folded([before])
    how = f"solved ({facts.label.label})" if facts.accepted else "not solved; its change was taken back"
    plain = {
        "decisions": [*state.decisions, f"{facts.task}: {how}"][-DECISIONS:],
        "inspected": [path for path in state.inspected if path in there],
        "open_questions": list(state.open_questions),
    }
    return {name: value for name, value in plain.items() if value}


def placeless_digest(task: Task) -> str:
    """The digest of a task without its repository, which the sequence provides."""
    return task_digest(msgspec.structs.replace(task, repository=NOWHERE))


def kept_and_lost(
    tasks: Sequence[SuiteTask],
    ended: Sequence[TaskEnded],
    archive: bytes,
    scratch: Path,
    *,
    tier: Any = None,
    allow_none: bool = False,
) -> tuple[list[str], list[str]]:
    """The accepted tasks whose deterministic and hidden checks still pass on the last state, and the others."""
    from terret.verification import evaluate

    accepted = {step.task for step in ended if step.accepted}
    kept: list[str] = []
    lost: list[str] = []
    for task in tasks:
        if task.id in accepted:
            found = evaluate(task.task, archive, b"", scratch, tier=tier, allow_none=allow_none).checks
            passed = all(check.passed is True for check in found if check.type in ("check", "hidden"))
            (kept if passed else lost).append(task.id)
    return kept, lost


def _folded(changes: Iterable[dict[str, Any]]) -> TaskState:
    state = TaskState()
    for change in changes:
        try:
            state = fold([msgspec.to_builtins(state), change])
        except InputError:
            # What the agent noted without form is no state to go on with.
            continue
    return state
