"""outline: definitions with their lines, with and without a parser."""

from __future__ import annotations

import sys

import pytest

from terret.context import outline

PYTHON = '''"""Module."""
import os

LIMIT = 3
names: list[str] = []


@decorated
def first(a: int, *, b: str = "x") -> bool:
    """Says whether.

    More.
    """
    def inner():
        pass
    return a


class Box(Base):
    """Holds."""

    async def open(self):
        return 1


if os.name == "nt":
    def other(): return 2
'''

SCRIPT = """import fs from "node:fs";

// How many at most.
export const LIMIT = 3;

/**
 * Adds two numbers.
 * @param {number} a
 */
export function add(a, b = { c: "}" }) {
  return a + b;
}

export default class Box extends Base {
  static make() {
    if (true) {
      return new Box();
    }
  }

  async open(path) {
    return `}${path}`;
  }
}

const twice = (n) => {
  return n * 2;
};

module.exports.old = function (x) {
  return x;
};
"""


@pytest.fixture(params=["tree-sitter", "lines"])
def parser(request, monkeypatch) -> str:
    if request.param == "lines":
        from terret.context import _tree

        monkeypatch.setattr(_tree, "_parsers", {})
        monkeypatch.setitem(sys.modules, "tree_sitter", None)
    else:
        pytest.importorskip("tree_sitter_javascript", reason="the extra context is not installed")
    return request.param


def facts(path: str, text: str) -> dict[str, tuple[str, int, int]]:
    return {symbol.qualified: (symbol.kind, symbol.start, symbol.end) for symbol in outline(path, text)}


def test_python():
    symbols = {symbol.qualified: symbol for symbol in outline("a.py", PYTHON)}
    assert facts("a.py", PYTHON) == {
        "LIMIT": ("constant", 4, 4),
        "names": ("constant", 5, 5),
        "first": ("function", 8, 16),
        "Box": ("class", 19, 23),
        "Box.open": ("method", 22, 23),
        "other": ("function", 27, 27),
    }
    assert symbols["first"].signature == 'def first(a: int, *, b: str = "x") -> bool'
    assert symbols["first"].doc == "Says whether."
    assert symbols["Box"].doc == "Holds."


def test_python_that_does_not_parse_still_has_an_outline():
    broken = PYTHON.replace("return a\n", "return (a\n")
    found = facts("a.py", broken)
    assert found["first"][0] == "function"
    assert found["Box"] == ("class", 19, 23)
    assert found["Box.open"] == ("method", 22, 23)


def test_javascript(parser):
    symbols = {symbol.qualified: symbol for symbol in outline("a.js", SCRIPT)}
    assert facts("a.js", SCRIPT) == {
        "LIMIT": ("constant", 4, 4),
        "add": ("function", 10, 12),
        "Box": ("class", 14, 24),
        "Box.make": ("method", 15, 19),
        "Box.open": ("method", 21, 23),
        "twice": ("function", 26, 28),
        "old": ("function", 30, 32),
    }
    assert symbols["add"].doc == "Adds two numbers."
    assert symbols["LIMIT"].doc == "How many at most."
    assert symbols["add"].signature.startswith("export function add(a, b")


def test_typescript(parser):
    text = (
        "export interface Item {\n  name: string;\n}\n\nexport const size = (item: Item): number => item.name.length;\n"
    )
    found = facts("a.ts", text)
    assert found["Item"] == ("class", 1, 3)
    assert found["size"] == ("function", 5, 5)


@pytest.mark.parametrize("path", ["a.py", "a.js", "a.ts", "a.md", "a"])
@pytest.mark.parametrize("text", ["", "\n", "\0", "def", "class {", "function (", "é" * 1000, "(" * 5000, "'''"])
def test_any_text_has_an_outline(path, text, parser):
    assert all(symbol.start <= symbol.end for symbol in outline(path, text))
