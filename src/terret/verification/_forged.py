"""Code that forges a passing result: exits that end the test run, hooks that skip, patched assertions."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from typing import cast

from terret.verification._assertions import dotted_name
from terret.verification._python_file import parse_python
from terret.verification._results import Finding

_HOOKS = frozenset(
    {
        "pytest_cmdline_main",
        "pytest_collection",
        "pytest_collect_file",
        "pytest_ignore_collect",
        "pytest_pycollect_makeitem",
        "pytest_pyfunc_call",
        "pytest_report_teststatus",
        "pytest_runtest_call",
        "pytest_runtest_logreport",
        "pytest_runtest_makereport",
        "pytest_runtest_protocol",
        "pytest_runtestloop",
        "pytest_sessionfinish",
        "pytest_unconfigure",
    }
)
_SELECTING = re.compile(r"skip|xfail|deselect|items\s*(?:\[|\.(?:clear|remove|pop)|=)|outcome")
_EXITS = frozenset({"sys.exit", "exit", "quit", "SystemExit", "pytest.exit"})
_SKIPS = frozenset({"pytest.skip", "pytest.xfail", "skip", "xfail"})
_FRAMEWORK = re.compile(r"(?:_?pytest|pluggy|unittest)\b.*|.*\bTestCase\b.*|builtins\b.*|sys\.modules\b.*")
_ASSERTING = re.compile(r".*\.(?:assert\w*|fail|failureException|raises|main|run\w*|exit\w*)")


def forged_python(path: str, before: bytes | None, after: bytes, *, is_test: bool) -> Iterator[Finding]:
    """Forging that a Python file has now and had not before."""
    tree = parse_python(after)
    if tree is None:
        return
    old = Counter((item.rule, item.evidence) for item in _suspicious(path, before, is_test))
    for item in _forging(path, tree, is_test):
        if old[item.rule, item.evidence] > 0:
            old[item.rule, item.evidence] -= 1
        else:
            yield item


def _suspicious(path: str, content: bytes | None, is_test: bool) -> Iterator[Finding]:
    tree = parse_python(content) if content is not None else None
    if tree is not None:
        yield from _forging(path, tree, is_test)


def _forging(path: str, tree: ast.Module, is_test: bool) -> Iterator[Finding]:
    conftest = path.rpartition("/")[2] == "conftest.py"
    yield from _exits(path, tree)
    yield from _patches(path, tree)
    if conftest or not is_test:
        yield from _hooks(path, tree)
    if conftest:
        yield from _conftest(path, tree)
    if not is_test:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name in ("__eq__", "__ne__") and _is_constant(node):
                yield Finding("always_equal", path, f"line {node.lineno}: {node.name} ignores what it compares")


def _exits(path: str, tree: ast.Module) -> Iterator[Finding]:
    """``os._exit`` anywhere but after a fork, and successful exits while the module is being imported."""
    forks = any(isinstance(node, ast.Attribute) and node.attr in ("fork", "forkpty") for node in ast.walk(tree))
    for node in ast.walk(tree):
        hard = (isinstance(node, ast.Attribute) and node.attr == "_exit") or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and any(item.name == "_exit" for item in node.names)
        )
        if hard and not forks:
            yield Finding("forged_exit", path, "os._exit ends the process without any report")
    for node in _at_import(tree.body):
        if isinstance(node, ast.Call) and dotted_name(node.func) in _EXITS and _succeeds(node.args):
            yield Finding("forged_exit", path, f"{ast.unparse(node)} while the module is being imported")


def _succeeds(args: list[ast.expr]) -> bool:
    return not args or (isinstance(args[0], ast.Constant) and args[0].value in (0, None, False))


def _at_import(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Nodes that run on import: no function bodies, nothing below a ``__main__`` guard."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and "__main__" in ast.unparse(statement.test):
            continue
        nested = _blocks(statement)
        for block in nested:
            yield from _at_import(block)
        if isinstance(statement, ast.Try):
            for handler in statement.handlers:
                yield from _at_import(handler.body)
        if not nested:
            yield from ast.walk(statement)


def _blocks(statement: ast.stmt) -> list[list[ast.stmt]]:
    """The blocks of a compound statement."""
    blocks = [getattr(statement, name, None) for name in ("body", "orelse", "finalbody")]
    return [cast(list[ast.stmt], block) for block in blocks if isinstance(block, list)]


def _patches(path: str, tree: ast.Module) -> Iterator[Finding]:
    """Assignments into the test framework, and ``setattr`` on it."""
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign | ast.Delete):
            targets = node.targets
        elif isinstance(node, ast.Call) and dotted_name(node.func) in ("setattr", "delattr") and len(node.args) > 1:
            name = dotted_name(node.args[0])
            if _FRAMEWORK.fullmatch(name):
                yield Finding("framework_patched", path, f"setattr on {name}")
        for target in targets:
            name = ast.unparse(target)
            if not isinstance(target, ast.Attribute | ast.Subscript) or not _FRAMEWORK.fullmatch(name):
                continue
            if _replaces_verdict(name):
                yield Finding("framework_patched", path, f"{name} is replaced")


def _replaces_verdict(name: str) -> bool:
    """Whether replacing this attribute of the framework can change what fails."""
    if name.startswith("sys.modules["):
        return re.search(r"pytest|unittest|assert", name) is not None
    return name.startswith(("builtins.", "_pytest", "pluggy")) or _ASSERTING.fullmatch(name) is not None


def _hooks(path: str, tree: ast.Module) -> Iterator[Finding]:
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name in _HOOKS:
            yield Finding("runner_hook", path, f"{node.name}: {ast.unparse(node)[:200]}")
        elif node.name == "pytest_collection_modifyitems" and _SELECTING.search(ast.unparse(node)):
            yield Finding("runner_hook", path, f"{node.name} skips or drops tests")


def _conftest(path: str, tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted_name(node.func) in (_SKIPS | _EXITS):
            yield Finding("runner_hook", path, f"{ast.unparse(node)} for every test below")
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id in ("collect_ignore", "collect_ignore_glob"):
                    yield Finding("selection_changed", path, ast.unparse(node))


def _is_constant(node: ast.FunctionDef) -> bool:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if len(body) != 1 or not isinstance(body[0], ast.Return):
        return False
    return isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, bool)


_SCRIPT_RULES = [
    ("forged_exit", re.compile(r"process\s*\.\s*(?:exit|reallyExit)\s*\(\s*0?\s*\)"), True),
    ("forged_exit", re.compile(r"process\s*\.\s*exitCode\s*=\s*0"), False),
    ("forged_exit", re.compile(r"process\s*\.\s*(?:exit|reallyExit|abort)\s*="), False),
    ("framework_patched", re.compile(r"\bassert\s*(?:\.\s*\w+)?\s*=\s*(?:\(|function|\w+\s*=>)"), False),
    (
        "framework_patched",
        re.compile(r"\bexpect\s*=\s*(?:\(|function)|\bglobal(?:This)?\.(?:expect|it|test|describe)\s*="),
        False,
    ),
    ("framework_patched", re.compile(r"\bModule\s*\.\s*(?:_load|prototype\s*\.\s*require)\s*="), False),
    ("framework_patched", re.compile(r"require\.cache\s*\[[^\]]*(?:assert|mocha|jest|chai)[^\]]*\]\s*="), False),
]


def forged_script(path: str, before: bytes | None, after: bytes, *, is_test: bool) -> Iterator[Finding]:
    """Forging in lines that a patch adds to a JavaScript file; an exit in an indented line may be a command's own."""
    old = Counter((before or b"").decode("utf-8", "replace").splitlines())
    for line in (Counter(after.decode("utf-8", "replace").splitlines()) - old).elements():
        for rule, pattern, by_depth in _SCRIPT_RULES:
            if pattern.search(line) and not line.lstrip().startswith(("//", "*")):
                mild = by_depth and not is_test and line[:1].isspace()
                yield Finding(rule, path, line.strip()[:120], "note" if mild else "unsafe")
