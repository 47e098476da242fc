"""The built-in sequence: tasks that follow one another in one repository."""

from __future__ import annotations

import tempfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from terret.errors import SuiteError
from terret.gym._suite import SuiteTask
from terret.task import Repository, Task, load_task

if TYPE_CHECKING:
    from terret.sandbox import Workspace


class StarterLong:
    """The suite; ``data`` may name another folder of the form ``repo/``, ``ID/{task.yaml, reference.patch}``.

    The tasks come in the order of their folders' names. Each has as its repository the start with the references of
    those before it, so that it can also be validated and run alone.
    """

    name = "starter-long"
    title = "built in, a sequence in one repository; or a folder with repo/, ID/task.yaml, ID/reference.patch"
    needs_data = False
    is_sequence = True

    def tasks(self, data: Path | None) -> list[SuiteTask]:
        """One task for each folder with a ``task.yaml``, by name.

        Raises:
            SuiteError: There is none, or one before the last has no reference.
            TaskError: A task file has a problem.
            PackageError: A reference does not apply to what those before it make.
        """
        from terret.sandbox import Workspace

        folder = Path(str(files("terret.gym") / "starter" / "long")) if data is None else data
        found = sorted(folder.glob("*/task.yaml"))
        if not found or not (folder / "repo").is_dir():
            raise SuiteError("no sequence in this folder", where=str(folder), hint="it must hold repo and ID/task.yaml")
        tasks: list[SuiteTask] = []
        with tempfile.TemporaryDirectory(prefix="terret-suite-") as scratch:
            start = Repository(path=str(folder.absolute() / "repo"))
            workspace = Workspace.create(Path(scratch) / "w", start, base_folder=None)
            for file in found:
                patch = file.with_name("reference.patch")
                script = file.with_name("scripted.yaml")
                if not patch.is_file() and file != found[-1]:
                    raise SuiteError("a task of a sequence has no reference", where=str(patch))
                reference = patch.read_bytes() if patch.is_file() else None
                task = _placed(load_task(file), workspace)
                known = str(script) if script.is_file() else None
                tasks.append(SuiteTask(file.parent.name, task, reference, task.metadata, known))
                workspace.apply(reference or b"")
        return tasks


def _placed(task: Task, workspace: Workspace) -> Task:
    content = {path: workspace.read(path).decode("utf-8") for path in workspace.paths(workspace.snapshot())}
    return msgspec.structs.replace(task, repository=Repository(files=content))
