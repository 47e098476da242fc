"""The harness card: all that has to be known before two agents can be compared."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import msgspec

from terret.errors import ConfigError, SuiteError
from terret.gym._ladder_cells import CellResult
from terret.gym._metrics import Package
from terret.gym._suite import SuiteTask
from terret.task import task_json

PLAN = "plan.json"

SPLITS = {
    "quixbugs": "cases with an even index in the order of the file are visible, all cases are hidden checks",
    "humanevalfix": "example_test is visible, test is the hidden check",
    "starter": "each task file states its visible and its hidden checks",
    "starter-long": "each task file states its visible and its hidden checks",
}
"""What the agent sees of the tests and what only the evaluator runs."""

_PER_EPISODE = (
    "model",
    "sampling",
    "image",
    "dialect",
    "enforcement",
    "versions",
    "interpreter_persistence",
    "intervention_policy",
    "verification_procedure",
    "outcome_rule",
    "budget",
    "ablated",
)
_PER_LEVEL = ("visible_artifacts", "allowed_tools")


def task_content_digest(task: SuiteTask) -> str:
    """A digest of a task and its repository's files that does not depend on where they lie; 64 hex digits.

    Raises:
        SuiteError: A file cannot be read.
    """
    repository = task.task.repository
    placeless = msgspec.structs.replace(repository, path="." if repository.path is not None else None)
    known = sha256(task_json(msgspec.structs.replace(task.task, repository=placeless)))
    if repository.path is not None and repository.commit is None:
        root = Path(repository.path)
        for file in sorted(path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts):
            if "__pycache__" not in file.parts:
                known.update(f"\n{file.relative_to(root).as_posix()} {_digest(file)}".encode())
    return known.hexdigest()


def suite_digest(tasks: Sequence[SuiteTask]) -> str:
    """One digest for the ids and contents of all tasks."""
    lines = sorted(f"{task.id} {task_content_digest(task)}" for task in tasks)
    return sha256("\n".join(lines).encode()).hexdigest()


def claim(out: Path, settings: dict[str, Any], tasks: Sequence[SuiteTask]) -> None:
    """Write down what the cells of a folder have in common, or refuse to mix them with others.

    More models, levels, repeats and tasks may be added later; ``settings`` and the tasks themselves may not change.

    Raises:
        ConfigError: The folder holds cells made with other settings.
        SuiteError: The plan cannot be written.
    """
    file = out / PLAN
    digests = {task.id: task_content_digest(task) for task in tasks}
    wanted = cast("dict[str, Any]", msgspec.json.decode(msgspec.json.encode(settings)))
    before = _read_plan(file)
    if before is not None:
        old = cast("dict[str, Any]", before.get("settings", {}))
        changed = sorted(name for name in old.keys() | wanted.keys() if old.get(name) != wanted.get(name))
        known = cast("dict[str, str]", before.get("tasks", {}))
        changed += [f"task {name}" for name, digest in digests.items() if known.get(name, digest) != digest]
        if changed:
            raise ConfigError(
                "the folder holds cells made with other settings",
                value=", ".join(changed[:6]),
                where=str(out),
                hint="take another --out, or the settings of before",
            )
        digests = {**known, **digests}
    raw = msgspec.json.format(msgspec.json.encode({"settings": wanted, "tasks": digests}, order="sorted"), indent=2)
    try:
        out.mkdir(parents=True, exist_ok=True)
        mended = file.with_suffix(".tmp")
        mended.write_bytes(raw + b"\n")
        mended.replace(file)
    except OSError as error:
        raise SuiteError(f"the plan cannot be written: {error.strerror}", where=str(file)) from None


def harness_card(out: Path, results: Sequence[CellResult], run: dict[str, Any]) -> dict[str, Any]:
    """The card: ``run`` (what was asked for), the machine, and what the packages say they ran with.

    A field of the packages is a list of the different values that occurred, which is one where all agree.
    """
    opened = [
        (result.cell, Package(out / result.package).object("episode.json"))
        for result in results
        if result.metrics is not None
    ]
    levels = sorted({cell.level for cell, _ in opened})
    return {
        **{name: value for name, value in run.items() if value is not None},
        "machine": machine(),
        **{name: _distinct(record.get(name) for _, record in opened) for name in _PER_EPISODE},
        "levels": {
            level: {name: _distinct(r.get(name) for cell, r in opened if cell.level == level) for name in _PER_LEVEL}
            for level in levels
        },
    }


def machine() -> dict[str, Any]:
    """What this machine is, in so far as it changes the numbers."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": os.cpu_count(),
        "usable_cores": usable,
        "architecture": platform.machine(),
        "system": platform.system().lower(),
        "python": platform.python_version(),
    }


def _read_plan(file: Path) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        raise SuiteError("the plan cannot be read", where=str(file), hint="take another --out") from None


def _distinct(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return sorted(found, key=lambda value: msgspec.json.encode(value, order="sorted"))


def _digest(file: Path) -> str:
    try:
        return sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise SuiteError(f"a file of the task cannot be read: {error.strerror}", where=str(file)) from None
