"""The auditor: every detector over one change, in a fixed order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from terret.entropy._architecture import architecture
from terret.entropy._burden import Burden
from terret.entropy._change import Change, Changed, Reader
from terret.entropy._comments import remarks
from terret.entropy._contracts import Rules
from terret.entropy._dependencies import dependencies
from terret.entropy._docstrings import docstrings
from terret.entropy._documents import documents
from terret.entropy._duplicates import duplicates
from terret.entropy._format import formatting
from terret.entropy._prints import prints
from terret.entropy._residue import residue
from terret.entropy._scope import scope
from terret.entropy._settings import loosened
from terret.entropy._symbols import symbols
from terret.entropy._tests import tests
from terret.entropy._vanished import Vanished
from terret.entropy._workflow import workflow

LIMIT = 20
"""Burdens of one rule in one file that are listed; more say no more."""


def audit(
    before: Reader,
    after: Reader,
    files: Sequence[Changed],
    *,
    paths: Sequence[str],
    hints: Sequence[str] = (),
    state: Mapping[str, Any] | None = None,
    import_rules: Rules = (),
    weakened: Sequence[Mapping[str, Any]] | None = None,
) -> list[Burden]:
    """The maintenance burdens a change introduces; pure, and the same for the same trees.

    Only what the change adds, or makes wrong, is held against it. Anything that cannot be read is left out.

    Args:
        before: Content without the change; nothing when there is no such file.
        after: Content with the change.
        files: The changed files with git's status letters; a renamed file is a deleted and an added one.
        paths: Every path of the tree with the change.
        hints: Files, folders or patterns the task is about; without them no edit counts as unrelated.
        state: The agent's task state; any text in it may name files and symbols.
        import_rules: Layers from top to bottom, or contracts as import-linter has them. Those the repository declares
            are read anyway.
        weakened: What a closer look at the tests found, ``{rule, path, evidence, severity}`` with the severities
            ``unsafe``, ``declared`` and ``note``. Without it tests, assertions and cases are counted.

    Returns:
        Burdens by path, line, rule and evidence, at most ``LIMIT`` of one rule in one file.
    """
    change = Change(before, after, files, paths, hints)
    found = sorted(
        set(_detect(change, state, import_rules, weakened)),
        key=lambda item: (item.path, item.line, item.category, item.rule, item.evidence),
    )
    counts: Counter[tuple[str, str]] = Counter()
    listed: list[Burden] = []
    for item in found:
        counts[item.path, item.rule] += 1
        if counts[item.path, item.rule] <= LIMIT:
            listed.append(item)
    return listed


def _detect(
    change: Change, state: Mapping[str, Any] | None, rules: Rules, weakened: Sequence[Mapping[str, Any]] | None
) -> Iterator[Burden]:
    gone = Vanished(change)
    yield from formatting(change)
    yield from prints(change)
    yield from remarks(change)
    yield from symbols(change)
    yield from duplicates(change)
    yield from documents(change, gone, state)
    yield from docstrings(change)
    yield from dependencies(change)
    yield from tests(change, gone, weakened)
    yield from residue(change)
    yield from architecture(change, rules)
    yield from workflow(change, gone)
    yield from loosened(change)
    yield from scope(change)
