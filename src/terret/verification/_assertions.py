"""Assertions of Python tests in a common form, however they are written."""

from __future__ import annotations

import ast
import builtins
from typing import Literal, NamedTuple

State = Literal["live", "conditional", "dead"]
"""Whether an assertion is reached always, sometimes, or can no longer fail the test."""

RANK: dict[State, int] = {"live": 2, "conditional": 1, "dead": 0}

_COMPARE: dict[type[ast.cmpop], tuple[str, int]] = {
    ast.Eq: ("==", 5),
    ast.Is: ("==", 5),
    ast.NotEq: ("!=", 2),
    ast.IsNot: ("is not", 1),
    ast.Lt: ("<", 3),
    ast.LtE: ("<=", 3),
    ast.Gt: (">", 3),
    ast.GtE: (">=", 3),
    ast.In: ("in", 3),
    ast.NotIn: ("not in", 3),
}
_UNITTEST: dict[str, tuple[str, int]] = {
    "assertEqual": ("==", 5),
    "assertEquals": ("==", 5),
    "assertListEqual": ("==", 5),
    "assertDictEqual": ("==", 5),
    "assertTupleEqual": ("==", 5),
    "assertSetEqual": ("==", 5),
    "assertSequenceEqual": ("==", 5),
    "assertMultiLineEqual": ("==", 5),
    "assertIs": ("==", 5),
    "assertCountEqual": ("count", 4),
    "assertNotEqual": ("!=", 2),
    "assertIsNot": ("is not", 1),
    "assertLess": ("<", 3),
    "assertLessEqual": ("<=", 3),
    "assertGreater": (">", 3),
    "assertGreaterEqual": (">=", 3),
    "assertIn": ("in", 3),
    "assertNotIn": ("not in", 3),
    "assertIsInstance": ("isinstance", 2),
    "assertRegex": ("in", 3),
}
_TOLERANCE = {"rel", "abs", "places", "delta", "rel_tol", "abs_tol", "rtol", "atol", "decimal"}
_HELPER = ("assert", "check_", "verify_", "expect", "ensure_", "should_")


