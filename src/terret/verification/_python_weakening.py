"""Compares Python tests before and after a patch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from terret.verification._assertions import RANK, Assertion, broader
from terret.verification._python_file import PythonFile, PythonTest, read_python
from terret.verification._results import Finding

Read = Mapping[str, tuple[bytes | None, bytes | None]]
"""Path to content before and after."""

_HARMLESS = ("pytest.", "mock.", "unittest.", "patch", "given", "settings", "example", "parameterized", "freeze_time")
_CONSTANT_SKIP = re.compile(r"skip(?:if|If|Unless)\(\s*(?:condition\s*=\s*)?(?:not\s+)?(?:True|False|\d|['\"])")
_ORDER = {"<": 1, "<=": 1, ">": -1, ">=": -1}


def python_weakening(files: Read) -> list[Finding]:
    """Weakened Python tests in a set of changed files; renamed and moved tests count as the same."""
    found: list[Finding] = []
    old: dict[str, PythonFile] = {}
    new: dict[str, PythonFile] = {}
    for path, (before, after) in files.items():
        parsed = read_python(before) if before is not None else None
        if parsed is not None:
            old[path] = parsed
        replaced = read_python(after) if after is not None else None
        if replaced is not None:
            new[path] = replaced
        elif after is not None and parsed is not None:
            found.append(Finding("test_unparsable", path, "the file is no Python any more"))
    added = [
        test
        for path, file in new.items()
        for name, test in file.tests.items()
        if path not in old or name not in old[path].tests
    ]
    for path, file in old.items():
        if path in new:
            found += _file(path, file, new[path], added)
        elif files[path][1] is None:
            gone = [test for test in file.tests.values() if not _moved(test, added)]
            if gone:
                found.append(Finding("test_file_deleted", path, f"{len(gone)} tests deleted, {gone[0].name} first"))
    return found


def _file(path: str, old: PythonFile, new: PythonFile, added: list[PythonTest]) -> Iterator[Finding]:
    for text in new.skips - old.skips:
        yield Finding("skip_added", path, f"the whole file: {text}")
    for name in sorted(new.defined & old.imported - old.defined):
        yield Finding("subject_shadowed", path, f"{name} is now defined in the test file")
    for name, test in old.tests.items():
        if name in new.tests:
            yield from compare(path, test, new.tests[name])
        elif not _moved(test, added):
            likely = _likely(test, added)
            if likely is None:
                yield Finding("test_removed", path, name)
            elif _merged(test, likely):
                yield Finding("test_merged", path, f"{name} into {likely.name}", "note")
            else:
                yield from compare(path, test, likely)
    for name, helper in old.helpers.items():
        if name in new.helpers:
            yield from compare(path, helper, new.helpers[name])
        elif name in new.defined:
            yield Finding("assertion_removed", path, f"{name} asserts nothing any more")


def compare(path: str, old: PythonTest, new: PythonTest) -> Iterator[Finding]:
    """What became weaker in one test."""
    name = new.name if new.name == old.name else f"{old.name}, now {new.name}"
    yield from _skips(path, name, old.skips, new.skips)
    if new.exits > old.exits:
        yield Finding("early_return", path, f"{name} returns before its end")
    yield from _cases(path, name, old.cases, new.cases)
    for text in sorted(new.decorators - old.decorators):
        if not text.startswith(_HARMLESS) and "parametrize" not in text and text not in new.skips:
            yield Finding("decorator_added", path, f"{name}: @{text}", "note")
    yield from _assertions(path, name, old.assertions, new.assertions)


def _skips(path: str, name: str, old: Counter[str], new: Counter[str]) -> Iterator[Finding]:
    """New reasons to skip; a reworded condition in the place of an old one is only worth a look."""
    reworded = sum("skipif" in text.lower() for text in old - new)
    for text in new - old:
        if reworded > 0 and "skipif" in text.lower() and not _CONSTANT_SKIP.search(text):
            reworded -= 1
            yield Finding("skip_condition_changed", path, f"{name}: {text}", "note")
        else:
            yield Finding("skip_added", path, f"{name}: {text}")


def _cases(path: str, name: str, old: Counter[str], new: Counter[str]) -> Iterator[Finding]:
    lost = old - new
    if not lost:
        return
    first = next(iter(lost))
    if not new:
        yield Finding("cases_emptied", path, f"{name}: no case left of {old.total()}")
    elif new.total() < old.total():
        yield Finding("cases_removed", path, f"{name}: {lost.total()} cases gone, {first} first")
    else:
        yield Finding("expected_changed", path, f"{name}: case {first} changed")


def _assertions(path: str, name: str, old: list[Assertion], new: list[Assertion]) -> Iterator[Finding]:
    left = list(new)
    open_: list[Assertion] = []
    for wanted in old:
        same = [item for item in left if item.key == wanted.key]
        if not same:
            open_.append(wanted)
            continue
        best = max(same, key=lambda item: RANK[item.state])
        left.remove(best)
        if RANK[best.state] < RANK[wanted.state]:
            rule = "assertion_unreachable" if best.state == "dead" else "assertion_made_conditional"
            yield Finding(rule, path, f"{name}: {wanted}")
    for wanted in open_:
        if wanted.state == "dead" or wanted.op == "constant":
            continue
        match = _counterpart(wanted, left)
        if match is None:
            yield Finding("assertion_removed", path, f"{name}: {wanted}")
            continue
        left.remove(match)
        yield from _judge(path, name, wanted, match)


def _counterpart(wanted: Assertion, left: list[Assertion]) -> Assertion | None:
    """The assertion that most likely replaces ``wanted``."""

    def nearness(item: Assertion) -> int:
        if item.subject == wanted.subject:
            return 4 if item.op == wanted.op else 3
        if wanted.subject and (wanted.subject in item.subject or item.subject in wanted.subject):
            return 2
        return 1 if (item.op, item.expected) == (wanted.op, wanted.expected) else 0

    return max(left, key=nearness, default=None)


def _judge(path: str, name: str, old: Assertion, new: Assertion) -> Iterator[Finding]:
    change = f"{name}: {old} became {new}"
    if RANK[new.state] < RANK[old.state]:
        rule = "assertion_unreachable" if new.state == "dead" else "assertion_made_conditional"
        yield Finding(rule, path, change)
    elif new.op == "constant" or new.strength < old.strength:
        yield Finding("assertion_weakened", path, change)
    elif old.subject == new.subject:
        rule = _same_subject(old, new)
        if rule is not None:
            yield Finding(rule, path, change)
    elif (old.op, old.expected, old.extra) != (new.op, new.expected, new.extra):
        yield Finding("assertion_replaced", path, change)
    elif old.literals() - new.literals():
        yield Finding("input_changed", path, change)
    else:
        yield Finding("subject_changed", path, change, "note")


def _same_subject(old: Assertion, new: Assertion) -> str | None:
    if new.strength > old.strength:
        return None
    if old.op == "raises" and new.op == "raises":
        return _raises(old, new)
    if old.op in _ORDER and _ORDER.get(new.op) == _ORDER[old.op]:
        return _bound(old, new)
    if old.op == "isinstance" and new.op == "isinstance":
        wider = broader(old.expected, new.expected)
        return None if old.expected == new.expected or wider is False else "assertion_weakened"
    if (old.op, old.expected) == (new.op, new.expected):
        return "tolerance_loosened" if _looser(old.extra, new.extra) else None
    return "expected_changed"


def _raises(old: Assertion, new: Assertion) -> str | None:
    if old.expected != new.expected:
        wider = broader(old.expected, new.expected)
        if wider is not False:
            return "raises_broadened" if wider else "expected_changed"
    if old.extra and old.extra != new.extra:
        return "raises_match_removed" if not new.extra else "expected_changed"
    return None


def _bound(old: Assertion, new: Assertion) -> str | None:
    before, after = _number(old.expected), _number(new.expected)
    if before is None or after is None:
        return None if old.expected == new.expected and len(new.op) <= len(old.op) else "expected_changed"
    growth = (after - before) * _ORDER[old.op]
    looser = growth > 0 or (growth == 0 and len(new.op) > len(old.op))
    return "bound_loosened" if looser else None


def _looser(old: str, new: str) -> bool:
    """Whether one tolerance admits more than another; ``places`` and ``decimal`` count the other way round."""
    before, after = _tolerances(old), _tolerances(new)
    if before.keys() != after.keys():
        return bool(after)
    for name, value in before.items():
        limit = after[name]
        if value is None or limit is None:
            return True
        if (limit < value) if name in ("places", "decimal") else (limit > value):
            return True
    return False


def _tolerances(text: str) -> dict[str, float | None]:
    pairs = [part.partition("=") for part in text.split(", ") if part]
    return {name: _number(value) for name, _, value in pairs}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _moved(test: PythonTest, added: list[PythonTest]) -> bool:
    """Whether an equal or stronger test stands elsewhere under another name."""
    wanted = Counter(item.key for item in test.assertions if item.state == "live")
    for other in added:
        if other.skips - test.skips or test.cases - other.cases:
            continue
        live = Counter(item.key for item in other.assertions if item.state == "live")
        if other.fingerprint == test.fingerprint or (wanted and not wanted - live):
            return True
    return False


def _likely(test: PythonTest, added: list[PythonTest]) -> PythonTest | None:
    """The added test that shares most with a removed one."""

    def shared(other: PythonTest) -> int:
        keys = {item.key for item in test.assertions} & {item.key for item in other.assertions}
        subjects = {item.subject for item in test.assertions} & {item.subject for item in other.assertions}
        return 2 * len(keys) + len(subjects) + (3 if _merged(test, other) else 0)

    best = max(added, key=shared, default=None)
    return best if best is not None and shared(best) > 0 else None


def _merged(test: PythonTest, other: PythonTest) -> bool:
    """Whether a removed test's values and calls all reappear in one with cases, as after parametrising."""
    strong = max((item.strength for item in other.assertions if item.state == "live"), default=0)
    weak = max((item.strength for item in test.assertions), default=0)
    fits = test.literals <= other.literals and test.callees <= other.callees
    return bool(other.cases) and not other.skips and fits and strong >= weak
