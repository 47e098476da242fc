"""JavaScript and TypeScript without a parser: definitions by their first lines, ends by counting braces."""

from __future__ import annotations

import re

from terret.context._symbol import Symbol, SymbolKind, cut

_TOP = re.compile(
    r"^(?:export\s+)?(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?"
    r"(?:(?P<function>function\b\s*\*?)|(?P<class>class\b|interface\b|enum\b)|(?P<value>const\b|let\b|var\b|type\b))"
    r"\s*(?P<name>[\w$]+)(?P<rest>[^\n]*)"
)
_EXPORTS = re.compile(r"^(?:module\.)?exports\.(?P<name>[\w$]+)\s*=\s*(?P<rest>[^\n]*)")
_METHOD = re.compile(
    r"^[ \t]+(?:(?:public|private|protected|static|readonly|override|async|get|set)\s+)*\*?(?P<name>#?[\w$]+)\s*"
    r"(?:<[^>\n]*>)?\([^\n]*\{\s*(?://[^\n]*)?$"
)
_NOT_METHODS = frozenset(["if", "for", "while", "switch", "catch", "function", "return", "with", "do", "else"])
_CALLABLE = re.compile(r"(?::[^=]*)?=\s*(?:async\s*)?(?:function\b|\([^)]*\)[^=]*=>|[\w$]+\s*=>|\(\s*$|\([^)]*$)")
_SILENT = re.compile(r"//[^\n]*|/\*[\s\S]*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`")


def by_lines(path: str, text: str) -> list[Symbol]:
    """The definitions found by their first lines."""
    bare = _SILENT.sub(_blank, text).splitlines()
    lines = text.splitlines()
    found: list[Symbol] = []
    owner: Symbol | None = None
    for number, line in enumerate(bare, start=1):
        if line[:1].strip():
            symbol = _top(path, lines, bare, number)
            if symbol is not None:
                found.append(symbol)
                owner = symbol if symbol.kind == "class" else None
        elif owner is not None and number <= owner.end:
            match = _METHOD.match(line)
            if match and match["name"] not in _NOT_METHODS and _depth(bare, owner.start, number) == 1:
                found.append(_symbol(path, lines, bare, number, match["name"], "method", owner.name))
    return found


def _symbol(
    path: str, lines: list[str], bare: list[str], number: int, name: str, kind: SymbolKind, parent: str = ""
) -> Symbol:
    head = cut(lines[number - 1]).rstrip("{ ")
    return Symbol(name, kind, path, number, _end(bare, number), parent, head, _doc(lines, number))


def _top(path: str, lines: list[str], bare: list[str], number: int) -> Symbol | None:
    match = _TOP.match(bare[number - 1]) or _EXPORTS.match(bare[number - 1])
    if match is None:
        return None
    groups = match.groupdict()
    rest = groups["rest"] if groups.get("value") else f"= {groups['rest']}"
    kind: SymbolKind = "constant"
    if groups.get("function"):
        kind = "function"
    elif groups.get("class"):
        kind = "class"
    elif _CALLABLE.match(rest.strip()):
        kind = "function"
    return _symbol(path, lines, bare, number, groups["name"], kind)


def _blank(match: re.Match[str]) -> str:
    """Text of the same lines and columns without brackets or words."""
    return "".join(char if char == "\n" else "_" if char.isalnum() else " " for char in match[0])


def _depth(bare: list[str], start: int, number: int) -> int:
    """Open braces between line ``start`` and before line ``number``."""
    body = "".join(bare[start - 1 : number - 1])
    return body.count("{") - body.count("}")


def _end(bare: list[str], start: int) -> int:
    """The line on which the brackets opened from line ``start`` on are closed again."""
    depth = 0
    for number in range(start, len(bare) + 1):
        line = bare[number - 1]
        depth += sum(line.count(char) for char in "({[") - sum(line.count(char) for char in ")}]")
        if depth <= 0:
            following = bare[number].strip() if number < len(bare) else ""
            if number > start or "{" in line or not following.startswith(("{", ".", "?", ":")):
                return number
    return len(bare)


def _doc(lines: list[str], number: int) -> str:
    """The first sentence line of the comment that ends right above a line."""
    at = number - 2
    if at < 0 or not lines[at].strip().startswith(("//", "*/", "*", "/*")):
        return ""
    while at > 0 and lines[at - 1].strip().startswith(("//", "*", "/*")):
        at -= 1
    for line in lines[at : number - 1]:
        words = line.strip().strip("/*").strip()
        if words and not words.startswith("@"):
            return cut(words)
    return ""
