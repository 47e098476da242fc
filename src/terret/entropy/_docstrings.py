"""Docstrings that describe parameters their function does not have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from terret.entropy._burden import Burden, burden
from terret.entropy._change import Change, FileDiff
from terret.entropy._paths import is_python
from terret.entropy._python import Definition, definitions

_FIELD = re.compile(r"^\s*:(?:param|parameter|arg|argument|key|keyword)\s+(?:[^:\s]+\s+)?\*{0,2}(\w+)\s*:")
_SECTION = re.compile(r"^(\s*)(?:Args|Arguments|Parameters|Keyword Args|Keyword Arguments):\s*$")
_ENTRY = re.compile(r"^(\s+)\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:")
_NUMPY = re.compile(r"^(\s*)(?:Other )?Parameters\s*$")


def docstrings(change: Change) -> Iterator[Burden]:
    """Described parameters that the patch took away, or that it describes without their being there."""
    for file in change.written(is_python):
        new, old = change.tree(file.path), change.tree(file.path, old=True)
        if new is None:
            continue
        before = definitions(old) if old is not None and file.old is not None else {}
        for name, node in definitions(new).items():
            yield from _function(file, node, before.get(name))


def _function(file: FileDiff, node: Definition, before: Definition | None) -> Iterator[Burden]:
    known = _parameters(node)
    document = ast.get_docstring(node, clean=False)
    if known is None or document is None:
        return
    lost = (_parameters(before) or set[str]()) if before is not None else set[str]()
    first = node.body[0].lineno
    for offset, name in _described(document):
        line = first + offset
        if name not in known and (name in lost or line in file.added_numbers):
            yield burden("stale_docstring", file.path, line, f"{node.name} has no parameter {name}")


def _parameters(node: Definition) -> set[str] | None:
    """Names of the parameters, those of ``__init__`` for a class; nothing when it takes any keyword."""
    if isinstance(node, ast.ClassDef):
        made = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
        return _parameters(made[0]) if made else None
    arguments = node.args
    if arguments.kwarg is not None:
        return None
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return {item.arg for item in named} | ({arguments.vararg.arg} if arguments.vararg else set[str]())


def _described(document: str) -> Iterator[tuple[int, str]]:
    """Line offsets and names of described parameters, in the styles of Google, Sphinx and NumPy."""
    rows = document.split("\n")
    inside: int | None = None
    numpy = False
    entry = 0
    for at, row in enumerate(rows):
        if match := _FIELD.match(row):
            yield at, match[1]
        indent = len(row) - len(row.lstrip())
        if (section := _SECTION.match(row)) is not None:
            inside, numpy, entry = len(section[1]), False, 0
        elif (section := _NUMPY.match(row)) and at + 1 < len(rows) and set(rows[at + 1].strip()) == {"-"}:
            inside, numpy, entry = len(section[1]), True, indent
        elif inside is not None and row.strip():
            if numpy and at + 1 < len(rows) and set(rows[at + 1].strip()) == {"-"}:
                inside = None
            elif numpy and indent == entry and (named := re.match(r"\s*\*{0,2}(\w+)\s*(?::|$)", row)):
                yield at, named[1]
            elif not numpy and indent <= inside:
                inside = None
            elif not numpy and (match := _ENTRY.match(row)) and len(match[1]) == (entry or len(match[1])):
                entry = len(match[1])
                yield at, match[2]
