"""What a JavaScript or TypeScript test file tests, read without a parser.

Comments and dead blocks are blanked, strings kept; calls are found by name and matching parentheses.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|`(?:[^`\\]|\\.)*`"
    r"|(?<=[=(,:;!&|?{}\[\n])\s*/(?![*/])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*",
    re.DOTALL,
)
_BLOCK = re.compile(
    r"\b(describe|context|suite|it|test|specify|xit|xtest|xdescribe|xcontext|fit|fdescribe)"
    r"((?:\.(?:skip|only|todo|failing|fails|each|concurrent|sequential|skipIf|runIf))*)\s*(?=[(`])"
)
_DEAD = re.compile(r"\bif\s*\(\s*(?:false|0|null|undefined|''|\"\"|!true|!1)\s*\)\s*\{")
_TRY = re.compile(r"\btry\s*\{")
_CATCH = re.compile(r"\s*catch\s*(?:\([^)]*\))?\s*\{\s*\}")
_ASSERTION = re.compile(r"\b(?:expect|assert|t|should|chai\.expect)\b(?:\.(?!skip|only|todo|test|plan|end)\w+)*\s*\(")
_SKIP_OPTION = re.compile(r"\{[^{}]*\b(skip|todo)\s*:\s*(?!false\b)[^{}]*\}")
_SKIP_CALL = re.compile(r"\b(?:this|t|ctx|context)\.skip\s*\(")
_SPACE = re.compile(r"\s+")


@dataclass(slots=True)
class ScriptTest:
    """One ``it`` or ``test``: its assertions as normalised text, and what switches it off."""

    name: str
    body: str = ""
    assertions: Counter[str] = field(default_factory=Counter[str])
    skips: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class ScriptFile:
    """One test file; ``loose`` holds assertions outside every test."""

    tests: dict[str, ScriptTest] = field(default_factory=dict[str, ScriptTest])
    loose: Counter[str] = field(default_factory=Counter[str])
    only: int = 0


def read_script(content: bytes) -> ScriptFile:
    """What a test file tests."""
    text = _alive(content.decode("utf-8", "replace"))
    file = ScriptFile()
    _blocks(text, (0, len(text)), "", [], file)
    file.loose = Counter(assertions(text, 0, len(text)))
    for test in file.tests.values():
        file.loose -= test.assertions
    return file


def assertions(text: str, begin: int, end: int) -> list[str]:
    """The assertion statements between two positions, white space normalised."""
    found: list[str] = []
    at = begin
    while (match := _ASSERTION.search(text, at, end)) is not None:
        stop = _chain_end(text, match.end() - 1, end)
        statement = text[match.start() : stop]
        if not statement.startswith("t.") or re.match(
            r"t\.\w*(?:is|deep|equal|ok|true|false|throws|not|assert)", statement
        ):
            found.append(_SPACE.sub(" ", statement).strip())
        at = max(stop, match.end())
    return found


def _blocks(text: str, span: tuple[int, int], prefix: str, skips: list[str], file: ScriptFile) -> None:
    at, end = span
    while (match := _BLOCK.search(text, at, end)) is not None:
        word, modifiers = match.group(1), match.group(2)
        begin = match.end()
        if text[begin] == "`":
            begin = text.find("`", begin + 1) + 1
        close = _closing(text, begin)
        if ".each" in modifiers and text[close : close + 1] == "(":
            begin, close = close, _closing(text, close)
        inside = text[begin + 1 : close - 1]
        title = _SPACE.sub(" ", _title(inside)) or f"#{len(file.tests)}"
        off = skips + _switches(word, modifiers, inside)
        file.only += ".only" in modifiers or word in ("fit", "fdescribe")
        name = f"{prefix}{title}"
        if word.lstrip("xf") in ("describe", "context", "suite"):
            _blocks(text, (begin + 1, close - 1), f"{name} > ", off, file)
        else:
            found = assertions(_until_return(inside), 0, len(inside))
            while name in file.tests:
                name += "'"
            file.tests[name] = ScriptTest(name, _SPACE.sub(" ", inside[len(_title(inside)) :]), Counter(found), off)
        at = max(close, match.end())


def _switches(word: str, modifiers: str, inside: str) -> list[str]:
    found = [f"{word}{modifiers}"] if word.startswith("x") else []
    found += [
        f"{word}.{part}" for part in modifiers.split(".") if part in ("skip", "todo", "failing", "fails", "skipIf")
    ]
    head = inside.partition("=>")[0].partition("function")[0]
    if option := _SKIP_OPTION.search(head):
        found.append(option.group())
    if call := _SKIP_CALL.search(inside):
        found.append(call.group() + ")")
    return found


def _title(inside: str) -> str:
    match = re.match(r"\s*('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`\\]|\\.)*`)", inside, re.DOTALL)
    return match.group() if match else ""


def _until_return(inside: str) -> str:
    """A test's text up to a bare ``return;`` in its own block."""
    depth = 0
    for match in re.finditer(
        r"[{}]|\breturn\s*(?:;|\n|\})|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`\\]|\\.)*`", inside
    ):
        token = match.group()
        if token == "{":
            depth += 1
        elif token == "}":
            depth -= 1
        elif token.startswith("return") and depth == 1:
            return inside[: match.start()]
    return inside


def _alive(text: str) -> str:
    """The text with comments and unreachable blocks blanked."""

    def blank(match: re.Match[str]) -> str:
        token = match.group()
        return " " * len(token) if token.startswith(("//", "/*")) else token

    text = _TOKEN.sub(blank, text)
    for pattern in (_DEAD, _TRY):
        for match in list(pattern.finditer(text)):
            close = _closing(text, match.end() - 1)
            if pattern is _DEAD or _CATCH.match(text, close):
                inner = text[match.end() : close - 1]
                text = text[: match.end()] + re.sub(r"[^\n]", " ", inner) + text[close - 1 :]
    return text


def _closing(text: str, begin: int) -> int:
    """The position after the bracket that closes the one at ``begin``; the end when none does."""
    depth, at = 0, begin
    while at < len(text):
        char = text[at]
        if char in "'\"`/" and (token := _TOKEN.match(text, at)) is not None:
            at = token.end()
            continue
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return len(text)


def _chain_end(text: str, begin: int, end: int) -> int:
    """The position after a call at ``begin`` and the members and calls chained to it."""
    at = _closing(text, begin)
    while (match := re.compile(r"\s*\.\s*\w+\s*").match(text, at, end)) is not None:
        at = match.end()
        if text[at : at + 1] == "(":
            at = _closing(text, at)
    return min(at, end)
