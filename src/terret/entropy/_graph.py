"""Which modules of the repository import which."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple

from terret.entropy._change import Change
from terret.entropy._paths import base, folder, is_python, is_script, suffix
from terret.entropy._python import Import, imports
from terret.entropy._script import script_imports

_ROOT = re.compile(r"^(?:.*/)?(?:src|lib|python)/")
_ENDINGS = (
    "",
    ".js",
    ".ts",
    ".jsx",
    ".tsx",
    ".mjs",
    ".cjs",
    ".mts",
    ".cts",
    "/index.js",
    "/index.ts",
    "/index.jsx",
    "/index.tsx",
)


class Edge(NamedTuple):
    """One import: ``target`` is a dotted module or an npm package, ``path`` its file when it is of the repository.

    ``late`` does not run on import of the importing module; ``typing`` never runs.
    """

    source: str
    target: str
    path: str
    line: int
    late: bool
    typing: bool


class Graph:
    """The imports of a tree, read when asked for.

    Args:
        change: The change.
        old: The tree without the patch instead of the one with it.
    """

    def __init__(self, change: Change, *, old: bool = False) -> None:
        self.change = change
        self.old = old
        self.paths = change.old_paths if old else change.known
        self._edges: dict[str, list[Edge]] = {}
        self._modules: dict[str, str] | None = None

    def edges(self, path: str) -> list[Edge]:
        """The imports of one file, in order."""
        if path not in self._edges:
            self._edges[path] = list(self._read(path)) if path in self.paths else []
        return self._edges[path]

    def neighbours(self, path: str) -> set[str]:
        """Files of the repository that run when this one is imported."""
        return {edge.path for edge in self.edges(path) if edge.path and not edge.late and not edge.typing}

    def reaches(self, start: str, goal: str, limit: int = 2000) -> list[str]:
        """The shortest way from one file to another, both included; empty when there is none."""
        before: dict[str, str] = {start: ""}
        queue = [start]
        for path in queue:
            if path == goal:
                way = [path]
                while before[way[-1]]:
                    way.append(before[way[-1]])
                return way[::-1]
            for following in sorted(self.neighbours(path)):
                if following not in before and len(before) < limit:
                    before[following] = path
                    queue.append(following)
        return []

    def _read(self, path: str) -> Iterator[Edge]:
        if is_python(path):
            tree = self.change.tree(path, old=self.old)
            for item in imports(tree) if tree is not None else ():
                yield from self._python(path, item)
        elif is_script(path):
            text = (self.change.old_text(path) if self.old else self.change.text(path)) or ""
            for found in script_imports(path, text):
                target = self._script(path, found.source)
                yield Edge(path, target or found.source, target, found.line, found.late, found.typing)

    def _python(self, path: str, item: Import) -> Iterator[Edge]:
        module = item.module
        if item.level:
            package = module_of(path).split(".")
            if base(path) != "__init__.py":
                package = package[:-1]
            package = package[: len(package) - (item.level - 1)] if item.level > 1 else package
            module = ".".join([*package, *([module] if module else [])])
        inner = f"{module}.{item.name}" if item.name else module
        target = inner if inner in self.modules else module
        yield Edge(path, target, self.modules.get(target, ""), item.line, item.late, item.typing)

    @property
    def modules(self) -> dict[str, str]:
        """Dotted Python modules and their files."""
        if self._modules is None:
            self._modules = {module_of(path): path for path in sorted(self.paths, reverse=True) if is_python(path)}
        return self._modules

    def _script(self, path: str, source: str) -> str:
        if not source.startswith("."):
            return ""
        joined = posixpath.normpath(posixpath.join(folder(path), source))
        forms = [joined + ending for ending in _ENDINGS]
        if suffix(joined) in (".js", ".mjs", ".cjs"):
            forms.append(joined.removesuffix(suffix(joined)) + ".ts")
        return next((form for form in forms if form in self.paths), "")


def module_of(path: str) -> str:
    """The dotted name of a Python file, below ``src/`` where there is one."""
    plain = _ROOT.sub("", path, count=1).rpartition(".")[0]
    return plain.removesuffix("/__init__").replace("/", ".")