class Assertion(NamedTuple):
    """``subject op expected``; ``extra`` is a tolerance or message pattern, ``strength`` 0 (none) to 5 (equality)."""

    op: str
    subject: str
    expected: str
    extra: str
    strength: int
    state: State = "live"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes two assertions the same; the sides of an equation may change places."""
        if self.op in ("==", "!=") and self.expected < self.subject:
            return self.op, self.expected, self.subject, self.extra
        return self.op, self.subject, self.expected, self.extra

    def literals(self) -> frozenset[str]:
        """The constants of the subject: the input of what is tested."""
        try:
            nodes = ast.walk(ast.parse(self.subject))
        except SyntaxError:
            return frozenset({self.subject})
        return frozenset(repr(node.value) for node in nodes if isinstance(node, ast.Constant))

    def __str__(self) -> str:
        """As a line of code, cut at 100 characters."""
        extra = f" ({self.extra})" if self.extra else ""
        text = f"{self.subject} {self.op} {self.expected}".strip() + extra
        return text if len(text) <= 100 else text[:97] + "..."


def of_test(node: ast.expr) -> list[Assertion]:
    """The assertions an ``assert``-ed expression amounts to."""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return [item for value in node.values for item in of_test(value)]
    if isinstance(node, ast.Constant):
        return [Assertion("constant", ast.unparse(node), "", "", 0)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return [Assertion("falsy", ast.unparse(node.operand), "", "", 2)]
    if isinstance(node, ast.Compare):
        return [_comparison(node)]
    if isinstance(node, ast.Call):
        return [_predicate(node)]
    return [Assertion("truthy", ast.unparse(node), "", "", 1)]


def of_call(node: ast.Call, helpers: frozenset[str]) -> list[Assertion]:
    """The assertions a call statement amounts to; none when it asserts nothing."""
    name = _name(node.func)
    bare = name.rpartition(".")[2]
    args = node.args
    if bare in ("assertTrue", "assert_") and args:
        return of_test(args[0])
    if bare == "assertFalse" and args:
        return of_test(ast.UnaryOp(ast.Not(), args[0]))
    if bare == "assertIsNone" and args:
        return [Assertion("==", ast.unparse(args[0]), "None", "", 5)]
    if bare == "assertIsNotNone" and args:
        return [Assertion("is not", ast.unparse(args[0]), "None", "", 1)]
    if bare in _UNITTEST and len(args) >= 2:
        return [_binary(*_UNITTEST[bare], args[0], args[1])]
    if bare in ("assertAlmostEqual", "assertAlmostEquals", "assert_allclose", "assert_almost_equal") and len(args) >= 2:
        return [_approximate(args[0], args[1], node, args[2:])]
    if bare in ("assertRaises", "assertRaisesRegex", "raises") and len(args) >= 2:
        call = ", ".join(ast.unparse(arg) for arg in args[1:])
        return [Assertion("raises", call, ast.unparse(args[0]), "", 4)]
    lowered = bare.lower()
    if name in helpers or bare in helpers or lowered.startswith(_HELPER) or bare == "fail":
        owner = name.rpartition(".")[0]
        first = ast.unparse(args[0]) if args else owner
        rest = [ast.unparse(arg) for arg in args[1:]] + [ast.unparse(keyword) for keyword in node.keywords]
        return [Assertion(f"{bare}()", first, ", ".join(rest), owner, 4)]
    return []


def of_with(node: ast.With | ast.AsyncWith) -> list[Assertion]:
    """``raises`` and ``warns`` contexts."""
    found: list[Assertion] = []
    body = "; ".join(ast.unparse(statement) for statement in node.body)
    for item in node.items:
        call = item.context_expr
        if not isinstance(call, ast.Call):
            continue
        bare = _name(call.func).rpartition(".")[2]
        if bare in ("raises", "assertRaises", "warns", "assertWarns", "deprecated_call"):
            kind = ast.unparse(call.args[0]) if call.args else ""
            match = next((ast.unparse(word.value) for word in call.keywords if word.arg == "match"), "")
            found.append(Assertion(bare.replace("assertRaises", "raises"), body, kind, match, 4))
        elif bare in ("assertRaisesRegex", "assertWarnsRegex") and len(call.args) >= 2:
            found.append(Assertion("raises", body, ast.unparse(call.args[0]), ast.unparse(call.args[1]), 4))
    return found


def suppresses(node: ast.With | ast.AsyncWith) -> bool:
    """Whether a context swallows a failed assertion."""
    for item in node.items:
        call = item.context_expr
        if isinstance(call, ast.Call) and _name(call.func).rpartition(".")[2] == "suppress":
            return any(swallows(arg) for arg in call.args)
    return False


def swallows(kind: ast.expr | None) -> bool:
    """Whether an except clause for ``kind`` catches a failed assertion."""
    if kind is None:
        return True
    if isinstance(kind, ast.Tuple):
        return any(swallows(item) for item in kind.elts)
    return _name(kind).rpartition(".")[2] in ("AssertionError", "Exception", "BaseException")


def broader(before: str, after: str) -> bool | None:
    """Whether the exception type ``after`` is a base of ``before``; nothing when that cannot be told."""
    old, new = _exceptions(before), _exceptions(after)
    if old is None or new is None:
        return True if after.strip() in ("Exception", "BaseException") else None
    return not all(any(issubclass(kind, allowed) for allowed in old) for kind in new)


def _exceptions(text: str) -> tuple[type, ...] | None:
    kinds: list[type] = []
    for name in text.strip("()").split(","):
        kind = getattr(builtins, name.strip(), None)
        if name.strip() and not isinstance(kind, type):
            return None
        if isinstance(kind, type):
            kinds.append(kind)
    return tuple(kinds) or None


def _comparison(node: ast.Compare) -> Assertion:
    if len(node.ops) != 1:
        return Assertion("chain", ast.unparse(node.comparators[0]), ast.unparse(node), "", 3)
    left, right = node.left, node.comparators[0]
    op, strength = _COMPARE[type(node.ops[0])]
    if isinstance(right, ast.Call) and _name(right.func).rpartition(".")[2] == "approx" and right.args:
        return _approximate(left, right.args[0], right, right.args[1:])
    return _binary(op, strength, left, right)


def _binary(op: str, strength: int, left: ast.expr, right: ast.expr) -> Assertion:
    swapped = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
    if op in swapped and _is_literal(left) and not _is_literal(right):
        op, left, right = swapped[op], right, left
    if op in ("==", "!=") and _is_literal(left) and _is_literal(right):
        return Assertion("constant", ast.unparse(left), "", "", 0)
    if op == "in" and isinstance(right, ast.Call | ast.Name | ast.Attribute) and _is_literal(left):
        left, right = right, left
        op = "contains"
    return Assertion(op, ast.unparse(left), ast.unparse(right), "", strength)


def _approximate(left: ast.expr, right: ast.expr, call: ast.Call, more: list[ast.expr]) -> Assertion:
    words = [f"{word.arg}={ast.unparse(word.value)}" for word in call.keywords if word.arg in _TOLERANCE]
    if _is_literal(left) and not _is_literal(right):
        left, right = right, left
    name = {"approx": "rel", "assert_allclose": "rtol", "assert_almost_equal": "decimal"}
    first = name.get(_name(call.func).rpartition(".")[2], "places")
    extra = ", ".join([*(f"{first}={ast.unparse(arg)}" for arg in more[:1]), *sorted(words)])
    return Assertion("~=", ast.unparse(left), ast.unparse(right), extra, 4)


def _predicate(node: ast.Call) -> Assertion:
    bare = _name(node.func).rpartition(".")[2]
    if bare in ("isclose", "allclose") and len(node.args) >= 2:
        return _approximate(node.args[0], node.args[1], node, [])
    if bare == "isinstance" and len(node.args) == 2:
        return Assertion("isinstance", ast.unparse(node.args[0]), ast.unparse(node.args[1]), "", 2)
    return Assertion("truthy", ast.unparse(node), "", "", 1)


def _is_literal(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        return _is_literal(node.operand)
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return all(_is_literal(item) for item in node.elts)
    if isinstance(node, ast.Dict):
        return all(item is None or _is_literal(item) for item in (*node.keys, *node.values))
    return isinstance(node, ast.Constant)


def _name(node: ast.expr) -> str:
    """The dotted name of a callee; an expression's last part when it has none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = _name(node.value)
        return f"{owner}.{node.attr}" if owner else node.attr
    return _name(node.func) if isinstance(node, ast.Call) else ""


dotted_name = _name
