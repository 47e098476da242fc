"""Puts corrected Python definitions in the place of the old ones, and tells whether two sources mean the same."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from hashlib import sha256

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class NotSpliceable(ValueError):
    """The reply does not hold definitions that fit the file; the message says why, for the model."""


def splice(original: str, reply: str) -> str:
    """``original`` with the definitions of ``reply`` put in the place of those of the same name.

    Definitions that are new go before the first one replaced, imports that are new to the top; other statements of
    the reply (examples, prints) are left out. A reply that is a lone method replaces the only method of that name.

    Raises:
        NotSpliceable: The reply does not parse, holds no definition, or none that the file has.
    """
    reply = textwrap.dedent(reply)
    try:
        new = ast.parse(reply)
    except (SyntaxError, ValueError) as error:
        raise NotSpliceable(f"your code is not valid Python: {error}") from None
    tree = ast.parse(original)
    definitions = [node for node in new.body if isinstance(node, Definition)]
    if not definitions:
        raise NotSpliceable("your reply holds no function or class definition")
    lines = original.splitlines(keepends=True)
    spans: list[tuple[int, int, str]] = []
    added: list[str] = []
    for node in definitions:
        found = _find(tree, node.name)
        source = _source(reply, node)
        if found is None:
            added.append(source)
        else:
            source = _with_docstring(source, reply, node, original, found)
            first, last = _span(found)
            indent = " " * found.col_offset
            spans.append((first, last, textwrap.indent(source, indent)))
    if not spans:
        names = ", ".join(node.name for node in tree.body if isinstance(node, Definition)) or "none"
        raise NotSpliceable(f"the file does not define {definitions[0].name}; it defines: {names}")
    spans.sort()
    for index, (first, last, text) in reversed(list(enumerate(spans))):
        before = "".join(f"{part}\n\n\n" for part in added) if index == 0 else ""
        lines[first:last] = [before + text + "\n"]
    return "".join([*(f"{text}\n" for text in _new_imports(tree, new)), *lines])


def specification(text: str) -> tuple[str, str]:
    """What a small Python file says about itself, and its code without that.

    The texts are the module's string statements and, with at most two definitions, their docstrings. A file that does
    not parse, or says nothing, comes back whole with an empty specification.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return "", text
    places = [node for node in tree.body if _is_text(node)]
    definitions = [node for node in tree.body if isinstance(node, Definition)]
    if len(definitions) <= 2:
        places += [node.body[0] for node in definitions if len(node.body) > 1 and _is_text(node.body[0])]
    said = [inspect.cleandoc(str(ast.literal_eval(ast.unparse(node)))) for node in places]
    lines = text.splitlines()
    for node in sorted(places, key=lambda node: -node.lineno):
        del lines[node.lineno - 1 : node.end_lineno]
    return "\n\n".join(said).strip(), "\n".join(lines).strip("\n")


def outline(text: str, said: str = "") -> str | None:
    """A Python file with the body of one function left open: its only one, or the only one that ``said`` names.

    ``None`` for every other file.
    """
    try:
        definitions = [node for node in ast.parse(text).body if isinstance(node, Definition)]
    except (SyntaxError, ValueError):
        return None
    if len(definitions) > 1:
        definitions = [node for node in definitions if re.search(rf"\b{re.escape(node.name)}\b", said)]
    if len(definitions) != 1 or isinstance(definitions[0], ast.ClassDef):
        return None
    function = definitions[0]
    body = function.body[1:] if _is_text(function.body[0]) else function.body
    if not body or body[0].lineno == function.lineno:
        return None
    lines = text.splitlines()
    indent = " " * body[0].col_offset
    return "\n".join([*lines[: body[0].lineno - 1], f"{indent}...", *lines[function.end_lineno :]]).strip("\n")


def meaning(path: str, text: str) -> str:
    """A digest that is equal for sources differing only in comments, docstrings, spacing or formatting."""
    shape = text
    if path.endswith(".py"):
        try:
            shape = ast.dump(_without_docstrings(ast.parse(text)))
        except (SyntaxError, ValueError, RecursionError):
            shape = " ".join(text.split())
    else:
        shape = " ".join(text.split())
    return sha256(f"{path}\0{shape}".encode("utf-8", "replace")).hexdigest()


def _find(tree: ast.Module, name: str) -> Definition | None:
    for node in tree.body:
        if isinstance(node, Definition) and node.name == name:
            return node
    inner = [node for node in ast.walk(tree) if isinstance(node, Definition) and node.name == name]
    return inner[0] if len(inner) == 1 else None


def _span(node: Definition) -> tuple[int, int]:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return first - 1, node.end_lineno or node.lineno


def _source(text: str, node: Definition) -> str:
    first, last = _span(node)
    return "\n".join(text.splitlines()[first:last])


def _with_docstring(source: str, reply: str, node: Definition, original: str, found: Definition) -> str:
    """The new source with the old docstring, when the reply left it out."""
    if not _is_text(found.body[0]) or _is_text(node.body[0]) or node.body[0].lineno == node.lineno:
        return source
    kept = original.splitlines()[found.body[0].lineno - 1 : found.body[0].end_lineno]
    kept = [line.removeprefix(" " * found.col_offset) for line in kept]
    first, _ = _span(node)
    at = node.body[0].lineno - 1 - first
    lines = source.splitlines()
    return "\n".join([*lines[:at], *kept, *lines[at:]])


def _new_imports(old: ast.Module, new: ast.Module) -> list[str]:
    known = {ast.dump(node) for node in ast.walk(old) if isinstance(node, ast.Import | ast.ImportFrom)}
    imports = [node for node in new.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return [ast.unparse(node) for node in imports if ast.dump(node) not in known]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [item for item in body if not _is_text(item)] or [ast.Pass()]  # type: ignore[attr-defined]
    return tree


def _is_text(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
