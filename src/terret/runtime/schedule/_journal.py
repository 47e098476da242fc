"""What a scheduler asks of its journal: to hold a bounded part in memory, and to leave commits to it."""

from __future__ import annotations

from typing import Final

from terret.journal import Journal

KEPT: Final = 4096
"""Durable events held in memory, unless the journal was told otherwise: nothing looks back."""

GROUP: Final = 200
"""Events that may wait for their commit: what ends in one turn of the loop shares one."""


def prepare(journal: Journal) -> None:
    """Make a journal fit for a host that drives many processes for a long time."""
    journal.commit_every = max(journal.commit_every, GROUP)
    if journal.kept is None:
        journal.keep(KEPT)
