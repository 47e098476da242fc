"""What a stranger does with a package: believe nothing, recompute everything."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from terret.errors import PackageError, RerunMismatch
from terret.journal import (
    CheckedPackage,
    CheckRan,
    EpisodeClosed,
    EpisodeOpened,
    Evaluated,
    EventData,
    Labelled,
    PatchTaken,
    check_package,
)
from terret.sandbox import Tier, Workspace
from terret.task import Task, decode_task
from terret.verification import CheckResult, Facts, adjudicate, evaluate

D = TypeVar("D", bound=EventData)


class VerifyStep(msgspec.Struct, frozen=True):
    """One thing that was proved, or why it could not be tried (``ok`` is ``None``)."""

    name: str
    ok: bool | None
    detail: str


class VerifyReport(msgspec.Struct, frozen=True):
    """The outcome of a verification that found no damage; damage is raised.

    ``key`` is the public key that signed the package, 64 hex digits: whose it is, is the reader's to know.
    """

    episode: str
    label: str | None
    key: str
    ok: bool
    steps: list[VerifyStep]


class Proofs:
    """The steps of a verification, told to a listener as they are made; call it with each.

    Args:
        listener: Told of every step.
    """

    def __init__(self, listener: Callable[[VerifyStep], None] | None = None) -> None:
        self.steps: list[VerifyStep] = []
        self._listener = listener

    def __call__(self, name: str, detail: str, ok: bool | None = True) -> None:
        """Add a step."""
        self.steps.append(VerifyStep(name, ok, detail))
        if self._listener is not None:
            self._listener(self.steps[-1])


def verify_package(
    folder: Path,
    *,
    rerun: bool = True,
    expected_key: str | None = None,
    tier: Tier | None = None,
    allow_none: bool = False,
    listener: Callable[[VerifyStep], None] | None = None,
) -> VerifyReport:
    """Prove a package or raise the first damage found.

    The chain, its signature and anchors, all blobs and every derived file are recomputed; the label is adjudicated
    again; with ``rerun`` the patch is applied to a fresh workspace and every check is run again.

    Raises:
        PackageError: One subclass per kind of damage, see :mod:`terret.errors`.
        SandboxUnavailable: The checks cannot be run again on this machine.
    """
    proved = Proofs(listener)
    package = check_package(folder, expected_key)
    count = len(package.events)
    proved("chain", f"{count} events, {len(package.head.anchors)} anchors, signed by {package.head.public_key[:16]}")
    proved("derived", "every trace, record and report is what the journal yields")
    opened = package.events[0].data
    if not isinstance(opened, EpisodeOpened):
        raise PackageError("the journal does not begin with the opening of an episode", where=str(folder))
    labelled = _last(package, Labelled)
    evaluated = _last(package, Evaluated)
    if labelled is None or evaluated is None or not isinstance(package.events[-1].data, EpisodeClosed):
        raise PackageError(
            "the episode is not finished", where=str(folder), hint="finish it with terret resume, then verify"
        )
    facts = msgspec.convert(evaluated.facts, Facts)
    again = Labelled(**msgspec.to_builtins(adjudicate(facts)))
    if again != labelled:
        raise RerunMismatch("the recorded facts do not give the recorded label", value=labelled.label)
    proved("label", f"{labelled.label or 'ungraded'} follows from the recorded facts")
    if rerun:
        proved("rerun", _rerun(package, opened, tier, allow_none))
    else:
        proved("rerun", "not tried", None)
    return VerifyReport(package.events[0].episode, labelled.label, package.head.public_key, True, proved.steps)


def _rerun(package: CheckedPackage, opened: EpisodeOpened, tier: Tier | None, allow_none: bool) -> str:
    task = decode_task(package.blobs.get(opened.task))
    archive = package.blobs.get(opened.repository["archive"])
    patch = _last(package, PatchTaken)
    if patch is None:
        raise PackageError("the journal holds no patch")
    recorded = {
        event.data.name: event.data
        for event in package.events
        if isinstance(event.data, CheckRan) and event.data.phase == "evaluator"
    }
    with tempfile.TemporaryDirectory(prefix="terret-verify-") as name:
        scratch = Path(name)
        tree = Workspace.from_archive(scratch / "initial", archive).base
        if tree != opened.repository["tree"]:
            raise RerunMismatch("the archived repository is not the recorded tree", value=tree)
        results = _evaluate(task, archive, package.blobs.get(patch.blob), scratch / "fresh", tier, allow_none)
    compared = 0
    for result in results:
        before = recorded.get(result.name)
        if before is None:
            raise RerunMismatch("a check ran that the package does not record", value=result.name)
        if before.passed is None or result.passed is None:
            continue
        compared += 1
        if before.passed != result.passed:
            raise RerunMismatch(
                "a check gives another result here",
                value=f"recorded {_word(before.passed)}, now {_word(result.passed)}",
                where=result.name,
                hint="compare the tool versions of the two machines; the journal itself is intact",
            )
    return f"the patch applies to the initial tree and {compared} checks give the recorded results"


def _evaluate(
    task: Task, archive: bytes, patch: bytes, folder: Path, tier: Tier | None, allow_none: bool
) -> list[CheckResult]:
    folder.mkdir()
    evaluation = evaluate(task, archive, patch, folder, tier=tier, allow_none=allow_none)
    if evaluation.infra:
        fault = evaluation.infra[0]
        raise RerunMismatch(f"the checks could not be run: {fault['message']}", value=fault["code"])
    return evaluation.checks


def _last(package: CheckedPackage, kind: type[D]) -> D | None:
    return next((event.data for event in reversed(package.events) if isinstance(event.data, kind)), None)


def _word(passed: bool) -> str:
    return "passed" if passed else "failed"
