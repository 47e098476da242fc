"""Project memory: notes and known failures that outlive an episode, one append-only file per repository."""

from __future__ import annotations

from terret.memory._memory import ProjectMemory, memory_for, repository_identity
from terret.memory._note import TEXT_LIMIT, Note, NoteKind, new_note, normalise
from terret.memory._render import RENDER_LIMIT

__all__ = [
    "RENDER_LIMIT",
    "TEXT_LIMIT",
    "Note",
    "NoteKind",
    "ProjectMemory",
    "memory_for",
    "new_note",
    "normalise",
    "repository_identity",
]
