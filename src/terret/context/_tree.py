"""JavaScript and TypeScript by tree-sitter, when the extra ``context`` is installed."""

from __future__ import annotations

import importlib
from typing import Any

from terret.context._repo import suffix
from terret.context._symbol import Symbol, SymbolKind, cut

_GRAMMARS = {
    ".ts": ("tree_sitter_typescript", "language_typescript"),
    ".mts": ("tree_sitter_typescript", "language_typescript"),
    ".cts": ("tree_sitter_typescript", "language_typescript"),
    ".tsx": ("tree_sitter_typescript", "language_tsx"),
}
_SCRIPT = ("tree_sitter_javascript", "language")
_CLASSES = frozenset(
    ["class_declaration", "abstract_class_declaration", "class", "interface_declaration", "enum_declaration"]
)
_FUNCTIONS = frozenset(["function_declaration", "generator_function_declaration", "function_signature"])
_CALLABLES = frozenset(["arrow_function", "function_expression", "generator_function", "function"])
_MEMBERS = frozenset(["method_definition", "method_signature", "abstract_method_signature"])
_parsers: dict[tuple[str, str], Any] = {}


def by_tree(path: str, text: str) -> list[Symbol] | None:
    """The definitions of a file; nothing when no grammar for it is installed."""
    parser = _parser(_GRAMMARS.get(suffix(path), _SCRIPT))
    if parser is None:
        return None
    raw = text.encode("utf-8", "replace")
    found: list[Symbol] = []
    for node in parser.parse(raw).root_node.named_children:
        _statement(path, raw, node, node, found)
    return found


def _parser(grammar: tuple[str, str]) -> Any:
    if grammar not in _parsers:
        module, function = grammar
        try:
            sitter = importlib.import_module("tree_sitter")
            language = sitter.Language(getattr(importlib.import_module(module), function)())
            _parsers[grammar] = sitter.Parser(language)
        except (ImportError, AttributeError, ValueError):
            _parsers[grammar] = None
    return _parsers[grammar]


def _statement(path: str, raw: bytes, node: Any, outer: Any, found: list[Symbol]) -> None:
    """The definitions of one top-level statement; ``outer`` is the statement with its ``export``."""
    kind = node.type
    if kind == "export_statement":
        inner = node.child_by_field_name("declaration") or node.child_by_field_name("value")
        if inner is not None:
            _statement(path, raw, inner, node, found)
    elif kind in _FUNCTIONS:
        found.append(_symbol(path, raw, node, outer, "function"))
    elif kind in _CLASSES:
        owner = _symbol(path, raw, node, outer, "class")
        found.append(owner)
        body = node.child_by_field_name("body")
        members = [] if body is None else [item for item in body.named_children if item.type in _MEMBERS]
        found += [_symbol(path, raw, item, item, "method", owner.name) for item in members]
    elif kind in ("lexical_declaration", "variable_declaration"):
        for item in node.named_children:
            if item.type == "variable_declarator" and _is_name(item.child_by_field_name("name")):
                found.append(_symbol(path, raw, item, outer, _value_kind(item.child_by_field_name("value"))))
    elif kind == "type_alias_declaration":
        found.append(_symbol(path, raw, node, outer, "constant"))
    elif kind == "expression_statement":
        _exported(path, raw, node, found)


def _exported(path: str, raw: bytes, node: Any, found: list[Symbol]) -> None:
    """``exports.name = ...`` and ``module.exports.name = ...``."""
    value = node.named_children[0] if node.named_children else None
    if value is None or value.type != "assignment_expression":
        return
    left, right = value.child_by_field_name("left"), value.child_by_field_name("right")
    if left.type == "member_expression" and _text(raw, left.child_by_field_name("object")).endswith("exports"):
        kind = "class" if right.type == "class" else _value_kind(right)
        name = _text(raw, left.child_by_field_name("property"))
        found.append(Symbol(name, kind, path, *_lines(node), "", _head(raw, node), _doc(raw, node)))


def _symbol(path: str, raw: bytes, node: Any, outer: Any, kind: SymbolKind, parent: str = "") -> Symbol:
    named = node.child_by_field_name("name")
    name = "default" if named is None else _text(raw, named)
    return Symbol(name, kind, path, *_lines(outer), parent, _head(raw, outer), _doc(raw, outer))


def _value_kind(value: Any) -> SymbolKind:
    if value is not None and value.type == "class":
        return "class"
    return "function" if value is not None and value.type in _CALLABLES else "constant"


def _is_name(node: Any) -> bool:
    return node is not None and node.type == "identifier"


def _lines(node: Any) -> tuple[int, int]:
    return node.start_point[0] + 1, node.end_point[0] + 1


def _head(raw: bytes, node: Any) -> str:
    return cut(_text(raw, node).split("\n", 1)[0]).rstrip("{ ")


def _doc(raw: bytes, node: Any) -> str:
    """The first line of the comment directly above a node."""
    before = node.prev_named_sibling
    if before is None or before.type != "comment" or before.end_point[0] + 1 < node.start_point[0]:
        return ""
    while (
        before.prev_named_sibling is not None
        and before.prev_named_sibling.type == "comment"
        and before.prev_named_sibling.end_point[0] + 1 == before.start_point[0]
    ):
        before = before.prev_named_sibling
    words = (line.strip().strip("/*").strip() for line in _text(raw, before).splitlines())
    return cut(next((line for line in words if line and not line.startswith("@")), ""))


def _text(raw: bytes, node: Any) -> str:
    return raw[node.start_byte : node.end_byte].decode("utf-8", "replace")
