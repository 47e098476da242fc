"""Tests that test less. What was found by someone else is taken over; otherwise tests are counted, not understood."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from terret.entropy._burden import CUT, Burden, burden
from terret.entropy._change import Change, FileDiff, mentions
from terret.entropy._paths import is_command, is_python, is_script, is_test
from terret.entropy._python import Function, dotted
from terret.entropy._script import scan
from terret.entropy._vanished import Vanished

_WEIGHTS = {"unsafe": 3, "declared": 2, "note": 1}
_SKIPS = re.compile(r"\b(?:skip\w*|xfail|expectedFailure)\b")
_ASSERTS = re.compile(
    r"assert|expect|raises|should|check|verify|ensure|fail$|warns|deprecated|approve|match_snapshot|validate|compare",
    re.IGNORECASE,
)
_MAY_BE_BARE = re.compile(
    r"not_(?:raise|fail|crash)|no_(?:error|exception|raise|crash)|without_(?:error|raising)|success|hashable|accept|allowed|valid|smoke|import|benchmark|raises?_nothing"
)
_SCRIPT_TEST = re.compile(
    r"(?<![\w$.])(?P<off>x|f)?(?P<word>it|test|describe|context|suite)(?P<mark>(?:\.\w+)*)\s*\(\s*[\"'`]"
)
_SCRIPT_ASSERT = re.compile(
    r"\b(?:assert|expect|should)\b|\bt\.(?:is|deepEqual|equal|true|false|throws|ok|not|like|pass|plan)\b|\.(?:should|rejects|throws)\b"
)


class _Test(NamedTuple):
    name: str
    line: int
    asserts: int
    cases: int
    skips: int
    only: bool
    body: str

    @property
    def measure(self) -> int:
        return self.asserts * max(1, self.cases)


_Pair = tuple[FileDiff, dict[str, _Test], dict[str, _Test]]


def tests(change: Change, gone: Vanished, weakened: Sequence[Mapping[str, Any]] | None) -> Iterator[Burden]:
    """What happened to the tests.

    Args:
        change: The change.
        gone: What the change took away.
        weakened: Findings of a closer look, ``{rule, path, evidence, severity}``; nothing when nobody looked.
    """
    for finding in weakened or ():
        severity = _WEIGHTS.get(str(finding.get("severity", "unsafe")), 3)
        evidence = " ".join(str(finding.get("evidence", "")).split())[:CUT]
        line = finding.get("line", 0)
        yield Burden(
            "test", severity, str(finding["rule"]), str(finding["path"]), line if isinstance(line, int) else 0, evidence
        )
    chosen = [file for file in change.files if is_test(file.path) and not is_command(file.path)]
    files = [file for file in chosen if is_python(file.path) or is_script(file.path)]
    pairs = [(file, _read(change, file, old=True), _read(change, file, old=False)) for file in files]
    if weakened is None:
        yield from _fewer(gone, pairs)
    for file, before, after in pairs:
        yield from _bare(file, before, after)
        yield from _shadowed(change, file)


def _read(change: Change, file: FileDiff, *, old: bool) -> dict[str, _Test]:
    text = file.old if old else file.new
    if text is None:
        return {}
    if is_script(file.path):
        return _script_tests(file.path, text)
    tree = change.tree(file.path, old=old)
    return _python_tests(tree) if tree is not None else {}


def _fewer(vanished: Vanished, pairs: Sequence[_Pair]) -> Iterator[Burden]:
    bodies = Counter(test.body for _, _, after in pairs for test in after.values())
    fresh = sum(test.measure for _, before, after in pairs for name, test in after.items() if name not in before)
    gone = [name.name for name in vanished.names]
    for file, before, after in pairs:
        spare = sum(test.measure for name, test in after.items() if name not in before)
        for name, test in before.items():
            now = after.get(name)
            if now is not None:
                yield from _less(file, test, now)
            elif test.asserts and not bodies[test.body] and spare < test.measure and fresh < test.measure:
                if not any(mentions(test.body, word) for word in gone):
                    yield burden("test_removed", file.path, test.line, f"{name} is gone")
            else:
                spare -= test.measure
        for test in after.values():
            if test.only and not any(other.only for other in before.values()):
                yield burden("only_added", file.path, test.line, file.new_lines[test.line - 1])


def _less(file: FileDiff, old: _Test, new: _Test) -> Iterator[Burden]:
    shown = file.new_lines[new.line - 1].strip()
    if new.skips > old.skips:
        yield burden("skip_added", file.path, new.line, shown)
    elif new.cases < old.cases and new.measure < old.measure:
        yield burden("cases_removed", file.path, new.line, f"{shown}: {new.cases} cases, were {old.cases}")
    elif new.measure < old.measure:
        yield burden(
            "assertions_removed", file.path, new.line, f"{shown}: {new.asserts} assertions, were {old.asserts}"
        )


def _bare(file: FileDiff, before: Mapping[str, _Test], after: Mapping[str, _Test]) -> Iterator[Burden]:
    known = {test.body for test in before.values()}
    for name, test in after.items():
        if (
            name not in before
            and not test.asserts
            and not test.skips
            and test.body not in known
            and not _MAY_BE_BARE.search(name)
        ):
            yield burden("test_without_assertion", file.path, test.line, file.new_lines[test.line - 1])


def _python_tests(tree: ast.Module) -> dict[str, _Test]:
    found: dict[str, _Test] = {}
    helpers = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, Function) and not node.name.startswith("test") and _counts(node, set())
    }

    def collect(body: Sequence[ast.stmt], prefix: str, skips: int) -> None:
        for node in body:
            if isinstance(node, Function) and node.name.startswith("test") and not _is_fixture(node):
                found[prefix + node.name] = _python_test(node, prefix, skips, helpers)
            elif isinstance(node, ast.ClassDef):
                inherited = skips + sum(1 for item in node.decorator_list if _SKIPS.search(ast.unparse(item)))
                collect(node.body, f"{prefix}{node.name}.", inherited)

    marks = sum(
        1
        for node in tree.body
        if isinstance(node, ast.Assign | ast.Expr) and re.match(r"pytestmark.*skip|pytest\.skip", ast.unparse(node))
    )
    collect(tree.body, "", marks)
    return found


def _is_fixture(node: Function) -> bool:
    return any("fixture" in ast.unparse(item) for item in node.decorator_list)


def _python_test(node: Function, prefix: str, skips: int, helpers: set[str]) -> _Test:
    inside = sum(
        1
        for item in ast.walk(node)
        if isinstance(item, ast.Call) and _SKIPS.search(dotted(item.func).rpartition(".")[2])
    )
    marked = sum(1 for item in node.decorator_list if _SKIPS.search(ast.unparse(item)))
    body = "\n".join(ast.unparse(item) for item in node.body)
    cases = 1
    for item in node.decorator_list:
        if isinstance(item, ast.Call) and dotted(item.func).endswith("parametrize") and len(item.args) > 1:
            values = item.args[1]
            cases *= len(values.elts) if isinstance(values, ast.List | ast.Tuple | ast.Set) else 1
    return _Test(prefix + node.name, node.lineno, _counts(node, helpers), cases, skips + inside + marked, False, body)


def _counts(node: ast.AST, helpers: set[str]) -> int:
    """How many assertions there are; those of a constant do not count."""
    total = 0
    for item in ast.walk(node):
        if isinstance(item, ast.Assert):
            total += not isinstance(item.test, ast.Constant)
        elif isinstance(item, ast.Call):
            name = dotted(item.func).rpartition(".")[2] or (
                item.func.attr if isinstance(item.func, ast.Attribute) else ""
            )
            constant = bool(item.args) and all(isinstance(arg, ast.Constant) for arg in item.args)
            total += bool(name in helpers or _ASSERTS.search(name)) and not (
                name in ("assertTrue", "assertFalse") and constant
            )
        elif isinstance(item, ast.Raise):
            total += 1
    return total


def _script_tests(path: str, text: str) -> dict[str, _Test]:
    code = scan(path, text).code
    found: dict[str, _Test] = {}
    for match in _SCRIPT_TEST.finditer(code):
        opening = match.end() - 1
        quote = code[opening]
        title = text[opening + 1 : code.find(quote, opening + 1)] if code.find(quote, opening + 1) > 0 else ""
        end = _closing(code, code.find("(", match.start()))
        marks = set(match["mark"].split("."))
        body = text[match.end() : end]
        group = match["word"] in ("describe", "context", "suite")
        asserts = 0 if group else len(_SCRIPT_ASSERT.findall(code[match.end() : end]))
        line = code.count("\n", 0, match.start()) + 1
        skips = int(match["off"] == "x" or bool(marks & {"skip", "todo", "failing", "fails"}))
        only = match["off"] == "f" or "only" in marks
        if group and not (skips or only):
            continue
        found[title] = _Test(title, line, asserts or (1 if group else 0), 1, skips, only, body)
    return found


def _closing(code: str, opening: int) -> int:
    depth = 0
    for at in range(opening, len(code)):
        depth += (code[at] == "(") - (code[at] == ")")
        if depth == 0:
            return at
    return len(code)


def _shadowed(change: Change, file: FileDiff) -> Iterator[Burden]:
    """Python tests whose name a later one of the same scope takes over."""
    new, old = change.tree(file.path), change.tree(file.path, old=True) if file.old is not None else None
    if new is None or not is_python(file.path):
        return
    before = _doubles(old) if old is not None else {}
    for name, line in _doubles(new).items():
        if name not in before:
            yield burden("test_shadowed", file.path, line, file.new_lines[line - 1])


def _doubles(tree: ast.Module) -> dict[str, int]:
    found: dict[str, int] = {}
    scopes: list[tuple[str, Sequence[ast.stmt]]] = [("", tree.body)]
    for prefix, body in scopes:
        seen: set[str] = set()
        for node in body:
            if isinstance(node, ast.ClassDef):
                scopes.append((f"{prefix}{node.name}.", node.body))
            if isinstance(node, Function) and node.name.startswith("test"):
                if node.name in seen and not node.decorator_list:
                    found.setdefault(prefix + node.name, node.lineno)
                seen.add(node.name)
    return found
