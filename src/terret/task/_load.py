"""From a task file to a task, or to the list of everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from terret.errors import TaskError
from terret.task._document import Document, read_document
from terret.task._model import Task
from terret.task._problem import Finding, Problem
from terret.task._shape import check_shape


def load_task(path: Path | str) -> Task:
    """Read and check a task file (YAML or JSON).

    The task comes back as written; :func:`terret.task.resolve` makes its repository path absolute.

    Raises:
        TaskError: The file cannot be read, or has problems of severity ``error``; the first is reported in full.
    """
    task, document, findings = _examine(Path(path))
    errors = [document.problem(finding) for finding in findings if finding.severity == "error"]
    if not errors:
        return task
    first = errors[0]
    others = f"{len(errors) - 1} more: terret task lint {path}" if len(errors) > 1 else None
    hint = "; ".join(part for part in (first.hint, others) if part) or None
    raise TaskError(first.message, value=first.value, where=first.where, hint=hint)


def lint_task(path: Path | str) -> list[Problem]:
    """Every problem of a task file, errors first, each group in the order of the file; empty when there is none."""
    try:
        _, document, findings = _examine(Path(path))
    except TaskError as error:
        return [Problem(error.where or str(path), error.message, error.value, error.hint)]
    return [document.problem(finding) for finding in findings]


def _examine(file: Path) -> tuple[Task, Document, list[Finding]]:
    from terret.task._lint import lint

    document = read_document(file)
    findings = list(document.findings)
    repaired = check_shape(document.value, findings)
    task = msgspec.convert(repaired, Task)
    broken = [finding.at for finding in findings]
    findings += [
        finding for finding in lint(task, file.parent) if not any(finding.at[: len(at)] == at for at in broken if at)
    ]
    findings.sort(key=lambda finding: (finding.severity != "error", document.lines.get(finding.at, 0)))
    return task, document, findings
