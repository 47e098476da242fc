"""Reads JavaScript, TypeScript and other languages with braces, without a grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from terret.entropy._paths import SCRIPT, suffix
from terret.entropy._python import Comment

_REGEX_BEFORE = re.compile(r"(?:[(,=:\[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void)|^)\s*$")
_REGEX = re.compile(r"/(?![*/])(?:[^\\/\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[dgimsuvy]*")
_UNMARKED = re.compile(r"[^/\"'`{}]+")
_NOT_NEWLINE = re.compile(r"[^\n]")
_STRING = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'", re.DOTALL)
_CHAR = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\\n]|\\[^\n]{1,8}?)'", re.DOTALL)
_IMPORT = re.compile(
    r"^[ \t]*(?:import|export)\s+(?P<type>type\s+)?(?P<names>[\w$*{},\s]+?)\s+from\s*"
    r"(?P<q>[\"'])(?P<from>[^\"'\n]+)(?P=q)"
    r"|^[ \t]*import\s*(?P<q2>[\"'])(?P<bare>[^\"'\n]+)(?P=q2)"
    r"|(?:(?:const|let|var)\s+(?P<bound>[\w$]+|\{[^}]*\})\s*=\s*)?"
    r"\b(?:require|import)\s*\(\s*(?P<q3>[\"'])(?P<call>[^\"'\n]+)(?P=q3)",
    re.MULTILINE,
)
_TOP = re.compile(
    r"^(?P<export>export\s+(?P<default>default\s+)?)?(?:async\s+)?(?:abstract\s+)?"
    r"(?:function\s*\*?\s*(?P<function>[\w$]+)|class\s+(?P<class>[\w$]+)"
    r"|(?:const|let|var)\s+(?P<const>[\w$]+)\s*(?::[^=\n]+)?=\s*(?:async\s*)?(?:function\b|\([^()\n]*\)\s*(?::[^=\n]+)?=>|[\w$]+\s*=>))",
    re.MULTILINE,
)
_ANY_DEFINITION = re.compile(
    r"\b(?:function\s*\*?|class|interface|enum|type|const|let|var)\s+([\w$]+)"
    r"|^[ \t]+(?:async\s+|static\s+|get\s+|set\s+|\*)*([\w$]+)\s*\([^()\n]*\)\s*\{",
    re.MULTILINE,
)
_NOT_METHODS = frozenset({"if", "for", "while", "switch", "catch", "function", "return", "with"})


class ScriptImport(NamedTuple):
    """One import; ``names`` are local names. ``late`` is not at the left margin, ``typing`` is ``import type``."""

    source: str
    names: tuple[str, ...]
    line: int
    late: bool
    typing: bool


class ScriptDefinition(NamedTuple):
    """A function or class of the module itself."""

    name: str
    line: int
    exported: bool
    default: bool


class Scanned(NamedTuple):
    """``code`` is the text with comments and the insides of strings blanked, offsets and lines kept."""

    code: str
    comments: list[Comment]


def scan(path: str, text: str) -> Scanned:
    """Tell code, strings and comments apart."""
    return _scan(text, script=suffix(path) in SCRIPT)


@lru_cache(maxsize=64)
def _scan(text: str, *, script: bool) -> Scanned:
    return _Scanner(text, script=script).run()


class _Scanner:
    """One pass over a text; unbalanced quotes count as code."""

    def __init__(self, text: str, *, script: bool) -> None:
        self.text = text
        self.script = script
        self.out: list[str] = []
        self.comments: list[Comment] = []
        self.at = 0
        self.line = 1
        self.depths: list[int] = []  # open braces inside each `${`

    def run(self) -> Scanned:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "/" and self.text.startswith(("//", "/*"), self.at):
                self._comment()
            elif char in "\"'":
                self._literal(_STRING if self.script else _CHAR)
            elif self.script and char == "`":
                self._template(opening=True)
            elif self.script and char == "/" and _REGEX_BEFORE.search("".join(self.out[-12:])[-40:]):
                self._literal(_REGEX)
            elif self.depths and char in "{}":
                self._brace(char)
            else:
                plain = _UNMARKED.match(self.text, self.at)
                self._keep(plain[0] if plain else char)
        return Scanned("".join(self.out), self.comments)

    def _keep(self, text: str) -> None:
        self.out.append(text)
        self.line += text.count("\n")
        self.at += len(text)

    def _blank(self, end: int) -> None:
        """Blank everything up to ``end``, newlines kept."""
        blanked = _NOT_NEWLINE.sub(" ", self.text[self.at : end])
        self.out.append(blanked)
        self.line += blanked.count("\n")
        self.at = end

    def _comment(self) -> None:
        block = self.text.startswith("/*", self.at)
        mark = "*/" if block else "\n"
        end = self.text.find(mark, self.at + 2)
        stop = len(self.text) if end < 0 else end
        begin = self.text.rfind("\n", 0, self.at) + 1
        own = not self.text[begin : self.at].strip()
        for offset, row in enumerate(self.text[self.at + 2 : stop].split("\n")):
            self.comments.append(Comment(self.line + offset, row.rstrip("\r"), own or offset > 0, block))
        self._blank(min(len(self.text), stop + (2 if block else 0)))

    def _literal(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match is None:
            self._keep(self.text[self.at])
            return
        self._keep(self.text[self.at])
        self._blank(match.end() - 1)
        self._keep(self.text[self.at])

    def _template(self, *, opening: bool) -> None:
        """Blank the text of a template up to its end or the next ``${``."""
        if opening:
            self._keep("`")
        at = self.at
        while at < len(self.text) and self.text[at] != "`" and not self.text.startswith("${", at):
            at += 2 if self.text[at] == "\\" else 1
        self._blank(min(at, len(self.text)))
        if self.text.startswith("${", self.at):
            self.depths.append(0)
            self._keep("${")
        elif self.at < len(self.text):
            self._keep("`")

    def _brace(self, char: str) -> None:
        if char == "{":
            self.depths[-1] += 1
        elif self.depths[-1] == 0:
            self.depths.pop()
            self._keep(char)
            self._template(opening=False)
            return
        else:
            self.depths[-1] -= 1
        self._keep(char)


def script_imports(path: str, text: str) -> list[ScriptImport]:
    """Every import, re-export and ``require`` with a constant source; those in comments are left out."""
    code = scan(path, text).code
    found: list[ScriptImport] = []
    for match in _IMPORT.finditer(text):
        start = match.start() + len(match.group()) - len(match.group().lstrip())
        if code[start : start + 3] != text[start : start + 3]:
            continue
        source = match["from"] or match["bare"] or match["call"]
        exporting = match.group().lstrip().startswith("export")
        names = () if exporting else tuple(_bound(match["names"] or match["bound"] or ""))
        margin = text.rfind("\n", 0, start) + 1
        late = text[margin : margin + 1].isspace()
        found.append(ScriptImport(source, names, text.count("\n", 0, start) + 1, late, bool(match["type"])))
    return found


def _bound(clause: str) -> Iterator[str]:
    for part in re.split(r"[{},]", clause):
        words = part.split()
        if words:
            yield re.split(r"\s+as\s+|\s*:\s*", part.strip())[-1].split("=")[0].removeprefix("type ").strip()


def script_definitions(code: str) -> dict[str, ScriptDefinition]:
    """Functions and classes at the left margin of scanned code."""
    found: dict[str, ScriptDefinition] = {}
    for match in _TOP.finditer(code):
        name = match["function"] or match["class"] or match["const"]
        line = code.count("\n", 0, match.start()) + 1
        found[name] = ScriptDefinition(name, line, match["export"] is not None, match["default"] is not None)
    return found


def script_names(code: str) -> set[str]:
    """Every name that scanned code defines anywhere, methods included."""
    found = {one or other for one, other in _ANY_DEFINITION.findall(code)}
    return found - _NOT_METHODS


def balanced(code: str) -> bool:
    """Whether the brackets of scanned code close one another."""
    pairs = {")": "(", "]": "[", "}": "{"}
    stack: list[str] = []
    for char in code:
        if char in "([{":
            stack.append(char)
        elif char in pairs and (not stack or stack.pop() != pairs[char]):
            return False
    return not stack
