"""What the Python suites share: the time limit of a test case, the interface check, filtered test files."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set

from terret.errors import SuiteError
from terret.task import Budget, Check, Limits

CHECK_TIMEOUT_S = 60.0
"""Wall seconds of one check. The cases' own limit of 12 s of processor time ends an endless loop before, so that only a
program that waits, or a machine under heavy load, gets here."""

BUDGET = Budget(steps=32, model_calls=16, tokens=200_000, wall=900.0, cost=1.0)
LIMITS = Limits(wall_s=30.0, cpu_s=30.0, memory_mb=1024)

PYTEST_INI = "[pytest]\naddopts = -p no:cacheprovider\n"

CASE_LIMIT = '''\
"""Limits the processor time of each test case and of all of them, so that an endless loop is a failed test."""

import signal
import time

import pytest

FIRST_SECONDS = 6.0
LATER_SECONDS = 0.25
ALL_SECONDS = 12.0

limit = FIRST_SECONDS
spent = 0.0


def stop(signum, frame):
    global limit
    allowed, limit = limit, LATER_SECONDS
    pytest.fail(f"this case was still running after {allowed:g} s")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    global spent
    if spent >= ALL_SECONDS:
        pytest.fail("not run: the cases before this one used up the time", pytrace=False)
    before = signal.signal(signal.SIGPROF, stop)
    started = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, limit, 0.25)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        spent += time.process_time() - started
'''
"""A conftest.py that needs pytest only.

It counts processor time, so that a busy machine fails no test; the slowest correct case of QuixBugs takes 2.5 s.
Once a case has run into the limit the next ones get less, since the program is known to be wrong. A case is stopped
with an outcome exception, which ``except Exception`` in the program under test does not swallow.
"""


def parse(source: str, where: str) -> ast.Module:
    """The syntax tree of a data file.

    Raises:
        SuiteError: It is not Python.
    """
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise SuiteError(f"a data file is not Python: {error}", where=where) from None


def interface_check(module: str, function: str, source: str, covers: tuple[str, ...]) -> Check | None:
    """A check that callers of ``function`` need not change: same leading parameters, none newly required."""
    for node in parse(source, module).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            named = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
            required = len(named) - len(node.args.defaults)
            code = (
                f"import inspect, {module} as m; s = inspect.signature(m.{function}); "
                f"assert list(s.parameters)[:{len(named)}] == {named!r}, s; s.bind(*range({required}))"
            )
            return Check("interface", f'python -c "{code}"', covers=covers, timeout_s=CHECK_TIMEOUT_S)
    return None


def imported_names(tree: ast.Module) -> set[str]:
    """First parts of the absolute module names a file imports."""
    return set(_imports(tree))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_functions(tree: ast.Module) -> list[str]:
    """Names of the top-level test functions, in the order of the file."""
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test")]


def without_functions(source: str, tree: ast.Module, names: Set[str]) -> str:
    """The source with the lines of some top-level functions taken out, everything else as it is."""
    lines: list[str | None] = list(source.splitlines(keepends=True))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in names:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            last = node.end_lineno or node.lineno
            lines[first - 1 : last] = [None] * (last - first + 1)
    return "".join(line for line in lines if line is not None)
