"""Failures of node's test runner, plain JavaScript programs and compilers."""

from __future__ import annotations

import re

import msgspec

from terret.attribution._failure import Failure, Frame, Kind

_NODE_TEST = re.compile(r"^\s*(?:✖|not ok \d+ -) (?P<test>.+?)(?: \([\d.]+ms\))?$", re.MULTILINE)
_JS_ERROR = re.compile(r"^\s*(?:\[?(?P<name>[A-Z]\w*Error)(?: \[\w+\])?\]?): ?(?P<text>.*)$", re.MULTILINE)
_JS_FRAME = re.compile(
    r"^\s+at (?:(?P<function>[^\s(]+) \()?(?:file://)?(?P<path>[^\s():]+):(?P<line>\d+):\d+\)?", re.MULTILINE
)
_TAP_NAME = re.compile(r"^\s*name: '(?P<name>\w*Error)'$", re.MULTILINE)
_TAP_ERROR = re.compile(r"^\s*error: (?:\|-\n\s*)?[\"']?(?P<text>.+?)[\"']?$", re.MULTILINE)
_TAP_FRAME = re.compile(
    r"^\s+(?:async )?(?P<function>[\w.<>$ ]+) \((?:file://)?(?P<path>[^\s():]+):(?P<line>\d+):\d+\)$", re.MULTILINE
)
_EXPECTED = re.compile(r"^\s*expected: (?P<text>.+?),?$", re.MULTILINE)
_ACTUAL = re.compile(r"^\s*actual: (?P<text>.+?),?$", re.MULTILINE)
_UNEQUAL = re.compile(r"^\s*(?P<observed>.+) !== (?P<expected>.+)$", re.MULTILINE)
_COMPILER = re.compile(
    r"^(?P<path>[\w./-]+\.\w+)[:(](?P<line>\d+)(?:[:,]\d+)?\)?: "
    r"(?:fatal )?(?P<level>error|warning)\b[^:]*: (?P<text>.+)$",
    re.MULTILINE,
)
_RUSTC = re.compile(r"^error(?:\[E\d+\])?: (?P<text>.+)\n\s*--> (?P<path>[^:\s]+):(?P<line>\d+)", re.MULTILINE)


def node_failures(output: str) -> list[Failure]:
    """One failure for each failing test of node's runner (spec or TAP), with expected and actual where printed."""
    blocks = [match for match in _NODE_TEST.finditer(output) if match["test"].strip() != "failing tests:"]
    found: dict[str, Failure] = {}
    for index, block in enumerate(blocks):
        end = blocks[index + 1].start() if index + 1 < len(blocks) else len(output)
        body = output[block.end() : end]
        failure = _js_failure(body)
        if failure is not None:
            found[block["test"].strip()] = _named(failure, block["test"].strip())
    return list(found.values())


def script_failures(output: str) -> list[Failure]:
    """The first error of a plain JavaScript program."""
    failure = _js_failure(output) if _JS_FRAME.search(output) else None
    return [failure] if failure is not None else []


def compiler_failures(output: str) -> list[Failure]:
    """Errors of gcc, clang, tsc, rustc and others that print ``FILE:LINE: error: TEXT``."""
    found = [
        Failure("compile", match["text"], path=match["path"], line=int(match["line"]))
        for match in _COMPILER.finditer(output)
        if match["level"] == "error"
    ]
    found += [Failure("compile", m["text"], path=m["path"], line=int(m["line"])) for m in _RUSTC.finditer(output)]
    return found


def _js_failure(body: str) -> Failure | None:
    error, tap = _JS_ERROR.search(body), _TAP_NAME.search(body)
    if tap is not None:
        told = _TAP_ERROR.search(body)
        name, text = tap["name"], told["text"] if told is not None else ""
    elif error is not None:
        name, text = error["name"], error["text"]
    else:
        return None
    expected, actual, unequal = _EXPECTED.search(body), _ACTUAL.search(body), _UNEQUAL.search(body)
    kind: Kind = "assertion" if name == "AssertionError" else "exception"
    if name == "SyntaxError":
        kind = "syntax"
    if "Cannot find module" in text:
        kind = "import"
    places = list((_TAP_FRAME if tap is not None else _JS_FRAME).finditer(body))
    frames = [Frame(m["path"], int(m["line"]), m["function"] or "") for m in places]
    own = [frame for frame in frames if not frame.path.startswith("node:")]
    return Failure(
        kind,
        f"{name}: {text}".rstrip(": "),
        path=own[0].path if own else None,
        line=own[0].line if own else None,
        expected=expected["text"] if expected else (unequal["expected"] if unequal else None),
        observed=actual["text"] if actual else (unequal["observed"] if unequal else None),
        frames=frames[::-1],
    )


def _named(failure: Failure, test: str) -> Failure:
    return msgspec.structs.replace(failure, test=test)
