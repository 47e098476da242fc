"""Spectrum-based fault localisation: lines that failing tests run and passing ones do not are suspicious."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import msgspec

Coverage = Mapping[str, Collection[int]]
"""The lines (from 1) of each file that one test ran."""


class Suspect(msgspec.Struct, frozen=True):
    """A line, the function around it where known, and its score between 0 and 1."""

    path: str
    line: int
    function: str
    score: float


class TestCoverage(msgspec.Struct, frozen=True):
    """One traced test."""

    __test__ = False

    name: str
    passed: bool
    lines: dict[str, list[int]]


class CoverageReport(msgspec.Struct, frozen=True):
    """What a traced run gave: its tests, and the function around each line."""

    tests: list[TestCoverage] = []
    functions: dict[str, dict[int, str]] = {}


def ochiai(
    passed: Sequence[Coverage], failed: Sequence[Coverage], functions: Mapping[str, Mapping[int, str]] | None = None
) -> list[Suspect]:
    """Every line that a failing test ran, most suspicious first.

    The score of a line is ``ef / sqrt(F * (ef + ep))`` with ``ef`` and ``ep`` the failing and passing tests that ran
    it and ``F`` all failing tests (Ochiai coefficient; Abreu, Zoeteweij, van Gemund: An Evaluation of Similarity
    Coefficients for Software Fault Localization, PRDC 2006). Lines of equal score keep the order of the file.
    """
    in_failed = _counts(failed)
    in_passed = _counts(passed)
    found = [
        Suspect(
            path,
            line,
            (functions or {}).get(path, {}).get(line, ""),
            round(count / math.sqrt(len(failed) * (count + in_passed[path, line])), 6),
        )
        for (path, line), count in in_failed.items()
    ]
    return sorted(found, key=lambda item: (-item.score, item.path, item.line))


def suspects(report: CoverageReport) -> list[Suspect]:
    """:func:`ochiai` over a traced run; empty when every test passed."""
    passed = [test.lines for test in report.tests if test.passed]
    failed = [test.lines for test in report.tests if not test.passed]
    return ochiai(passed, failed, report.functions)


def _counts(runs: Sequence[Coverage]) -> Counter[tuple[str, int]]:
    return Counter((path, line) for run in runs for path, lines in run.items() for line in set(lines))
