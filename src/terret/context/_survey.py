"""One look at a whole repository, from which every guide is written."""

from __future__ import annotations

from collections import Counter

from terret.context._conventions import conventions
from terret.context._imports import graph_of
from terret.context._manifests import Command, Manifests, read_manifests
from terret.context._outline import Outlines
from terret.context._repo import Repo, Texts, is_source, is_test
from terret.context._symbol import Symbol
from terret.context._testing import Testing, commands, read_testing


class Survey:
    """What a repository holds.

    Args:
        repo: The repository.
    """

    def __init__(self, repo: Repo) -> None:
        self.texts = Texts(repo)
        self.graph = graph_of(self.texts)
        self.manifests: Manifests = read_manifests(self.texts)
        self.testing: Testing = read_testing(self.texts, self.graph, self.manifests)
        self.conventions: list[str] = conventions(self.texts, self.manifests)
        self.commands: list[Command] = commands(self.manifests, self.testing)
        self.sources = [path for path in self.texts.paths if is_source(path) and not is_test(path)]
        self.used = Counter(
            target for path, targets in self.graph.items() if not is_test(path) for target in sorted(targets)
        )
        self._outlines = Outlines()

    def outline(self, path: str) -> list[Symbol]:
        """The definitions of a file."""
        return self._outlines.of(path, self.texts[path])

    def rooms(self) -> dict[str, list[str]]:
        """Folder to its own sources, for every folder that has any; ``.`` is the root."""
        found: dict[str, list[str]] = {}
        for path in self.sources:
            found.setdefault(path.rpartition("/")[0] or ".", []).append(path)
        return dict(sorted(found.items()))

    def room_imports(self) -> dict[str, list[str]]:
        """Folder to the other folders its sources import from, most used first."""
        uses: dict[str, Counter[str]] = {}
        for path in self.sources:
            room = path.rpartition("/")[0] or "."
            for target in self.graph.get(path, ()):
                other = target.rpartition("/")[0] or "."
                if other != room and not is_test(target):
                    uses.setdefault(room, Counter())[other] += 1
        return {
            room: [name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
            for room, counts in sorted(uses.items())
        }
