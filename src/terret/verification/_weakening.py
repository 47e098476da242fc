"""Finds tests that a patch made weaker, and changes that switch tests off from outside."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, cast

import msgspec

from terret.globs import Glob
from terret.verification._neutralise import neutralising
from terret.verification._python_weakening import python_weakening
from terret.verification._results import Finding
from terret.verification._script_weakening import script_weakening
from terret.verification._testfiles import TestFiles

Content = Callable[[str], bytes | None]
"""A path's content, nothing when there is no such file."""


class Changed(Protocol):
    """What is needed of a changed file; ``status`` is git's letter: A, M, D or T."""

    @property
    def path(self) -> str:
        """Relative to the repository."""
        ...

    @property
    def status(self) -> str:
        """How it changed."""
        ...


def find_weakening(
    before: Content,
    after: Content,
    files: Sequence[Changed],
    *,
    commands: Sequence[str] = (),
    declared: Sequence[str] = (),
) -> list[Finding]:
    """What a patch does to the tests.

    New, strengthened, renamed and moved tests give no finding.

    Args:
        before: Content at the initial commit.
        after: Content with the patch.
        files: The changed files.
        commands: The task's test commands; files and folders they name count as tests.
        declared: The task's ``permissions.write``. A file that one of its patterns is, without any wildcard, may be
            rewritten by the task's own word: what is found in it has the severity ``declared``.
    """
    tests = TestFiles(commands)
    python: dict[str, tuple[bytes | None, bytes | None]] = {}
    script: dict[str, tuple[bytes | None, bytes | None]] = {}
    found: list[Finding] = []
    for change in files:
        path = change.path
        pair = (before(path) if change.status != "A" else None, after(path) if change.status != "D" else None)
        kind = tests.kind(path)
        if kind == "python":
            python[path] = pair
        elif kind == "script":
            script[path] = pair
        elif kind == "data":
            found += _data(path, *pair)
        elif kind == "runner":
            found += _runner(path, *pair)
        found += neutralising(path, *pair, is_test=kind is not None, commands=commands)
    found = [*python_weakening(python), *script_weakening(script), *found]
    named = [Glob(pattern) for pattern in declared]
    return [_declare(finding, named) for finding in found]


def _declare(finding: Finding, named: Sequence[Glob]) -> Finding:
    if finding.severity == "unsafe" and any(glob.names(finding.path) for glob in named):
        return msgspec.structs.replace(finding, severity="declared")
    return finding


def _data(path: str, before: bytes | None, after: bytes | None) -> Iterator[Finding]:
    """Recorded inputs and expected outputs: nothing may be lost or changed."""
    if before is None or before == after:
        return
    if after is None:
        yield Finding("test_data_deleted", path, "recorded test data is gone")
    elif not (_grew(before, after) or _lines_added(before, after)):
        yield Finding("test_data_changed", path, "recorded test data differs from the initial commit")


def _grew(before: bytes, after: bytes) -> bool:
    """Whether two JSON texts are equal, or a list or object only got more members."""
    try:
        old, new = json.loads(before), json.loads(after)
    except (ValueError, RecursionError):
        return False
    return _contains(new, old)


def _contains(new: object, old: object) -> bool:
    if isinstance(old, list) and isinstance(new, list):
        return not Counter(map(_text, cast(list[object], old))) - Counter(map(_text, cast(list[object], new)))
    if isinstance(old, dict) and isinstance(new, dict):
        members, others = cast(dict[str, object], old), cast(dict[str, object], new)
        return all(key in others and _contains(others[key], value) for key, value in members.items())
    return type(old) is type(new) and old == new  # pyright: ignore[reportUnknownArgumentType]


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _lines_added(before: bytes, after: bytes) -> bool:
    return not Counter(_lines(before)) - Counter(_lines(after))


def _lines(content: bytes) -> list[bytes]:
    return [line.strip() for line in content.splitlines() if line.strip()]


def _runner(path: str, before: bytes | None, after: bytes | None) -> Iterator[Finding]:
    """A script the test command names: lines may be added, none lost."""
    if before is None or before == after:
        return
    if after is None:
        yield Finding("test_runner_deleted", path, "the test command names this file")
    elif not _lines_added(before, after):
        yield Finding("test_runner_changed", path, "the test command names this file")
    else:
        yield Finding("test_runner_changed", path, "lines were added; the test command names this file", "note")
