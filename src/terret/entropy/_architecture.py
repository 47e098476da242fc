"""Imports that cross a boundary: declared rules, cycles, private modules."""

from __future__ import annotations

from collections.abc import Iterator

from terret.entropy._burden import Burden, burden
from terret.entropy._change import Change, FileDiff
from terret.entropy._contracts import Contract, Rules, contracts, verdict
from terret.entropy._graph import Edge, Graph, module_of
from terret.entropy._paths import is_python, is_script, is_test


def architecture(change: Change, rules: Rules) -> Iterator[Burden]:
    """Every new import that crosses a boundary."""
    new, old = Graph(change), Graph(change, old=True)
    declared = contracts(rules, change)
    moved = {_key(edge) for path in change.deleted for edge in old.edges(path)}
    for file in change.written(lambda path: is_python(path) or is_script(path)):
        before = {_key(edge) for edge in old.edges(file.path)} if file.old is not None else moved
        edges = [edge for edge in new.edges(file.path) if _key(edge) not in before]
        yield from _rules(file, edges, declared)
        if not is_test(file.path):
            yield from _cycles(file, edges, new, old)
            yield from _private(file, edges)


def _key(edge: Edge) -> tuple[str, bool]:
    return edge.target, edge.late or edge.typing


def _rules(file: FileDiff, edges: list[Edge], declared: list[Contract]) -> Iterator[Burden]:
    source = (_module(file.path), file.path)
    told: set[str] = set()
    for edge in edges:
        for contract in declared:
            if edge.typing and not contract.typing:
                continue
            reason = verdict(contract, source, (edge.target, edge.path or edge.target))
            if reason and reason not in told:
                told.add(reason)
                line = file.new_lines[edge.line - 1].strip()
                yield burden("import_rule", file.path, edge.line, f"{line} ({reason})")


def _module(path: str) -> str:
    return module_of(path) if is_python(path) else path


def _cycles(file: FileDiff, edges: list[Edge], new: Graph, old: Graph) -> Iterator[Burden]:
    """The first new import through which a file imports itself, unless it did before."""
    for edge in edges:
        if not edge.path or edge.late or edge.typing or edge.path == file.path:
            continue
        way = new.reaches(edge.path, file.path)
        if way and not (old.reaches(edge.path, file.path) and old.reaches(file.path, edge.path)):
            severity = 1 if any(_is_own_package(path, way) for path in way) else None
            yield burden("import_cycle", file.path, edge.line, " -> ".join([file.path, *way]), severity)
            return


def _is_own_package(path: str, way: list[str]) -> bool:
    """Whether a step of a cycle is the package another step lies in, which Python's packages often do."""
    inside = path.removesuffix("__init__.py")
    return inside != path and any(other != path and other.startswith(inside) for other in way)


def _private(file: FileDiff, edges: list[Edge]) -> Iterator[Burden]:
    """Modules whose name begins with an underscore, imported from outside their package."""
    if not is_python(file.path):
        return
    mine = module_of(file.path)
    for edge in edges:
        parts = edge.target.split(".")
        at = next((at for at, part in enumerate(parts) if part.startswith("_") and not part.startswith("__")), 0)
        package = ".".join(parts[:at])
        if edge.path and at and not (mine == package or mine.startswith(package + ".")):
            yield burden("private_import", file.path, edge.line, file.new_lines[edge.line - 1])
