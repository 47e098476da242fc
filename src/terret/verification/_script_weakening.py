"""Compares JavaScript tests before and after a patch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from terret.verification._results import Finding
from terret.verification._script_file import ScriptFile, ScriptTest, read_script

_MATCHERS = {
    "toBe": 5,
    "toEqual": 5,
    "toStrictEqual": 5,
    "equal": 5,
    "strictEqual": 5,
    "deepEqual": 5,
    "deepStrictEqual": 5,
    "eql": 5,
    "is": 5,
    "toMatchObject": 4,
    "toBeCloseTo": 4,
    "toThrow": 4,
    "throws": 4,
    "rejects": 4,
    "toHaveLength": 4,
    "toContain": 3,
    "toContainEqual": 3,
    "toMatch": 3,
    "match": 3,
    "include": 3,
    "toHaveProperty": 3,
    "toBeGreaterThan": 3,
    "toBeLessThan": 3,
    "toBeInstanceOf": 2,
    "notEqual": 2,
    "notStrictEqual": 2,
    "toBeTruthy": 1,
    "toBeDefined": 1,
    "toBeFalsy": 2,
    "toBeNull": 5,
    "toBeUndefined": 5,
    "ok": 1,
    "exist": 1,
    "assert": 1,
}
_LITERAL = re.compile(r"\s*(?:true|false|null|undefined|[\d.]+|'[^']*'|\"[^\"]*\")\s*")


def script_weakening(files: Mapping[str, tuple[bytes | None, bytes | None]]) -> list[Finding]:
    """Weakened JavaScript tests in a set of changed files; moved and renamed tests count as the same."""
    found: list[Finding] = []
    old = {path: read_script(before) for path, (before, _) in files.items() if before is not None}
    new = {path: read_script(after) for path, (_, after) in files.items() if after is not None}
    added = [
        test
        for path, file in new.items()
        for name, test in file.tests.items()
        if path not in old or name not in old[path].tests
    ]
    for path, file in old.items():
        if path in new:
            found += _file(path, file, new[path], added)
        else:
            gone = [test for test in file.tests.values() if not _moved(test, added)]
            if gone or file.loose:
                found.append(Finding("test_file_deleted", path, f"{len(gone)} tests deleted"))
    for path, file in new.items():
        if file.only > (old[path].only if path in old else 0):
            found.append(Finding("only_added", path, "only the marked tests run"))
    return found


def _file(path: str, old: ScriptFile, new: ScriptFile, added: list[ScriptTest]) -> Iterator[Finding]:
    for name, test in old.tests.items():
        if name in new.tests:
            yield from _compare(path, test, new.tests[name])
        elif not _moved(test, added):
            likely = next((other for other in added if test.assertions & other.assertions), None)
            if likely is None:
                yield Finding("test_removed", path, name)
            else:
                yield from _compare(path, test, likely)
    yield from _assertions(path, "outside every test", old.loose, new.loose)


def _moved(test: ScriptTest, added: list[ScriptTest]) -> bool:
    return any(
        not other.skips and (other.body == test.body or (test.assertions and not test.assertions - other.assertions))
        for other in added
    )


def _compare(path: str, old: ScriptTest, new: ScriptTest) -> Iterator[Finding]:
    for skip in new.skips:
        if skip not in old.skips:
            yield Finding("skip_added", path, f"{new.name}: {skip}")
    yield from _assertions(path, new.name, old.assertions, new.assertions)


def _assertions(path: str, name: str, old: Counter[str], new: Counter[str]) -> Iterator[Finding]:
    left = list((new - old).elements())
    for text in (old - new).elements():
        if _strength(text) == 0:
            continue
        subject, matcher = _subject(text), _matcher(text)
        match = next((item for item in left if _subject(item) == subject), None)
        match = match or next((item for item in left if _matcher(item) == matcher), None)
        if match is None:
            yield Finding("assertion_removed", path, f"{name}: {_cut(text)}")
            continue
        left.remove(match)
        change = f"{name}: {_cut(text)} became {_cut(match)}"
        if _strength(match) < _strength(text):
            yield Finding("assertion_weakened", path, change)
        elif _subject(match) != subject:
            same_rest = text.replace(subject, "", 1) == match.replace(_subject(match), "", 1)
            yield Finding("input_changed" if same_rest else "assertion_replaced", path, change)
        elif _strength(match) == _strength(text):
            if matcher == "toThrow" and "toThrow()" in text.replace(" ", ""):
                continue
            yield Finding("expected_changed", path, change)


def _matcher(text: str) -> str:
    """The name of the assertion: the last matcher of an ``expect`` chain, the method of ``assert``."""
    if re.match(r"(?:chai\.)?expect\b", text):
        names = re.findall(r"\.\s*(\w+)", text[len(_head(text)) :])
        return next((name for name in reversed(names) if name in _MATCHERS), names[-1] if names else "")
    head = text.partition("(")[0]
    return head.rpartition(".")[2].strip()


def _head(text: str) -> str:
    """The ``expect(...)`` part of a chain."""
    depth = 0
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == ")" and depth == 0:
            return text[: at + 1]
    return text


def _subject(text: str) -> str:
    """The first argument."""
    begin = text.find("(") + 1
    depth = 0
    for at in range(begin, len(text)):
        char = text[at]
        if char in "([{":
            depth += 1
        elif char in ")]}" or (char == "," and depth == 0):
            if depth == 0:
                return text[begin:at].strip()
            depth -= 1
    return text[begin:].strip()


def _strength(text: str) -> int:
    subject = _subject(text)
    if _LITERAL.fullmatch(subject):
        return 0
    negated = ".not." in text or ".not " in text
    strength = _MATCHERS.get(_matcher(text), 3)
    return min(strength, 2) if negated else strength


def _cut(text: str) -> str:
    return text if len(text) <= 100 else text[:97] + "..."
