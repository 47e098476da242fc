"""Proves that a suite's tasks measure what they claim: the bug fails, no change fails, the reference passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from terret.errors import TerretError
from terret.gym._data import text_patch
from terret.gym._suite import SuiteTask
from terret.task import Repository

if TYPE_CHECKING:
    from terret.sandbox import Tier
    from terret.verification import Evaluation

_COMMENTS = {".py": "#", ".sh": "#", ".rb": "#", ".js": "//", ".mjs": "//", ".cjs": "//", ".ts": "//", ".go": "//"}


class Validation(msgspec.Struct, frozen=True):
    """Which conditions hold for one task; None where a condition could not be tried.

    ``exposed`` says whether a check that the agent sees fails on the buggy program; it is reported, not required.
    """

    id: str
    buggy_fails: bool | None = None
    noop_fails: bool | None = None
    reference_passes: bool | None = None
    repeats_agree: bool | None = None
    exposed: bool | None = None
    seconds: float = 0.0
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether every condition that was tried holds, and the buggy program was tried."""
        tried = (self.buggy_fails, self.noop_fails, self.reference_passes, self.repeats_agree)
        return self.buggy_fails is True and all(held is not False for held in tried)


class _Outcome(msgspec.Struct):
    """One evaluation: whether it passed, and the result of each check."""

    passed: bool
    checks: tuple[tuple[str, str, bool | None], ...]
    fault: str


def validate(
    tasks: Sequence[SuiteTask],
    folder: Path,
    *,
    repeats: int = 3,
    on_progress: Callable[[str, int, int], None] | None = None,
    tier: Tier | None = None,
    allow_none: bool = False,
) -> list[Validation]:
    """Evaluate the buggy program, a no-op patch and the reference of each task ``repeats`` times, below ``folder``.

    ``on_progress`` hears the task and variant about to be evaluated, and how many evaluations of how many are done.
    An error of one task is in its ``detail``; the others go on.
    """
    variants = [_variants(task) for task in tasks]
    total = sum(len(of_task) for of_task in variants) * repeats
    done = 0
    rows: list[Validation] = []
    for task, of_task in zip(tasks, variants, strict=True):
        started = monotonic()
        outcomes: dict[str, list[_Outcome]] = {}
        detail = ""
        try:
            place = folder / task.id.replace("/", "-")
            archive = _archive(task, place / "base")
            for variant, patch in of_task.items():
                for repeat in range(repeats):
                    if on_progress is not None:
                        on_progress(f"{task.id}: {variant}", done + len(outcomes.get(variant, [])), total)
                    evaluation = _evaluate(task, archive, patch, place / f"{variant}-{repeat}", tier, allow_none)
                    outcomes.setdefault(variant, []).append(_outcome(evaluation))
                done += repeats
        except TerretError as error:
            detail = str(error)
        rows.append(_judge(task.id, outcomes, detail, monotonic() - started))
    return rows


def _variants(task: SuiteTask) -> dict[str, bytes]:
    variants = {"buggy": b""}
    noop = _noop(task)
    if noop:
        variants["noop"] = noop
    if task.reference is not None:
        variants["reference"] = task.reference
    return variants


def _noop(task: SuiteTask) -> bytes:
    """A patch that adds a comment to a source file: one of the hints, else the first in the repository."""
    repository = task.task.repository
    for path in (*task.task.hints, *_source_files(repository)):
        marker = _COMMENTS.get(Path(path).suffix)
        text = None if marker is None else _content(repository, path)
        if text is not None:
            end = "" if text.endswith("\n") or not text else "\n"
            return text_patch(path, text, f"{text}{end}{marker} No change.\n")
    return b""


def _source_files(repository: Repository) -> Iterator[str]:
    if repository.files is not None:
        yield from sorted(repository.files)
    elif repository.path is not None:
        root = Path(repository.path)
        yield from sorted(
            str(file.relative_to(root))
            for file in root.rglob("*")
            if file.is_file() and not any(part.startswith(".") for part in file.relative_to(root).parts)
        )


def _content(repository: Repository, path: str) -> str | None:
    if repository.files is not None:
        return repository.files.get(path)
    try:
        return None if repository.path is None else (Path(repository.path) / path).read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _archive(task: SuiteTask, folder: Path) -> bytes:
    from shutil import rmtree

    from terret.sandbox import Workspace

    rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return Workspace.create(folder, task.task.repository, base_folder=None).archive()


def _evaluate(
    task: SuiteTask, archive: bytes, patch: bytes, folder: Path, tier: Tier | None, allow_none: bool
) -> Evaluation:
    from shutil import rmtree

    from terret.verification import evaluate

    rmtree(folder, ignore_errors=True)
    return evaluate(task.task, archive, patch, folder, tier=tier, allow_none=allow_none)


def _outcome(evaluation: Evaluation) -> _Outcome:
    results = tuple((check.name, check.type, check.passed) for check in evaluation.checks)
    counted = [passed for _, kind, passed in results if kind != "lint"]
    faults = [str(fault) for fault in evaluation.infra]
    if not evaluation.applied:
        faults.append(f"the patch does not apply: {evaluation.apply_error}")
    return _Outcome(evaluation.applied and all(passed is True for passed in counted), results, "; ".join(faults))


def _judge(name: str, outcomes: dict[str, list[_Outcome]], detail: str, seconds: float) -> Validation:
    def all_are(variant: str, passed: bool) -> bool | None:
        seen = outcomes.get(variant)
        return all(outcome.passed is passed for outcome in seen) if seen else None

    held = {
        "buggy_fails": all_are("buggy", False),
        "noop_fails": all_are("noop", False),
        "reference_passes": all_are("reference", True),
        "repeats_agree": all(len({o.checks for o in seen}) == 1 for seen in outcomes.values()) if outcomes else None,
    }
    buggy = outcomes.get("buggy", [])
    exposed = any(kind == "check" and passed is False for o in buggy for _, kind, passed in o.checks) if buggy else None
    faults = {outcome.fault for seen in outcomes.values() for outcome in seen if outcome.fault}
    broken = [condition for condition, holds in held.items() if holds is False]
    return Validation(
        name,
        **held,
        exposed=exposed,
        seconds=round(seconds, 2),
        detail="; ".join([*(part for part in (detail,) if part), *broken, *sorted(faults)]),
    )
