"""What a suite is, which suites there are, and how their tasks are picked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from terret.errors import SuiteError
from terret.task import Task


class SuiteTask(msgspec.Struct, frozen=True):
    """One task of a suite.

    ``id`` is unique in the suite; ``reference`` a patch known to solve the task, where one is known; ``meta`` facts
    about the task that no agent sees (JSON values); ``script`` a file with a scripted solution.
    """

    id: str
    task: Task
    reference: bytes | None = None
    meta: dict[str, Any] = {}
    script: str | None = None


class Suite(Protocol):
    """A source of tasks; ``needs_data`` says whether it reads a folder that terret does not ship."""

    @property
    def name(self) -> str:
        """The name the command line knows it by."""
        ...

    @property
    def title(self) -> str:
        """One line on what it holds and in which form the data comes."""
        ...

    @property
    def needs_data(self) -> bool:
        """Whether ``tasks`` needs a folder."""
        ...

    @property
    def is_sequence(self) -> bool:
        """Whether the tasks follow one another in one repository; each comes with the state its forerunners leave."""
        ...

    def tasks(self, data: Path | None) -> list[SuiteTask]:
        """Every task, in a fixed order.

        Raises:
            SuiteError: The data is missing or not what it should be.
        """
        ...


def suites() -> dict[str, Suite]:
    """The known suites by name."""
    from terret.gym._humanevalfix import HumanEvalFix
    from terret.gym._quixbugs import QuixBugs
    from terret.gym._starter import Starter
    from terret.gym._starter_long import StarterLong

    known: tuple[Suite, ...] = (Starter(), StarterLong(), QuixBugs(), HumanEvalFix())
    return {suite.name: suite for suite in known}


def load_suite(
    name: str, data: Path | str | None = None, only: Sequence[str] = (), limit: int | None = None
) -> list[SuiteTask]:
    """The tasks of a suite: those named in ``only`` (all when empty), then at most ``limit`` of them.

    Raises:
        SuiteError: No such suite or task, or the data cannot be used.
    """
    known = suites()
    if name not in known:
        raise SuiteError("no such suite", value=name, hint=_nearest(name, list(known)))
    if limit is not None and limit < 1:
        raise SuiteError("the limit is not positive", value=limit, hint="leave it out to take every task")
    suite = known[name]
    if suite.needs_data and data is None:
        raise SuiteError(f"the suite {name!r} needs its data", hint=f"pass --data DIR ({suite.title})")
    tasks = suite.tasks(None if data is None else Path(data))
    ids = [task.id for task in tasks]
    for wanted in only:
        if wanted not in ids:
            raise SuiteError(f"the suite {name!r} has no such task", value=wanted, hint=_nearest(wanted, ids))
    chosen = [task for task in tasks if not only or task.id in only]
    return chosen[:limit]


def _nearest(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    shown = ", ".join(known[:20])
    return f"there are: {shown}" + (", ..." if len(known) > 20 else "")
