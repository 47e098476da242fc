"""Suspicious lines, from the formula and from a real traced run."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.attribution import coverage_runner, ochiai, parse_coverage, suspects

RUNS = st.lists(st.dictionaries(st.sampled_from(["a.py", "b.py"]), st.sets(st.integers(1, 9))), max_size=6)


@given(RUNS, RUNS)
def test_the_score_is_ochiais(passed: list[dict[str, set[int]]], failed: list[dict[str, set[int]]]) -> None:
    for suspect in ochiai(passed, failed):
        ef = sum(suspect.line in run.get(suspect.path, ()) for run in failed)
        ep = sum(suspect.line in run.get(suspect.path, ()) for run in passed)
        assert suspect.score == pytest.approx(ef / math.sqrt(len(failed) * (ef + ep)), abs=1e-6)
        assert 0 < suspect.score <= 1


BUGGY = """def middle(a, b, c):
    if a < b:
        if b < c:
            return b
        return c if a < c else a
    if a < c:
        return b
    return b if b > c else c
"""

TESTS = """import unittest
from buggy import middle
class Test(unittest.TestCase):
    def test_up(self): self.assertEqual(middle(1, 2, 3), 2)
    def test_down(self): self.assertEqual(middle(3, 2, 1), 2)
    def test_mixed(self): self.assertEqual(middle(2, 1, 3), 2)
    def test_loop(self):
        while True:
            pass
"""


@pytest.mark.parametrize("kind", ["pytest", "unittest"])
def test_the_faulty_line_is_the_most_suspicious(kind: str, tmp_path: Path) -> None:
    (tmp_path / "buggy.py").write_text(BUGGY)
    (tmp_path / "test_buggy.py").write_text(TESTS)
    arguments = ["test_buggy.py"] if kind == "pytest" else ["test_buggy"]
    command = [sys.executable, "-c", coverage_runner(), kind, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)
    report = parse_coverage(done.stdout)
    by_name = {test.name.rpartition(".")[2].rpartition("::")[2]: test.passed for test in report.tests}
    assert by_name == {"test_up": True, "test_down": True, "test_mixed": False, "test_loop": False}
    ranked = [(item.path, item.line, item.function) for item in suspects(report) if item.path == "buggy.py"]
    assert ranked[0][:2] in {("buggy.py", 6), ("buggy.py", 7)}
    assert ("buggy.py", 7, "middle") in ranked[:2]


def test_no_report_is_an_empty_report() -> None:
    assert suspects(parse_coverage("nothing here")) == []
    assert suspects(parse_coverage("terret-coverage:{broken")) == []
