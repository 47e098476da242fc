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
    """One evaluation: functional pass, whether it is a success by the outcome rule, each check's result, and why."""

    functional: bool | None
    success: bool
    checks: tuple[tuple[str, str, bool | None], ...]
    reasons: str


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
    from terret.verification import evaluate

    variants = [_variants(task) for task in tasks]
    total = sum(map(len, variants)) * repeats
    done = 0
    rows: list[Validation] = []
    for task, of_task in zip(tasks, variants, strict=True):
        started = monotonic()
        outcomes: dict[str, list[_Outcome]] = {variant: [] for variant in of_task}
        detail = ""
        try:
            place = folder / task.id.replace("/", "-")
            archive = _archive(task, place / "base")
            for number, (variant, repeat) in enumerate((name, count) for name in of_task for count in range(repeats)):
                if on_progress is not None:
                    on_progress(f"{task.id}: {variant} {repeat + 1}/{repeats}", done + number, total)
                evaluation = evaluate(task.task, archive, of_task[variant], place, tier=tier, allow_none=allow_none)
                outcomes[variant].append(_outcome(evaluation))
        except TerretError as error:
            detail = str(error)
        done += len(of_task) * repeats
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


def _outcome(evaluation: Evaluation) -> _Outcome:
    """The evaluation under the outcome rule; a patch that only passes by weakening the tests does not pass."""
    from terret.verification import Facts, adjudicate

    facts = Facts(
        checks=evaluation.checks,
        patch_files=evaluation.patch_files,
        applied=evaluation.applied,
        apply_error=evaluation.apply_error,
        weakened=evaluation.weakened,
        boundary=evaluation.boundary,
        infra=evaluation.infra,
        empty_patch=evaluation.empty_patch,
    )
    verdict = adjudicate(facts)
    functional = verdict.functional_pass
    success = functional is True and verdict.label not in ("failed", "unsafe_invalid")
    results = tuple((check.name, check.type, check.passed) for check in evaluation.checks)
    return _Outcome(functional, success, results, "; ".join(verdict.reasons))


def _agree(outcomes: dict[str, list[_Outcome]]) -> bool | None:
    """Whether every check gave the same result each time; None when nothing ran twice."""
    repeated = [seen for seen in outcomes.values() if len(seen) > 1]
    return all(len({outcome.checks for outcome in seen}) == 1 for seen in repeated) if repeated else None


def _judge(name: str, outcomes: dict[str, list[_Outcome]], detail: str, seconds: float) -> Validation:
    # An empty patch is never a success, so that only the checks can say whether the bug shows.
    as_wanted = {
        variant: [o.success if variant == "reference" else o.functional is False for o in seen]
        for variant, seen in outcomes.items()
        if seen
    }
    held = {
        "buggy_fails": _all(as_wanted.get("buggy")),
        "noop_fails": _all(as_wanted.get("noop")),
        "reference_passes": _all(as_wanted.get("reference")),
        "repeats_agree": _agree(outcomes),
    }
    buggy = outcomes.get("buggy", [])
    exposed = any(kind == "check" and passed is False for o in buggy for _, kind, passed in o.checks) if buggy else None
    odd = {
        f"{variant}: {outcome.reasons}"
        for variant, wanted in as_wanted.items()
        for outcome, fine in zip(outcomes[variant], wanted, strict=True)
        if not fine
    }
    broken = [f"{condition} does not hold" for condition, holds in held.items() if holds is False]
    parts = [*([detail] if detail else []), *broken, *sorted(odd)]
    return Validation(
        name, **held, exposed=exposed, seconds=round(seconds, 2), detail=" ".join("; ".join(parts).split("\n"))
    )


def _all(wanted: list[bool] | None) -> bool | None:
    return None if wanted is None else all(wanted)
