"""Repair candidates for a Python file: single edits, the most suspicious lines first."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from terret.runtime.repair._expressions import Variant, variants

PRIOR = {
    "comparison": 0,
    "base-case": 1,
    "off-by-one": 1,
    "arguments": 1,
    "attribute": 1,
    "variable": 1,
    "arithmetic": 1,
    "boolean": 1,
    "condition": 1,
    "constant": 2,
    "index": 2,
    "guard": 2,
    "call": 2,
    "yield": 2,
    "operands": 3,
    "statement": 3,
    "indent": 3,
    "nesting": 3,
    "drop-operand": 4,
    "drop-index": 4,
    "drop-call": 4,
    "drop-unary": 4,
    "branches": 4,
}
"""Which operators come first on a line of equal suspicion; smaller is earlier."""

_ROOTS = ("test", "iter", "value", "exc", "msg")


class Candidate(NamedTuple):
    """A whole file with one edit: the line (from 1), the operator, and the text."""

    text: str
    line: int
    operator: str


def candidates(source: str, suspicion: Mapping[int, float], *, only: str | None = None) -> list[Candidate]:
    """Every single-edit change of a file that still parses, best first.

    Args:
        source: The file.
        suspicion: Line to score, from fault localisation; lines without a score come last, lines of a covered file
            that no failing test ran are left out when there is any score at all.
        only: Restrict the edits to the function or class of that name.
    """
    tree = ast.parse(source)
    lines = source.splitlines(keepends=True)
    found: dict[str, Candidate] = {}
    for scope in _scopes(tree, only):
        names = _names(scope)
        for statement in _statements(scope):
            if suspicion and statement.lineno not in suspicion:
                continue
            for text, operator in _changes(lines, statement, names):
                if text not in found and text != source and _parses(text):
                    found[text] = Candidate(text, statement.lineno, operator)
    return sorted(found.values(), key=lambda item: (-suspicion.get(item.line, 0.0), PRIOR[item.operator], item.line))


def _scopes(tree: ast.Module, only: str | None) -> list[ast.AST]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inner = {child for node in functions for child in ast.walk(node) if child is not node}
    outer = [node for node in functions if node not in inner]
    if only is not None:
        outer = [node for node in outer if node.name == only] or outer
    return list(outer or [tree])


def _statements(scope: ast.AST) -> Iterator[ast.stmt]:
    for node in ast.walk(scope):
        if isinstance(node, ast.stmt) and node is not scope and not _is_docstring(node):
            yield node


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _names(scope: ast.AST) -> list[str]:
    names: dict[str, None] = {}
    for node in ast.walk(scope):
        if isinstance(node, ast.arg):
            names[node.arg] = None
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names[node.id] = None
        elif isinstance(node, ast.Attribute):
            names[f".{node.attr}"] = None
    return list(names)


def _changes(lines: list[str], statement: ast.stmt, names: list[str]) -> Iterator[tuple[str, str]]:
    for field in _ROOTS:
        root = getattr(statement, field, None)
        if isinstance(root, ast.expr):
            for variant in (*variants(root, names), *_conditions(statement, field, root, names)):
                yield _with_text(lines, root, ast.unparse(ast.fix_missing_locations(variant.root))), variant.operator
    yield from _whole(lines, statement)


def _conditions(statement: ast.stmt, field: str, root: ast.expr, names: list[str]) -> Iterator[Variant]:
    """Strengthened, weakened, negated and guarded conditions."""
    if field != "test":
        return
    yield Variant(ast.UnaryOp(ast.Not(), root), "condition")
    if isinstance(statement, ast.While):
        yield Variant(ast.Constant(True), "condition")
    for name in (name for name in names if name[0] != "."):
        variable = ast.Name(name, ast.Load())
        yield Variant(ast.BoolOp(ast.And(), [root, variable]), "condition")
        yield Variant(ast.BoolOp(ast.Or(), [root, ast.UnaryOp(ast.Not(), variable)]), "condition")
        if isinstance(root, ast.Constant):
            yield Variant(variable, "condition")
    for holder in {
        ast.unparse(node.value): node.value for node in ast.walk(root) if isinstance(node, ast.Attribute)
    }.values():
        missing = ast.Compare(holder, [ast.Is()], [ast.Constant(None)])
        present = ast.Compare(holder, [ast.IsNot()], [ast.Constant(None)])
        yield Variant(ast.BoolOp(ast.Or(), [missing, root]), "guard")
        yield Variant(ast.BoolOp(ast.And(), [present, root]), "guard")


def _whole(lines: list[str], statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """Edits of a whole simple statement: dropped, moved one block out, or a plain assignment made to accumulate."""
    first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
    if isinstance(statement, ast.If | ast.For | ast.While | ast.With | ast.Try | ast.FunctionDef | ast.ClassDef):
        return
    indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    yield "".join([*lines[:first], f"{indent}pass\n", *lines[last:]]), "statement"
    if len(indent) >= 8 and last == first + 1:
        yield "".join([*lines[:first], lines[first][4:], *lines[last:]]), "indent"
    if last == first + 1:
        yield "".join([*lines[:first], "    " + lines[first], *lines[last:]]), "indent"
    if isinstance(statement, ast.AugAssign):
        other = ast.Sub() if isinstance(statement.op, ast.Add) else ast.Add()
        changed = ast.AugAssign(statement.target, other, statement.value)
        text = ast.unparse(ast.fix_missing_locations(changed))
        yield "".join([*lines[:first], f"{indent}{text}\n", *lines[last:]]), "arithmetic"


def _with_text(lines: list[str], node: ast.expr, text: str) -> str:
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    before = lines[first].encode()[: node.col_offset].decode()
    after = lines[last].encode()[node.end_col_offset :].decode()
    return "".join([*lines[:first], before + text + after, *lines[last + 1 :]])


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True
