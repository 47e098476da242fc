"""Failures of pytest, unittest and plain Python programs."""

from __future__ import annotations

import re

import msgspec

from terret.attribution._failure import Failure, Frame, Kind

_BLOCK = re.compile(r"^_{3,} (?P<test>\S.*?) _{3,}$", re.MULTILINE)
_ERROR_LINE = re.compile(r"^E {2,}(?P<text>.*)$", re.MULTILINE)
_PLACE = re.compile(r"^(?P<path>[^\s:]+\.py):(?P<line>\d+): (?P<what>.*)$", re.MULTILINE)
_COMPARED = re.compile(r"^assert (?P<left>.+?) (?P<op>==|is|in|!=|<=|>=|<|>|not in|is not) (?P<right>.+)$")
_WHERE = re.compile(r"^ *\+ +where (?P<value>.+?) = (?P<call>.+)$")
_NAMED = re.compile(r"^(?P<name>[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning|Iteration)): ?(?P<text>.*)$")
_BARE = re.compile(r"^(?P<name>[A-Za-z_][\w.]*(?:Error|Exception|Iteration))$")
_PARAMETERS = re.compile(r"^\w+ = .+$", re.MULTILINE)
_FRAME = re.compile(r'^ *File "(?P<path>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>\S+))?', re.MULTILINE)
_UNITTEST = re.compile(r"^(?P<kind>FAIL|ERROR): (?P<test>\w+) \((?P<where>[^)]*)\)", re.MULTILINE)
_NOT_EQUAL = re.compile(r"^(?P<observed>.+) != (?P<expected>.+?)(?: : .*)?$")

KINDS: dict[str, Kind] = {
    "AssertionError": "assertion",
    "SyntaxError": "syntax",
    "IndentationError": "syntax",
    "TabError": "syntax",
    "ImportError": "import",
    "ModuleNotFoundError": "import",
    "MemoryError": "memory",
    "TimeoutError": "timeout",
    "FileNotFoundError": "not_found",
}
"""What an exception's name says; any other is ``exception``."""


def pytest_failures(output: str) -> list[Failure]:
    """One failure for each failing test or module that pytest reports at length."""
    blocks = list(_BLOCK.finditer(output))
    found: list[Failure] = []
    for index, block in enumerate(blocks):
        end = blocks[index + 1].start() if index + 1 < len(blocks) else len(output)
        body = output[block.end() : end].split("\n====", 1)[0]
        errors = [match["text"] for match in _ERROR_LINE.finditer(body)]
        if errors:
            found.append(_from_pytest(block["test"], errors, body))
    return found


def unittest_failures(output: str) -> list[Failure]:
    """One failure for each ``FAIL:`` or ``ERROR:`` block of unittest."""
    blocks = list(_UNITTEST.finditer(output))
    found: list[Failure] = []
    for index, block in enumerate(blocks):
        end = blocks[index + 1].start() if index + 1 < len(blocks) else len(output)
        body = output[block.end() : end].split("\n" + "=" * 70, 1)[0]
        where, test = block["where"], block["test"]
        test = where if where.endswith(f".{test}") else f"{where}.{test}"
        found += [_with(failure, test=test) for failure in traceback_failures(body)[:1]]
    return found


def traceback_failures(output: str) -> list[Failure]:
    """The last exception of each Python traceback in a text."""
    found: list[Failure] = []
    for part in output.split("Traceback (most recent call last):")[1:]:
        frames = [Frame(m["path"], int(m["line"]), m["function"] or "") for m in _FRAME.finditer(part)]
        named = next((m for m in map(_exception, part.splitlines()) if m is not None), None)
        if named is not None:
            found.append(_exception_failure(*named, frames))
    return found


def _from_pytest(test: str, errors: list[str], body: str) -> Failure:
    frames = [Frame(m["path"], int(m["line"])) for m in _PLACE.finditer(body)]
    first = errors[0].strip()
    compared = _COMPARED.match(first.removeprefix("AssertionError: "))
    if compared is not None:
        where = next((m for m in map(_WHERE.match, errors) if m is not None), None)
        observed, expected, call = compared["left"], compared["right"], None
        if where is not None:
            call = where["call"]
            if where["value"] == expected:
                observed, expected = expected, observed
        if compared["op"] != "==":
            expected = f"{compared['op']} {expected}"
        failure = Failure("assertion", first, expected=expected, observed=observed, call=call, frames=frames)
    else:
        named = next((m for m in map(_exception, (line.strip() for line in errors)) if m is not None), None)
        failure = (
            _exception_failure(*named, frames) if named is not None else Failure("assertion", first, frames=frames)
        )
        # What the test was called with stands above its source.
        given = _PARAMETERS.search(body.split("\n>", 1)[0])
        failure = _with(failure, call=given[0][:300] if given is not None else None)
    inner = [frame for frame in frames if "site-packages" not in frame.path]
    place = inner[-1] if inner else None
    return _with(failure, test=test, path=place.path if place else None, line=place.line if place else None)


def _exception(line: str) -> tuple[str, str] | None:
    named = _NAMED.match(line)
    if named is not None:
        return named["name"], named["text"]
    bare = _BARE.match(line)
    return (bare["name"], "") if bare is not None else None


def _exception_failure(name: str, text: str, frames: list[Frame]) -> Failure:
    short = name.rsplit(".", 1)[-1]
    kind = KINDS.get(short, "exception")
    if "took too long" in text or "Timeout" in short:
        kind = "timeout"
    observed, expected = f"{short}: {text}".rstrip(": "), None
    unequal = _NOT_EQUAL.match(text) if kind == "assertion" else None
    if unequal is not None:
        observed, expected = unequal["observed"], unequal["expected"]
    last = frames[-1] if frames else None
    return Failure(
        kind,
        f"{short}: {text}".rstrip(": "),
        path=last.path if last else None,
        line=last.line if last else None,
        expected=expected,
        observed=observed,
        frames=frames,
    )


def _with(failure: Failure, **changes: object) -> Failure:
    return msgspec.structs.replace(failure, **{name: value for name, value in changes.items() if value is not None})
