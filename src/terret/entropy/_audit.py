"""The auditor's face; the detectors are loaded with the first audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from terret.entropy._burden import Burden
from terret.entropy._change import Change, Changed, Reader
from terret.entropy._contracts import Rules

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
    from terret.entropy._detect import detect

    change = Change(before, after, files, paths, hints)
    found = sorted(
        set(detect(change, state, import_rules, weakened)),
        key=lambda item: (item.path, item.line, item.category, item.rule, item.evidence),
    )
    counts: Counter[tuple[str, str]] = Counter()
    listed: list[Burden] = []
    for item in found:
        counts[item.path, item.rule] += 1
        if counts[item.path, item.rule] <= LIMIT:
            listed.append(item)
    return listed
