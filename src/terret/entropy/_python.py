"""Reads Python modules: definitions, imports, uses, comments."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_BLOCKS = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.With,
    ast.AsyncWith,
    ast.ExceptHandler,
    ast.Match,
    ast.match_case,
)
WORD = re.compile(r"[^\W\d]\w*")


class Import(NamedTuple):
    """One imported name.

    ``module`` is as written, with ``level`` leading dots; ``name`` is what is taken out of it (empty for
    ``import module``); ``bound`` the local name. ``late`` is inside a function, ``guarded`` in a ``try`` that catches
    its failure, ``typing`` below ``if TYPE_CHECKING``; the statement
    begins on the line ``first``.
    """

    module: str
    level: int
    name: str
    bound: str
    line: int
    late: bool
    guarded: bool
    typing: bool
    first: int = 0


class Comment(NamedTuple):
    """A comment without its mark; ``own`` when nothing else is on the line, ``block`` inside ``/* */``."""

    line: int
    text: str
    own: bool
    block: bool = False


def top_definitions(tree: ast.Module) -> dict[str, Definition]:
    """Functions and classes of the module itself, conditional ones too."""
    found: dict[str, Definition] = {}
    for node in _statements(tree.body):
        if isinstance(node, Definition):
            found[node.name] = node
    return found


def definitions(tree: ast.Module) -> dict[str, Definition]:
    """Functions, classes and methods by qualified name; functions inside functions are left out."""
    found: dict[str, Definition] = {}

    def collect(body: Sequence[ast.stmt], prefix: str) -> None:
        for node in _statements(body):
            if isinstance(node, Definition):
                found[prefix + node.name] = node
            if isinstance(node, ast.ClassDef):
                collect(node.body, f"{prefix}{node.name}.")

    collect(tree.body, "")
    return found


def constants(tree: ast.Module) -> set[str]:
    """Names in capitals that the module assigns."""
    return {name for name in assigned(tree.body) if name.isupper() and len(name) > 2}


def assigned(body: Sequence[ast.stmt]) -> set[str]:
    """Names a block assigns itself."""
    targets: list[ast.expr] = []
    for node in _statements(body):
        if isinstance(node, ast.Assign):
            targets += node.targets
        elif isinstance(node, ast.AnnAssign | ast.AugAssign):
            targets.append(node.target)
    return {item.id for target in targets for item in ast.walk(target) if isinstance(item, ast.Name)}


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a block and of the ``if``, ``try`` and ``with`` blocks in it."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from _statements([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            handled = [item for handler in node.handlers for item in handler.body]
            yield from _statements([*node.body, *handled, *node.orelse, *node.finalbody])
        elif isinstance(node, ast.With):
            yield from _statements(node.body)


@lru_cache(maxsize=128)
def imports(tree: ast.Module) -> tuple[Import, ...]:
    """Every import of a module, in order."""
    return tuple(_imports(tree.body, late=False, guarded=False, typing=False))


def _imports(body: Sequence[ast.AST], *, late: bool, guarded: bool, typing: bool) -> Iterator[Import]:
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                yield Import(alias.name, 0, "", bound, node.lineno, late, guarded, typing, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                bound = alias.asname or alias.name
                yield Import(
                    node.module or "", node.level, alias.name, bound, alias.lineno, late, guarded, typing, node.lineno
                )
        elif isinstance(node, ast.Try):
            caught = guarded or any(_catches_import(handler) for handler in node.handlers)
            yield from _imports(node.body, late=late, guarded=caught, typing=typing)
            rest = [*node.handlers, *node.orelse, *node.finalbody]
            yield from _imports(rest, late=late, guarded=caught, typing=typing)
        elif isinstance(node, ast.If):
            only = typing or dotted(node.test).rpartition(".")[2] == "TYPE_CHECKING"
            yield from _imports(node.body, late=late, guarded=guarded, typing=only)
            yield from _imports(node.orelse, late=late, guarded=guarded, typing=typing)
        elif isinstance(node, _BLOCKS):
            inside = late or isinstance(node, Function)
            yield from _imports(list(ast.iter_child_nodes(node)), late=inside, guarded=guarded, typing=typing)


def _catches_import(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(name in ast.unparse(handler.type) for name in ("ImportError", "ModuleNotFoundError", "Exception"))


def docstring_nodes(tree: ast.Module | Definition) -> list[ast.Constant]:
    """The docstrings of module, classes and functions."""
    found: list[ast.Constant] = []
    queue: list[ast.AST] = [tree]
    while queue:
        node = queue.pop()
        if isinstance(node, ast.Module | Definition) and node.body:
            first = node.body[0]
            value = first.value if isinstance(first, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.append(value)
        queue += [item for item in ast.iter_child_nodes(node) if isinstance(item, ast.stmt | ast.ExceptHandler)]
    return sorted(found, key=lambda item: item.lineno)


def used_names(node: ast.Module | Definition) -> Counter[str]:
    """How often names are read, and stand in strings that are no docstrings."""
    documents = {id(item) for item in docstring_nodes(node)}
    found: Counter[str] = Counter()
    for item in ast.walk(node):
        if isinstance(item, ast.Name) and not isinstance(item.ctx, ast.Store):
            found[item.id] += 1
        elif isinstance(item, ast.Constant) and isinstance(item.value, str) and id(item) not in documents:
            found.update(WORD.findall(item.value[:10_000]))
    return found


def comments(text: str) -> list[Comment]:
    """The comments of a Python module; of the part that can be read when it is broken."""
    found: list[Comment] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                own = not token.line[: token.start[1]].strip()
                found.append(Comment(token.start[0], token.string[1:], own))
    except (tokenize.TokenError, SyntaxError, IndentationError):
        return found
    return found


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of a name or attribute; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = dotted(node.value)
        return f"{left}.{node.attr}" if left else ""
    return ""


def enclosing(tree: ast.Module, line: int) -> list[Definition]:
    """The definitions around a line, outermost first."""
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, Definition) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return sorted(found, key=lambda node: node.lineno)


def parse_error(text: str) -> tuple[int, str] | None:
    """Line and reason why a text is no Python; nothing when it is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return error.lineno or 0, error.msg
    except (ValueError, RecursionError, MemoryError) as error:
        return 0, str(error) or type(error).__name__
    return None
