"""Single edits of one expression: the operators of mutation testing, run backwards to repair."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import NamedTuple

_COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt, ast.GtE),
    ast.LtE: (ast.Lt, ast.GtE, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt, ast.LtE),
    ast.GtE: (ast.Gt, ast.LtE, ast.Lt),
    ast.Eq: (ast.NotEq, ast.LtE, ast.GtE),
    ast.NotEq: (ast.Eq, ast.Lt, ast.Gt),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_BINARY: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add, ast.FloorDiv, ast.Pow),
    ast.Div: (ast.FloorDiv, ast.Mult),
    ast.FloorDiv: (ast.Div, ast.Mod),
    ast.Mod: (ast.FloorDiv, ast.Div),
    ast.BitXor: (ast.BitAnd, ast.BitOr),
    ast.BitAnd: (ast.BitOr, ast.BitXor),
    ast.BitOr: (ast.BitAnd, ast.BitXor),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
}
_CALLS = {"any": "all", "all": "any", "min": "max", "max": "min", "append": "extend", "extend": "append"}
_PARTNERS = {**_CALLS, "lower": "upper", "upper": "lower", "floor": "ceil", "ceil": "floor"}


class Variant(NamedTuple):
    """A changed copy of an expression and the operator that changed it."""

    root: ast.expr
    operator: str


def variants(root: ast.expr, names: list[str]) -> Iterator[Variant]:
    """Every single edit of an expression; ``names`` are the variables in scope, attributes begin with a dot."""
    nodes = [node for node in ast.walk(root) if isinstance(node, ast.expr)]
    for index, node in enumerate(nodes):
        for changed, operator in _edits(node, names):
            yield Variant(_replaced(root, index, changed), operator)


class _Swap(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.expr, new: ast.expr) -> None:
        self._old = old
        self._new = new

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._old else self.generic_visit(node)


def _replaced(root: ast.expr, index: int, changed: ast.expr) -> ast.expr:
    whole = ast.Expression(copy.deepcopy(root))
    node = [item for item in ast.walk(whole.body) if isinstance(item, ast.expr)][index]
    _Swap(node, changed).visit(whole)
    return whole.body


def _edits(node: ast.expr, names: list[str]) -> Iterator[tuple[ast.expr, str]]:
    match node:
        case ast.Compare() | ast.BinOp() | ast.BoolOp() | ast.UnaryOp():
            yield from _operators(node)
        case ast.Constant(value=value):
            yield from _constants(value)
        case ast.Name(id=name, ctx=ast.Load()):
            yield from (
                (ast.Name(other, ast.Load()), "variable") for other in names if other != name and other[0] != "."
            )
            yield from _steps(node)
        case ast.Subscript(value=value, slice=place, ctx=ast.Load()):
            yield from ((ast.Subscript(value, moved, ast.Load()), "index") for moved, _ in _steps(place))
            yield value, "drop-index"
        case ast.Attribute(value=value, attr=attribute, ctx=ast.Load()):
            others = (name[1:] for name in names if name[0] == "." and name[1:] != attribute)
            yield from ((ast.Attribute(value, other, ast.Load()), "attribute") for other in others)
        case ast.Call():
            yield from _calls(node)
        case _:
            yield from _others(node)


def _operators(node: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    match node:
        case ast.Compare(ops=[op], left=left, comparators=[right]):
            for other in _COMPARE.get(type(op), ()):
                yield ast.Compare(left, [other()], [right]), "comparison"
            if isinstance(op, ast.Eq) and isinstance(right, ast.Constant) and type(right.value) is int:
                yield ast.Compare(left, [ast.LtE()], [ast.Constant(right.value + 1)]), "base-case"
            yield ast.Compare(right, [op], [left]), "operands"
        case ast.BinOp(left=left, op=op, right=right):
            for other in _BINARY.get(type(op), ()):
                yield ast.BinOp(left, other(), right), "arithmetic"
            yield ast.BinOp(right, op, left), "operands"
            yield left, "drop-operand"
            yield right, "drop-operand"
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values), "boolean"
            for at in range(len(values)):
                rest = values[:at] + values[at + 1 :]
                yield (rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)), "drop-operand"
        case ast.UnaryOp(operand=operand):
            yield operand, "drop-unary"
        case _:
            return


def _others(node: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    match node:
        case ast.List(elts=[], ctx=ast.Load()):
            yield ast.List([ast.List([], ast.Load())], ast.Load()), "nesting"
        case ast.IfExp(test=test, body=body, orelse=other):
            yield ast.IfExp(test, other, body), "branches"
        case ast.Yield(value=ast.expr() as value):
            yield ast.YieldFrom(value), "yield"
        case ast.YieldFrom(value=value):
            yield ast.Yield(value), "yield"
        case _:
            return


def _constants(value: object) -> Iterator[tuple[ast.expr, str]]:
    if isinstance(value, bool):
        yield ast.Constant(not value), "constant"
    elif isinstance(value, int | float):
        for other in dict.fromkeys((value + 1, value - 1, 0, 1, -value)):
            if other != value:
                yield ast.Constant(other), "constant"
    elif value is None:
        yield from ((ast.Constant(other), "constant") for other in (0, False, True))
        yield ast.List([], ast.Load()), "constant"


def _steps(node: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    if isinstance(node, ast.Slice | ast.Tuple | ast.Starred):
        return
    yield ast.BinOp(node, ast.Add(), ast.Constant(1)), "off-by-one"
    yield ast.BinOp(node, ast.Sub(), ast.Constant(1)), "off-by-one"


def _calls(node: ast.Call) -> Iterator[tuple[ast.expr, str]]:
    for first in range(len(node.args)):
        for second in range(first + 1, len(node.args)):
            args = list(node.args)
            args[first], args[second] = args[second], args[first]
            yield ast.Call(node.func, args, node.keywords), "arguments"
    for at, argument in enumerate(node.args):
        for moved, operator in _steps(argument):
            yield ast.Call(node.func, [*node.args[:at], moved, *node.args[at + 1 :]], node.keywords), operator
        if len(node.args) == 1 and not node.keywords:
            yield argument, "drop-call"
    match node.func:
        case ast.Name(id=name) if name in _PARTNERS:
            yield ast.Call(ast.Name(_PARTNERS[name], ast.Load()), node.args, node.keywords), "call"
        case ast.Attribute(value=value, attr=name) if name in _PARTNERS:
            yield ast.Call(ast.Attribute(value, _PARTNERS[name], ast.Load()), node.args, node.keywords), "call"
        case _:
            return
