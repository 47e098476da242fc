"""The states of a workspace in a journal that machines share: what lets another machine go on with an episode."""

from __future__ import annotations

from terret.errors import SandboxError
from terret.journal import Journal
from terret.runtime._history import trees_of
from terret.sandbox import Workspace


class StateKeeper:
    """Hands every new state of the workspace to the journal, as what it has beyond the one before.

    Args:
        journal: One that is not shared keeps nothing.
        workspace: The agent's working copy.
        start: Its tree when the loop begins; every process makes that one itself.
    """

    def __init__(self, journal: Journal, workspace: Workspace, start: str) -> None:
        self._journal = journal if journal.shared else None
        self._workspace = workspace
        self._kept = [start, *trees_of(journal.events())] if journal.shared else []
        self._known = set(self._kept)

    def snapshot(self) -> str:
        """Store the present state, here and in the journal, where it is durable with the outcome that names it."""
        tree = self._workspace.snapshot()
        if self._journal is not None and tree not in self._known:
            self._keep(self._journal, tree)
        return tree

    def _keep(self, journal: Journal, tree: str) -> None:
        # The first state comes with everything that the start has beyond the repository.
        since = self._kept[-1:] if len(self._kept) > 1 else []
        journal.keep_state(tree, self._workspace.bundle([tree], since=since).pack)
        self._kept.append(tree)
        self._known.add(tree)


def take_in(journal: Journal, workspace: Workspace) -> None:
    """Give a workspace every state of it that the journal keeps and this machine has not seen."""
    trees = trees_of(journal.events())
    if journal.shared and not all(_has(workspace, tree) for tree in trees[-1:]):
        for pack in journal.states().values():
            workspace.unbundle(pack)


def _has(workspace: Workspace, tree: str) -> bool:
    try:
        workspace.paths(tree)
    except SandboxError:
        return False
    return True
