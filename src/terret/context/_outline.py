"""The outline of a source file, by the best means its language has here."""

from __future__ import annotations

import ast
import re
from hashlib import sha256

from terret.context._repo import suffix
from terret.context._symbol import Symbol, cut

_SCRIPTS = frozenset([".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx"])


def outline(path: str, text: str) -> list[Symbol]:
    """The definitions of a file in the order of their lines.

    Python is parsed by ``ast``, and line by line where it does not parse; JavaScript and TypeScript by tree-sitter
    when the extra ``context`` is installed, else line by line. Other languages have no outline.
    """
    end = suffix(path)
    if end in (".py", ".pyi"):
        return _python(path, text)
    if end not in _SCRIPTS:
        return []
    from terret.context._script import by_lines
    from terret.context._tree import by_tree

    found = by_tree(path, text)
    return by_lines(path, text) if found is None else found


class Outlines:
    """Outlines made once for each path and content."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, bytes], list[Symbol]] = {}

    def of(self, path: str, text: str) -> list[Symbol]:
        """The outline of a text under a path."""
        key = (path, sha256(text.encode("utf-8", "replace")).digest())
        if key not in self._made:
            self._made[key] = outline(path, text)
        return self._made[key]


def _python(path: str, text: str) -> list[Symbol]:
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _broken_python(path, text)
    found: list[Symbol] = []
    lines = text.splitlines()
    for node in _top(module.body):
        if isinstance(node, ast.ClassDef):
            found.append(_definition(path, lines, node, ""))
            members = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
            found += [_definition(path, lines, item, node.name) for item in members]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(_definition(path, lines, node, ""))
        else:
            found += _constants(path, lines, node)
    return sorted(found, key=lambda symbol: (symbol.start, symbol.end, symbol.name))


def _top(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a module, those below ``if`` and ``try`` included."""
    found: list[ast.stmt] = []
    for node in body:
        if isinstance(node, ast.If):
            found += _top(node.body) + _top(node.orelse)
        elif isinstance(node, ast.Try):
            handlers = [item for handler in node.handlers for item in handler.body]
            found += _top(node.body) + _top(handlers) + _top(node.orelse)
        else:
            found.append(node)
    return found


def _definition(
    path: str, lines: list[str], node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, parent: str
) -> Symbol:
    first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
    # A body on the line of the definition still gives a signature up to it.
    head = "\n".join(lines[node.lineno - 1 : max(node.lineno, node.body[0].lineno - 1)])
    signature = cut(re.sub(r":\s*(?:#.*)?$", "", head.strip()))
    document = (ast.get_docstring(node, clean=True) or "").split("\n", 1)[0]
    kind = "class" if isinstance(node, ast.ClassDef) else "method" if parent else "function"
    return Symbol(node.name, kind, path, first, node.end_lineno or node.lineno, parent, signature, cut(document))


def _constants(path: str, lines: list[str], node: ast.stmt) -> list[Symbol]:
    """Names assigned at the top of a module."""
    if isinstance(node, ast.Assign):
        targets = [item for item in node.targets if isinstance(item, ast.Name)]
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        targets = [node.target]
    else:
        return []
    line = cut(lines[node.lineno - 1]) if node.lineno <= len(lines) else ""
    end = node.end_lineno or node.lineno
    return [Symbol(item.id, "constant", path, node.lineno, end, signature=line) for item in targets]


_BROKEN = re.compile(
    r"^(?P<indent>[ \t]*)(?P<head>(?:async[ \t]+)?(?P<word>def|class)[ \t]+(?P<name>\w+)[^\n]*)$", re.M
)


def _broken_python(path: str, text: str) -> list[Symbol]:
    """Definitions of a text that does not parse, by indentation."""
    lines = text.splitlines()
    found: list[Symbol] = []
    parent, parent_indent = "", -1
    for match in _BROKEN.finditer(text):
        indent = len(match["indent"].expandtabs(4))
        if indent <= parent_indent:
            parent, parent_indent = "", -1
        if indent and not parent:
            continue
        start = text.count("\n", 0, match.start()) + 1
        end = _block_end(lines, start, indent)
        kind = "class" if match["word"] == "class" else "method" if parent else "function"
        found.append(Symbol(match["name"], kind, path, start, end, parent, cut(match["head"].rstrip(": \t"))))
        if kind == "class" and not indent:
            parent, parent_indent = match["name"], indent
    return found


def _block_end(lines: list[str], start: int, indent: int) -> int:
    """The last line with text of the block whose head is line ``start``."""
    end = start
    for number in range(start + 1, len(lines) + 1):
        line = lines[number - 1]
        if not line.strip():
            continue
        if len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip()) <= indent and not line.lstrip().startswith(")"):
            break
        end = number
    return end
