"""Which file imports which, inside one repository: Python, JavaScript and TypeScript, C and C++."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from terret.context._repo import Repo, Texts, suffix

_PYTHON = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<module>\.*[\w.]*)[ \t]+import[ \t]*(?P<names>\([^)]*\)|[^\n#;]+)"
    r"|import[ \t]+(?P<plain>[\w., \t]+))",
    re.M,
)
_SCRIPT = re.compile(r"(?:\bfrom|\bimport|\brequire\s*\(|\bimport\s*\()\s*[\"'](?P<target>\.{1,2}/?[^\"'\n]*)[\"']")
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*\"(?P<target>[^\"\n]+)\"", re.M)
_LONG_STRINGS = re.compile(r'"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'')
_STRINGS = re.compile(_LONG_STRINGS.pattern + r'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|#[^\n]*')
_COMMENTED = re.compile(r"[ \t]*(?://|\*|/\*)")
_SCRIPT_ENDS = (
    "",
    ".js",
    ".ts",
    ".mjs",
    ".cjs",
    ".jsx",
    ".tsx",
    ".mts",
    "/index.js",
    "/index.ts",
    "/index.mjs",
    "/index.tsx",
)
_ROOTS = frozenset({"", "src", "lib", "python"})


def import_graph(repo: Repo) -> dict[str, set[str]]:
    """Every source file to the files of the repository that it imports.

    Imports are read from the text, so that files which do not parse count too; text in string literals does not.
    An import of a name that a package takes from one of its own modules counts for both.
    """
    return graph_of(Texts(repo))


def graph_of(texts: Texts) -> dict[str, set[str]]:
    """:func:`import_graph` over texts that are read once."""
    sources = texts.sources()
    modules = Modules(sources)
    graph: dict[str, set[str]] = {path: set() for path in sources}
    taken: dict[str, dict[str, str]] = {}
    wanted: list[tuple[str, str, list[str]]] = []
    for path in sources:
        end = suffix(path)
        if end in (".py", ".pyi"):
            for target, names in _python(path, texts[path], modules):
                graph[path].add(target)
                if names and path.endswith("__init__.py"):
                    taken.setdefault(path, {}).update(dict.fromkeys(names, target))
                wanted.append((path, target, names))
        else:
            graph[path].update(_others(path, texts[path], end, texts))
    for path, target, names in wanted:
        origins = taken.get(target, {})
        graph[path].update(origins[name] for name in names if name in origins)
    for path, found in graph.items():
        found.discard(path)
    return graph


class Modules:
    """Finds the file of a dotted Python name.

    Args:
        paths: Every source path of the repository.
    """

    def __init__(self, paths: list[str]) -> None:
        self._known: dict[str, list[str]] = {}
        for path in paths:
            if suffix(path) in (".py", ".pyi"):
                parts = path.rsplit(".", 1)[0].split("/")
                parts = parts[:-1] if parts[-1] == "__init__" else parts
                for at in range(len(parts)):
                    self._known.setdefault(".".join(parts[at:]), []).append(path)

    def find(self, name: str, importer: str) -> str | None:
        """The file that ``name`` means in a file, the nearest source root first; nothing for what is elsewhere."""
        best: tuple[int, str] | None = None
        for path in self._known.get(name, ()):
            root = _root(path, name)
            above = root.removesuffix("src").removesuffix("lib").rstrip("/")
            near = importer.startswith(root + "/") or (above != root and importer.startswith(above + "/"))
            if (root in _ROOTS or near) and (best is None or (-len(root), path) < best):
                best = (-len(root), path)
        return None if best is None else best[1]

    def at(self, name: str) -> str | None:
        """The file at exactly this place, counted from the repository's root."""
        place = name.replace(".", "/")
        exact = (f"{place}.py", f"{place}/__init__.py", f"{place}.pyi")
        return next((path for path in self._known.get(name, ()) if path in exact), None)


def _root(path: str, name: str) -> str:
    bare = path.rsplit(".", 1)[0].removesuffix("/__init__")
    return bare[: -len(name)].rstrip("/")


def _python(path: str, text: str, modules: Modules) -> Iterator[tuple[str, list[str]]]:
    """Imported files with the names taken from each; ``[]`` for a whole module."""
    if "import" not in text:
        return
    # Only strings over several lines can hold what looks like an import; short ones matter when they hold quotes.
    plain = "'''" not in text and text.count('"""') % 2 == 0
    code = (_LONG_STRINGS if plain else _STRINGS).sub("", text)
    for match in _PYTHON.finditer(code):
        if match["plain"] is not None:
            for item in match["plain"].split(","):
                words = item.split()
                found = modules.find(words[0], path) if words else None
                if found is not None:
                    yield found, []
            continue
        base = _absolute(match["module"], path)
        names = re.findall(r"([\w*]+)(?:[ \t]+as[ \t]+\w+)?", match["names"])
        rest: list[str] = []
        for name in names:
            inner = _module(f"{base}.{name}" if base else name, path, modules, match["module"])
            if inner is not None and name != "*":
                yield inner, []
            else:
                rest.append(name)
        found = _module(base, path, modules, match["module"]) if rest else None
        if found is not None:
            yield found, rest


def _module(name: str, path: str, modules: Modules, written: str) -> str | None:
    if written.startswith("."):
        return modules.at(name)
    return modules.find(name, path)


def _absolute(module: str, path: str) -> str:
    """A module name as dotted path from the repository's root when it is relative, else as it is."""
    level = len(module) - len(module.lstrip("."))
    if not level:
        return module
    folder = path.split("/")[:-1]
    above = folder[: len(folder) - (level - 1)] if level > 1 else folder
    return ".".join([*above, *([module[level:]] if module[level:] else [])])


def _others(path: str, text: str, end: str, texts: Texts) -> Iterator[str]:
    folder = posixpath.dirname(path)
    if end in (".c", ".h", ".cc", ".cpp", ".hpp"):
        for match in _INCLUDE.finditer(text):
            target = match["target"]
            near = posixpath.normpath(posixpath.join(folder, target))
            yield from [place for place in (near, target, f"include/{target}") if place in texts][:1]
        return
    for match in _SCRIPT.finditer(text):
        if _COMMENTED.match(text, text.rfind("\n", 0, match.start()) + 1):
            continue
        target = posixpath.normpath(posixpath.join(folder, match["target"]))
        bare = re.sub(r"\.[cm]?jsx?$", "", target)
        places = [target + ending for ending in _SCRIPT_ENDS] + [bare + ending for ending in (".ts", ".tsx", ".mts")]
        yield from [place for place in places if place in texts][:1]


def distances(graph: dict[str, set[str]], starts: set[str], limit: int = 3) -> dict[str, int]:
    """Imports to follow from any of ``starts`` to each file, at most ``limit``."""
    found = dict.fromkeys(sorted(starts), 0)
    layer = sorted(starts)
    step = 0
    while layer and step < limit:
        step += 1
        following: list[str] = []
        while layer:
            path = layer.pop()
            for target in sorted(graph.get(path, ())):
                if target not in found:
                    found[target] = step
                    following.append(target)
        layer = sorted(following)
    return found
