"""What the evaluator runs for a task, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from terret.task import Check, Task
from terret.verification._results import CheckType


class Step(NamedTuple):
    """One command of the evaluator; ``name`` is unique in the plan, ``files`` are put in place for it alone."""

    name: str
    type: CheckType
    command: str
    timeout_s: float
    covers: tuple[str, ...] = ()
    expect: str | None = None
    exit_code: int | None = None
    files: Mapping[str, str] = MappingProxyType({})


def plan(task: Task) -> list[Step]:
    """Visible checks, hidden checks, targeted tests, lint, and one full regression."""
    steps: list[Step] = []
    taken: set[str] = set()
    for step in _steps(task):
        name, number = step.name, 2
        while name in taken:
            name, number = f"{step.name} ({step.type}{'' if number == 2 else f' {number}'})", number + 1
        taken.add(name)
        steps.append(step._replace(name=name))
    return steps


def _steps(task: Task) -> Iterator[Step]:
    yield from (_check(check, "check") for check in task.checks)
    yield from (_check(check, "hidden") for check in task.hidden.checks)
    for number, command in enumerate(task.targeted, 1):
        yield Step(f"targeted-{number}", "targeted", command, task.limits.wall_s)
    if task.lint:
        yield Step("lint", "lint", task.lint, task.limits.wall_s)
    if task.tests:
        yield Step("regression", "regression", task.tests, task.regression_timeout_s)


def _check(check: Check, kind: CheckType) -> Step:
    return Step(
        check.name, kind, check.run, check.timeout_s, check.covers, check.expect, check.exit_code, dict(check.files)
    )
