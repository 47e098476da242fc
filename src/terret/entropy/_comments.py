"""What comments give away: open ends, code switched off, checkers silenced."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from terret.entropy._burden import Burden, burden
from terret.entropy._change import Change, FileDiff, parse
from terret.entropy._paths import BRACES, HASHES, SCRIPT, base, is_document, is_python, is_source, suffix
from terret.entropy._python import Comment, comments, docstring_nodes
from terret.entropy._script import scan

_TODO = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b(?!-)")
_DOC_TODO = re.compile(r"\b(?:TODO|FIXME|XXX|TBD)\b(?!-)")
_DIRECTIVE = re.compile(
    r"!?\s*(?:noqa|nosec|nopep8|type:|pylint|pragma|mypy|pyright|ruff|fmt:|isort|yapf|flake8|eslint|prettier|@ts-|ts-"
    r"|coding[:=]|-\*-|region|endregion|istanbul|c8|jshint|global |sourceMappingURL|SPDX|cython:|distutils|language=)"
)
_BLANKET = re.compile(
    r"#\s*(?:noqa(?!\s*:|\s+[A-Z]+\d)|type:\s*ignore(?!\[)|pyright:\s*ignore(?!\[)|pylint:\s*(?:skip-file|disable=all)|mypy:\s*ignore-errors)"
    r"|(?://|/\*)\s*(?:eslint-disable(?:-next-line|-line)?\s*(?:\*/|$)|@ts-(?:ignore|nocheck|expect-error)\s*(?:\*/|$))"
)
_INTRODUCES = re.compile(
    r"(?:example|e\.g|for instance|usage|such as|like|format|looks|means|equivalent|syntax|call)\b.*|:\s*$",
    re.IGNORECASE,
)
_SCRIPT_CODE = re.compile(
    r"(?:(?:const|let|var|return|throw|await|delete)\b.+;|(?:if|for|while|switch)\s*\(.*[{;)]|\}?\s*else\b.*\{|import\b.+from\b.+|"
    r"export\s.+[{;]|(?:async\s+)?function\b.*\{|[\w$.\[\]\"']+\s*[+\-*/|&]?=[^=>].*;|[\w$.]+\([^\n]*\);|[\w$.]+\([^\n]*[({]|[})\]]+[;,)]*)\s*"
)


def remarks(change: Change) -> Iterator[Burden]:
    """Every new remark that is a burden."""
    for file in change.written(is_source):
        if file.status != "T":
            found = _comments_of(file)
            yield from _todos(change, file, found)
            yield from _switched_off(change, file, found)
            yield from _suppressions(file)
    for file in change.written(is_document):
        if not base(file.path).upper().startswith("TODO"):
            for line, text in file.added:
                if _DOC_TODO.search(text) and text.strip() not in change.removed_lines and "`" not in text:
                    yield burden("todo_in_docs", file.path, line, text)


def _suppressions(file: FileDiff) -> Iterator[Burden]:
    """Blanket suppressions, when there are more than before."""
    found = [(line, text) for line, text in file.added if _is_blanket(text)]
    if len(found) > sum(1 for _, text in file.removed if _is_blanket(text)):
        for line, text in found:
            yield burden("suppression_added", file.path, line, text)


def _is_blanket(text: str) -> bool:
    match = _BLANKET.search(text)
    return match is not None and not _in_string(text, match.start())


def _comments_of(file: FileDiff) -> list[Comment]:
    text = file.new or ""
    if is_python(file.path):
        return comments(text)
    if suffix(file.path) in SCRIPT | BRACES:
        return scan(file.path, text).comments
    if suffix(file.path) in HASHES:
        rows = [(number, line.strip()) for number, line in enumerate(file.new_lines, 1)]
        return [
            Comment(number, row[1:], own=True)
            for number, row in rows
            if row.startswith("#") and not row.startswith("#!")
        ]
    return []


def _in_string(text: str, at: int) -> bool:
    """Whether a place of a line lies between quotes, by counting them."""
    return text[:at].count('"') % 2 == 1 or text[:at].count("'") % 2 == 1


def _todos(change: Change, file: FileDiff, found: Sequence[Comment]) -> Iterator[Burden]:
    lines = {comment.line for comment in found if _TODO.search(comment.text)}
    tree = change.tree(file.path) if is_python(file.path) else None
    for node in docstring_nodes(tree) if tree is not None else ():
        rows = range(node.lineno, min(node.end_lineno or node.lineno, len(file.new_lines)) + 1)
        lines.update(row for row in rows if _TODO.search(file.new_lines[row - 1]))
    for line in sorted(lines & file.added_numbers):
        text = file.new_lines[line - 1]
        if text.strip() not in change.removed_lines:
            yield burden("todo_added", file.path, line, text)


def _switched_off(change: Change, file: FileDiff, found: Sequence[Comment]) -> Iterator[Burden]:
    own = [item for item in found if item.own and item.line in file.added_numbers]
    python = is_python(file.path)
    if not python and suffix(file.path) not in SCRIPT | BRACES:
        return
    for group in _groups(own):
        first = group[0].line
        above = file.new_lines[first - 2].strip() if first > 1 else ""
        for at, run in _python_runs(group) if python else _script_runs(group):
            before = group[at - 1].text if at else (above if above.startswith(("#", "//", "*")) else "")
            lost = any(row.text.strip() in change.removed_lines for row in run if len(row.text.strip()) > 5)
            moved = all(file.new_lines[row.line - 1].strip() in change.removed_lines for row in run)
            if not moved and (lost or not _INTRODUCES.search(before)):
                shown = " / ".join(row.text.strip() for row in run[:3])
                yield burden("commented_out_code", file.path, run[0].line, shown)


def _groups(found: Sequence[Comment]) -> list[list[Comment]]:
    """Comments on consecutive lines, directives and documentation blocks left out."""
    kept = [item for item in found if item.text.strip() and not _DIRECTIVE.match(item.text.strip())]
    kept = [item for item in kept if not (item.block and item.text.lstrip().startswith("*"))]
    groups: list[list[Comment]] = [kept[:1]] if kept else []
    for before, item in pairwise(kept):
        if item.line == before.line + 1:
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups


def _python_runs(group: Sequence[Comment]) -> Iterator[tuple[int, list[Comment]]]:
    """The longest stretches that are Python, where each begins."""
    at = 0
    while at < len(group):
        for end in range(min(len(group), at + 40), at, -1):
            run = list(group[at:end])
            if _is_python([item.text for item in run]):
                yield at, run
                at = end
                break
        else:
            at += 1


def _is_python(rows: Sequence[str]) -> bool:
    """Whether lines are statements that do something, not words that happen to parse."""
    indents = [len(row) - len(row.lstrip()) for row in rows]
    text = "\n".join(row[min(indents) :] for row in rows)
    tree = parse(text) or (parse(text + "\n" + " " * 8 + "pass") if text.rstrip().endswith(":") else None)
    if tree is None:
        wrapped = parse("def _():\n" + "\n".join("    " + row for row in text.split("\n")))
        tree = ast.Module(wrapped.body[0].body, []) if wrapped else None  # type: ignore[attr-defined]
    if tree is None or not tree.body:
        return False
    return all(_parses_by_chance(node) is False for node in tree.body) or (
        len(tree.body) > 1 and sum(not _parses_by_chance(node) for node in tree.body) * 2 > len(tree.body)
    )


def _parses_by_chance(node: ast.stmt) -> bool:
    """Whether a statement may as well be prose."""
    if isinstance(node, ast.Expr):
        value = node.value.value if isinstance(node.value, ast.Await) else node.value
        return not isinstance(value, ast.Call)
    if isinstance(node, ast.AnnAssign):
        return not isinstance(node.annotation, ast.Name | ast.Subscript) or node.value is None
    if isinstance(node, ast.Return | ast.Raise | ast.Assert | ast.Delete | ast.Global | ast.Nonlocal):
        shown = ast.unparse(node)
        return not any(char in shown for char in "()[].+*/=<>") and len(shown.split()) <= 3
    return isinstance(node, ast.Pass | ast.Break | ast.Continue)


def _script_runs(group: Sequence[Comment]) -> Iterator[tuple[int, list[Comment]]]:
    """Stretches whose every line looks like a statement, at least one of them more than brackets."""
    at = 0
    while at < len(group):
        end = at
        while end < len(group) and _SCRIPT_CODE.fullmatch(group[end].text.strip()):
            end += 1
        run = list(group[at:end])
        if any(re.search(r"\w", item.text) for item in run):
            yield at, run
        at = max(end, at + 1)
