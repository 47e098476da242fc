"""The working copy an episode begins with: from the task's repository, or from an archive of it that was fetched."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from terret.sandbox import Workspace
from terret.task import Task


class Fetched(NamedTuple):
    """A repository that somebody else packed: its archive, where it came from, and the commit it stands for."""

    archive: bytes
    source: str
    commit: str | None


def begin_workspace(folder: Path, task: Task, base_folder: Path | None, fetched: Fetched | None) -> Workspace:
    """The working copy at the start of an episode."""
    if fetched is None:
        return Workspace.create(folder, task.repository, base_folder=base_folder)
    return Workspace.from_archive(folder, fetched.archive, source=fetched.source, commit=fetched.commit)
