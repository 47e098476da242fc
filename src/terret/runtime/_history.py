"""Keeps every state of the workspace in the package: an episode can then be replayed and forked anywhere."""

from __future__ import annotations

from terret.journal import Event, HistoryKept, Journal, Outcome
from terret.sandbox import Workspace

MOST_BYTES = 64 << 20
"""A larger history stays out of the package."""


def trees_of(events: list[Event]) -> list[str]:
    """Every state of the workspace that an effect left, in order, each once."""
    trees = [event.data.tree for event in events if isinstance(event.data, Outcome) and event.data.tree]
    return list(dict.fromkeys(trees))


def keep_history(journal: Journal, workspace: Workspace, start: str) -> HistoryKept:
    """Put what the workspace went through from ``start`` on into the blobs, unless that would tell a secret."""
    trees = [start, *trees_of(journal.events())]
    kept = workspace.bundle(trees)
    if len(kept.pack) > MOST_BYTES:
        return HistoryKept(len(trees), note=f"the history takes {len(kept.pack)} bytes, more than {MOST_BYTES}")
    if any(journal.holds_secret(content.decode("utf-8", "replace")) for content in kept.files):
        return HistoryKept(len(trees), note="a state of the workspace holds a secret")
    return HistoryKept(len(trees), journal.blobs.put(kept.pack))
