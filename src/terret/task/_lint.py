"""Checks what a well-formed task means: references, names, paths, commands and limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from terret.task._model import Task
from terret.task._problem import Finding


def lint(task: Task, folder: Path) -> Iterator[Finding]:
    """Every finding on a task whose file lies in ``folder``."""
    if not task.objective.strip():
        yield Finding(("objective",), "the objective is empty", task.objective, "say what to change and why")
