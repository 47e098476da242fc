"""Tells the failures a patch adds from those the initial commit already had."""

from __future__ import annotations

import re
from collections import Counter

from terret.verification._results import CheckResult

_TESTS = [
    re.compile(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", re.MULTILINE),  # pytest's short summary
    re.compile(r"^(?:FAIL|ERROR): (\S.*)$", re.MULTILINE),  # unittest
    re.compile(r"^\s*not ok \d+ - (.*?)(?: # .*)?$", re.MULTILINE),  # TAP
    re.compile(r"^\s*[\u2716\u2717\u00d7] (.*?)(?: \([\d.]+m?s\))?$", re.MULTILINE),  # node, vitest
    re.compile(r"^\s*\u25cf (.*)$", re.MULTILINE),  # jest
    re.compile(r"^\s+\d+\) (.*?):?$", re.MULTILINE),  # mocha
    re.compile(r"^--- FAIL: (\S+)", re.MULTILINE),  # go
    re.compile(r"^test (\S+) \.\.\. FAILED$", re.MULTILINE),  # cargo
]
_LINTS = re.compile(r"^(?P<path>[^\s:]+):\d+(?::\d+)?:?\s+(?P<what>.+)$", re.MULTILINE)
_ARROW = re.compile(r"^(?P<what>\S.*)\n\s*--> (?P<path>[^\s:]+):\d+(?::\d+)?$", re.MULTILINE)
_NUMBER = re.compile(r"\d+")


def failed_tests(output: str) -> Counter[str]:
    """The failing tests a test runner's output names; empty when none can be read."""
    found: Counter[str] = Counter()
    for pattern in _TESTS:
        for match in pattern.finditer(output):
            name = match.group(1).strip()
            found[name] = max(found[name], 1)
    return found


def lint_findings(output: str) -> Counter[str]:
    """The findings of a linter's output, line numbers left out; empty when none can be read."""
    matches = [*_LINTS.finditer(output), *_ARROW.finditer(output)]
    return Counter(f"{match['path']}: {_NUMBER.sub('#', match['what'].strip())}" for match in matches)


def against_base(after: CheckResult, before: CheckResult) -> tuple[bool | None, str]:
    """Judge a failed regression or lint run by the same command's run on the untouched repository.

    Returns:
        Whether the patch adds no failure, ``None`` when that cannot be told, and why.
    """
    if before.passed is True:
        return False, f"{after.detail}; it passes at the initial commit"
    if before.passed is None:
        return None, f"{after.detail}; it has no result at the initial commit: {before.detail}"
    read = failed_tests if after.type == "regression" else lint_findings
    old, new = read(before.output), read(after.output)
    if not old or not new:
        if after.output == before.output and after.exit_code == before.exit_code:
            return True, "fails exactly as at the initial commit"
        return None, f"{after.detail}; it fails at the initial commit too, and what is new cannot be told"
    added = new - old
    if not added:
        return True, f"adds nothing to the {old.total()} failures of the initial commit"
    names = ", ".join(sorted(added)[:5])
    return False, f"{added.total()} new failures, {old.total()} at the initial commit: {names}"
