"""What a Python test file tests: its tests, their assertions and cases, and what switches them off."""

from __future__ import annotations

import ast
import copy
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from terret.verification._assertions import (
    RANK,
    Assertion,
    State,
    dotted_name,
    of_call,
    of_test,
    of_with,
    suppresses,
    swallows,
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
N = TypeVar("N", bound=ast.AST)
_INLINE_DEPTH = 4
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_NO_ARGUMENTS = ast.arguments([], [], None, [], [], None, [])
MODULE = "<module>"
"""The name under which the assertions outside every function are kept."""

_SKIPS = ("skip", "skipif", "skipIf", "skipUnless", "skipTest", "xfail", "expectedFailure", "importorskip", "exit")


@dataclass(slots=True)
class PythonTest:
    """One test, or one helper that asserts."""

    name: str
    fingerprint: str
    assertions: list[Assertion] = field(default_factory=list[Assertion])
    cases: Counter[str] = field(default_factory=Counter[str])
    skips: Counter[str] = field(default_factory=Counter[str])
    exits: int = 0
    literals: frozenset[str] = frozenset()
    callees: frozenset[str] = frozenset()
    decorators: frozenset[str] = frozenset()


@dataclass(slots=True)
class PythonFile:
    """One test file."""

    tests: dict[str, PythonTest] = field(default_factory=dict[str, PythonTest])
    helpers: dict[str, PythonTest] = field(default_factory=dict[str, PythonTest])
    skips: Counter[str] = field(default_factory=Counter[str])
    imported: frozenset[str] = frozenset()
    defined: frozenset[str] = frozenset()


def parse_python(content: bytes) -> ast.Module | None:
    """The syntax tree; nothing when the file is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def read_python(content: bytes) -> PythonFile | None:
    """What a test file tests; nothing when it cannot be read."""
    tree = parse_python(content)
    if tree is None:
        return None
    try:
        return _Reader(tree).read()
    except RecursionError:
        return None


class _Reader:
    """Reads one module."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.file = PythonFile()
        self.constants = _constants(tree.body)
        self.helpers = frozenset(
            node.name
            for node in ast.walk(tree)
            if isinstance(node, Function) and not node.name.startswith("test") and _asserts(node)
        )

    def read(self) -> PythonFile:
        self._scope(self.tree.body, "", Counter())
        loose = [node for node in self.tree.body if not isinstance(node, _DEFINITIONS)]
        whole = ast.FunctionDef(MODULE, _NO_ARGUMENTS, loose or [ast.Pass()], [])
        module = _Body(whole, self.constants, self.helpers).read(MODULE)
        if module.assertions:
            self.file.tests[MODULE] = module
        imported: set[str] = set()
        defined: set[str] = set()
        for node in self.tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                imported.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                defined.add(node.name)
            elif isinstance(node, ast.Assign):
                defined.update(target.id for target in node.targets if isinstance(target, ast.Name))
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                self._module_skip(node.value)
        self.file.imported, self.file.defined = frozenset(imported), frozenset(defined)
        return self.file

    def _module_skip(self, call: ast.Call) -> None:
        if dotted_name(call.func).rpartition(".")[2] in _SKIPS:
            self.file.skips[ast.unparse(call)] += 1

    def _scope(self, body: Sequence[ast.stmt], prefix: str, skips: Counter[str]) -> None:
        """Collect the tests of a module or class; later definitions replace earlier ones, as Python has it."""
        for node in body:
            if isinstance(node, Function):
                self._function(node, prefix, skips)
            elif isinstance(node, ast.ClassDef):
                if node.name.startswith("Test") or node.bases or prefix:
                    inherited = skips + _skip_decorators(node.decorator_list)
                    inherited += Counter(_switches(node.body))
                    self._scope(node.body, f"{prefix}{node.name}.", inherited)
            elif isinstance(node, ast.If):
                constant = _constant(node.test)
                self._scope([] if constant is False else node.body, prefix, skips)
                self._scope([] if constant is True else node.orelse, prefix, skips)
            elif isinstance(node, ast.Try):
                self._scope(node.body, prefix, skips)
            elif isinstance(node, ast.Assign | ast.Delete):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self.file.tests.pop(prefix + target.id, None)
        if not prefix:
            self.file.skips += Counter(_switches(body))

    def _function(self, node: Function, prefix: str, skips: Counter[str]) -> None:
        test = _Body(node, self.constants, self.helpers).read(prefix + node.name)
        if node.name.startswith("test") and not _is_fixture(node):
            test.skips += skips
            self.file.tests[test.name] = test
        elif node.name in self.helpers:
            self.file.helpers[test.name] = test


class _Body:
    """Reads one function."""

    def __init__(self, node: Function, constants: Mapping[str, ast.expr], helpers: frozenset[str]) -> None:
        self.node = node
        self.helpers = helpers
        self.constants = constants
        arguments = node.args
        params = {arg.arg for arg in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
        self.values = {**{k: v for k, v in constants.items() if k not in params}, **_single_values(node, params)}
        self.test = PythonTest("", "")

    def read(self, name: str) -> PythonTest:
        test, node = self.test, self.node
        test.name = name
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        test.fingerprint = "\n".join(ast.unparse(statement) for statement in body)
        test.skips = _skip_decorators(node.decorator_list)
        test.decorators = frozenset(ast.unparse(item) for item in node.decorator_list)
        self._parametrize()
        self._walk(body, "live")
        nodes = list(ast.walk(node))
        test.literals = frozenset(repr(item.value) for item in nodes if isinstance(item, ast.Constant))
        test.callees = frozenset(dotted_name(item.func) for item in nodes if isinstance(item, ast.Call))
        return test

    def _parametrize(self) -> None:
        for decorator in self.node.decorator_list:
            if isinstance(decorator, ast.Call) and dotted_name(decorator.func).endswith("parametrize"):
                values = [*decorator.args[1:2], *(word.value for word in decorator.keywords if word.arg == "argvalues")]
                for value in values:
                    self._cases(value, only=False)

    def _cases(self, node: ast.expr, *, only: bool) -> None:
        """Count the cases of a list of cases; an expression is one case, left out when ``only`` lists are wanted."""
        if isinstance(node, ast.Name) and node.id in self.constants:
            node = self.constants[node.id]
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            for item in node.elts:
                self._case(item)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                self.test.cases[f"{ast.unparse(key) if key else '**'}: {ast.unparse(value)}"] += 1
        elif not only:
            self.test.cases[ast.unparse(node)] += 1

    def _case(self, item: ast.expr) -> None:
        if isinstance(item, ast.Call) and dotted_name(item.func).endswith("param"):
            marks = [ast.unparse(word.value) for word in item.keywords if word.arg == "marks"]
            self.test.skips.update(mark for mark in marks if any(skip in mark for skip in _SKIPS))
            values = item.args
            item = values[0] if len(values) == 1 else ast.Tuple(list(values), ast.Load())
        self.test.cases[ast.unparse(item)] += 1

    def _walk(self, body: Sequence[ast.stmt], state: State) -> None:
        for statement in body:
            if isinstance(statement, ast.Assert):
                self._add(of_test(self._inlined(statement.test)), state)
            elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call | ast.Await):
                call = statement.value.value if isinstance(statement.value, ast.Await) else statement.value
                if isinstance(call, ast.Call) and self._call(call, state):
                    state = "dead" if state == "live" else state
            elif isinstance(statement, ast.Return | ast.Raise | ast.Continue | ast.Break):
                if isinstance(statement, ast.Return) and state != "dead":
                    self.test.exits += 1
                state = "dead"
            else:
                self._compound(statement, state)

    def _call(self, call: ast.Call, state: State) -> bool:
        """Note what a call asserts; whether it ends the test."""
        bare = dotted_name(call.func).rpartition(".")[2]
        if bare in _SKIPS:
            self.test.skips[ast.unparse(call)] += 1
            return True
        self._add(of_call(self._inlined(call), self.helpers), state)
        return False

    def _compound(self, statement: ast.stmt, state: State) -> None:
        if isinstance(statement, ast.If):
            constant = _constant(statement.test)
            branch: State = _weaker(state, "conditional")
            self._walk(statement.body, "dead" if constant is False else state if constant is True else branch)
            self._walk(statement.orelse, "dead" if constant is True else state if constant is False else branch)
        elif isinstance(statement, ast.For | ast.AsyncFor):
            self._cases(statement.iter, only=True)
            empty = isinstance(statement.iter, ast.List | ast.Tuple) and not statement.iter.elts
            self._walk(statement.body, "dead" if empty else state)
        elif isinstance(statement, ast.While):
            self._walk(statement.body, "dead" if _constant(statement.test) is False else state)
        elif isinstance(statement, ast.With | ast.AsyncWith):
            self._add(of_with(self._inlined(statement)), state)
            self._walk(statement.body, "dead" if suppresses(statement) else state)
        elif isinstance(statement, ast.Try):
            swallowed = any(swallows(handler.type) and not _objects(handler.body) for handler in statement.handlers)
            self._walk(statement.body, "dead" if swallowed else state)
            for handler in statement.handlers:
                self._walk(handler.body, _weaker(state, "conditional"))
            self._walk(statement.orelse, state)
            self._walk(statement.finalbody, state)
        elif isinstance(statement, ast.Match):
            for case in statement.cases:
                self._walk(case.body, _weaker(state, "conditional"))
        elif isinstance(statement, Function):
            self._walk(statement.body, state)

    def _add(self, found: list[Assertion], state: State) -> None:
        self.test.assertions += [item._replace(state=_weaker(state, item.state)) for item in found]

    def _inlined(self, node: N) -> N:
        """A copy with single-assigned names and module constants replaced by their values."""
        return _Inline(self.values).visit(copy.deepcopy(node))


class _Inline(ast.NodeTransformer):
    """Replaces names by the expressions they stand for, 4 levels deep."""

    def __init__(self, values: Mapping[str, ast.expr], depth: int = 0) -> None:
        self.values = values
        self.depth = depth

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self.values.get(node.id)
        if value is None or self.depth >= _INLINE_DEPTH or not isinstance(node.ctx, ast.Load):
            return node
        return _Inline(self.values, self.depth + 1).visit(copy.deepcopy(value))


def _weaker(one: State, other: State) -> State:
    return one if RANK[one] <= RANK[other] else other


def _constant(node: ast.expr) -> bool | None:
    """The truth of a constant condition; nothing when it depends on something."""
    if isinstance(node, ast.Constant):
        return bool(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = _constant(node.operand)
        return None if inner is None else not inner
    if isinstance(node, ast.List | ast.Tuple | ast.Dict):
        return bool(node.keys if isinstance(node, ast.Dict) else node.elts)
    return False if dotted_name(node) in ("TYPE_CHECKING", "typing.TYPE_CHECKING") else None


def _constants(body: Sequence[ast.stmt]) -> dict[str, ast.expr]:
    """Names a module assigns once, with their values."""
    seen: Counter[str] = Counter()
    values: dict[str, ast.expr] = {}
    for name, value in _assignments(body):
        seen[name] += 1
        if value is not None:
            values[name] = value
    return {name: value for name, value in values.items() if seen[name] == 1}


def _single_values(node: Function, params: set[str]) -> dict[str, ast.expr]:
    """Local names assigned once by a plain statement of the function's own block."""
    stores = Counter(
        item.id for item in ast.walk(node) if isinstance(item, ast.Name) and not isinstance(item.ctx, ast.Load)
    )
    known = {name: value for name, value in _assignments(node.body) if value is not None}
    return {name: value for name, value in known.items() if stores[name] == 1 and name not in params}


def _assignments(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.expr | None]]:
    for statement in body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                for item in ast.walk(target):
                    if isinstance(item, ast.Name):
                        yield item.id, statement.value if item is target else None
        elif isinstance(statement, ast.AnnAssign | ast.AugAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id, statement.value if isinstance(statement, ast.AnnAssign) else None


def _skip_decorators(decorators: Sequence[ast.expr]) -> Counter[str]:
    found: Counter[str] = Counter()
    for node in decorators:
        if dotted_name(node).rpartition(".")[2] in _SKIPS:
            found[ast.unparse(node)] += 1
    return found


def _switches(body: Sequence[ast.stmt]) -> Iterator[str]:
    """``pytestmark`` and ``__test__`` assignments that switch a whole module or class off."""
    for node in body:
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) for target in node.targets):
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            text = ast.unparse(node)
            off = "__test__" in names and _constant(node.value) is False
            if off or ("pytestmark" in names and any(skip in text for skip in _SKIPS)):
                yield text


def _is_fixture(node: Function) -> bool:
    return any(dotted_name(item).rpartition(".")[2] == "fixture" for item in node.decorator_list)


def _asserts(node: Function) -> bool:
    return any(isinstance(item, ast.Assert | ast.Raise) for item in ast.walk(node))


def _objects(body: Sequence[ast.stmt]) -> bool:
    """Whether an exception handler still fails the test."""
    nodes = [item for statement in body for item in ast.walk(statement)]
    failing = (ast.Raise, ast.Assert)
    return any(isinstance(item, failing) for item in nodes) or any(
        isinstance(item, ast.Call) and dotted_name(item.func).rpartition(".")[2] == "fail" for item in nodes
    )
