"""Project memory of runs of many episodes: below their folder, never that of the user."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from terret.gym._suite import SuiteTask

if TYPE_CHECKING:
    from terret.memory import ProjectMemory

MemoryMode = Literal["fresh", "shared"]
"""``fresh``: no episode learns from another. ``shared``: those with the same model, level and repository do."""

MEMORY = "memory"
"""Folder of the memories, below that of the run."""


def shared_memory(out: Path, task: SuiteTask, model: str, level: str) -> ProjectMemory:
    """The memory that the episodes of one model and level on a task's repository share."""
    from terret.memory import ProjectMemory, repository_identity

    name = sha256(msgspec.json.encode([model, level, repository_identity(task.task.repository)])).hexdigest()[:16]
    return ProjectMemory(out / MEMORY / name)
