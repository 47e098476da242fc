"""The built-in suite: small repositories with real bugs, shipped inside terret."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from terret.errors import SuiteError
from terret.gym._suite import SuiteTask
from terret.task import load_task, resolve


class Starter:
    """The suite; ``data`` may name another folder of the same form: ``ID/{task.yaml, reference.patch, ...}``."""

    name = "starter"
    title = "built in; or a folder with ID/task.yaml, ID/reference.patch"
    needs_data = False
    is_sequence = False

    def tasks(self, data: Path | None) -> list[SuiteTask]:
        """One task for each folder with a ``task.yaml``, by name.

        Raises:
            SuiteError: There is none.
            TaskError: A task file has a problem.
        """
        folder = Path(str(files("terret.gym") / "starter")) if data is None else data
        found = sorted(folder.glob("*/task.yaml"))
        if not found:
            raise SuiteError(
                "no task in this folder", where=str(folder), hint="it must hold ID/task.yaml for each task"
            )
        return [_suite_task(file) for file in found]


def _suite_task(file: Path) -> SuiteTask:
    task = resolve(load_task(file), file)
    patch = file.parent / "reference.patch"
    return SuiteTask(file.parent.name, task, patch.read_bytes() if patch.is_file() else None, task.metadata)
