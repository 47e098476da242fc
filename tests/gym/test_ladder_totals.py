"""Intervals, paired tests and totals over cells."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ladder_packages import call, failed, result

from terret.gym import (
    METRICS,
    Cell,
    CellResult,
    bootstrap,
    compare,
    figures,
    mcnemar,
    sign_flip,
    total,
    wilson,
    with_company,
)
from terret.intervention import m_hir
from terret.journal import Intervened


def test_mcnemar_is_the_exact_binomial():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(0, 6) == pytest.approx(2 / 2**6)
    assert mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(3, 3) == 1.0


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_a_symmetric_p_value(a, b):
    assert mcnemar(a, b) == mcnemar(b, a)
    assert 0 < mcnemar(a, b) <= 1


def test_sign_flip_is_exact_for_few_differences():
    assert sign_flip([], seed=1) == sign_flip([0.0, 0.0], seed=1) == 1.0
    assert sign_flip([1.0] * 5, seed=1) == 2 / 2**5
    values = [3.0, -1.0, 2.0, 0.5]
    seen = [abs(sum(s * v for s, v in zip(signs, values, strict=True))) for signs in product((1, -1), repeat=4)]
    assert sign_flip(values, seed=1) == sum(value >= 4.5 for value in seen) / 16


def test_sign_flip_draws_for_many_and_is_seeded():
    same = [1.0] * 20
    assert sign_flip(same, seed=3) == sign_flip(same, seed=3) < 0.001
    balanced = [1.0, -1.0] * 10
    assert sign_flip(balanced, seed=3) == 1.0


def test_the_bootstrap_draws_tasks_not_episodes():
    alike = [[(1.0, 1.0)] * 50, [(0.0, 1.0)] * 50]
    assert bootstrap(alike, seed=0) == (0.0, 1.0)
    assert bootstrap([[(2.0, 1.0)], [(2.0, 1.0)]], seed=0) == (2.0, 2.0)
    assert bootstrap([[(2.0, 1.0)]], seed=0) is None
    assert bootstrap([], seed=0) is None
    assert bootstrap([[(0.0, 0.0)], [(0.0, 0.0)]], seed=0) is None
    assert bootstrap([[(1.0, 1.0), (3.0, 1.0)]], seed=0) == (1.0, 3.0)


def test_the_bootstrap_interval_holds_the_mean_about_as_often_as_it_says():
    draw = Random(5)
    hits = 0
    for seed in range(60):
        sample = [[(draw.gauss(10, 2), 1.0)] for _ in range(30)]
        low, high = bootstrap(sample, seed=seed, rounds=300) or (0, 0)
        hits += low <= 10 <= high
    assert 50 <= hits <= 60


@pytest.fixture
def cells(tmp_path: Path) -> list[CellResult]:
    """Two tasks, two repeats, H0 and H3; one H0 episode ungraded, one H3 cell suspended."""
    found: list[CellResult] = []
    for level, task, repeat in product(("H0", "H3"), ("a", "b"), (1, 2)):
        cell = Cell("m", level, task, repeat)
        if (level, task, repeat) == ("H3", "b", 2):
            found.append(CellResult(cell, "suspended", f"episodes/{cell.id}", "no answer [E_MODEL]"))
            continue
        how = {"label": "autonomous_verified_success"} if level == "H3" else {"label": "failed", "passed": False}
        if (level, task) == ("H0", "a"):
            how = {"label": "unverified_success"}
        if (level, task, repeat) == ("H0", "b", 1):
            how["false_completion"] = True
        if (level, task, repeat) == ("H0", "b", 2):
            how = {"label": None, "passed": None}
        help_given = Intervened(1, "hint", "look", True, True, 1, "context manager")
        events = [
            *call("m", (100 if level == "H0" else 300, 0)),
            failed(),
            *([help_given] * (2 if level == "H0" else 0)),
        ]
        found.append(result(tmp_path, cell, events, **how))
    return found


def test_totals_leave_infrastructure_out_of_every_denominator(cells):
    h0, h3 = total("m", "H0", cells), total("m", "H3", cells)
    assert (h0.cells, h0.finished, h0.graded, h0.ungraded, h0.unfinished) == (4, 4, 3, 1, 0)
    assert (h3.cells, h3.finished, h3.graded, h3.ungraded, h3.unfinished) == (4, 3, 3, 0, 1)
    named = {figure.name: figure for figure in figures(h0)}
    passed = named["functional_pass"]
    assert (passed.numerator, passed.denominator, passed.value) == (2, 3, pytest.approx(2 / 3))
    assert (passed.low, passed.high) == wilson(2, 3)
    assert named["false_completion"].numerator == 1
    assert named["avsr"].numerator == 0
    assert {figure.name: figure.value for figure in figures(h3)}["avsr"] == 1.0
    assert h0.labels == {"failed": 1, "unverified_success": 2}
    assert h0.failure_codes == {"F_verify": 1}


def test_m_hir_is_the_count_ratio_and_has_a_second_figure_beside_it(cells):
    named = {figure.name: figure.value for figure in figures(total("m", "H0", cells))}
    help_given = Intervened(1, "hint", "look", True, True, 1, "context manager")
    assert named["m_hir"] == 2.0 == m_hir([help_given] * 6, 3)
    assert named["avoidable_share"] == 1.0


def test_a_figure_without_denominator_has_no_value(cells):
    named = {figure.name: figure for figure in figures(total("m", "H0", cells))}
    assert named["tool_recovery"].value is named["tool_recovery"].low is None
    assert named["attribution_completeness"].value == 0.0


def test_levels_are_compared_on_the_pairs_graded_at_both(cells):
    (found,) = compare("m", ["H0", "H3"], cells)
    assert (found.tasks, found.pairs, found.passed_first, found.passed_second) == (2, 3, 2, 3)
    assert (found.only_first, found.only_second, found.p_pass) == (0, 1, 1.0)
    assert found.pass_difference == pytest.approx(1 / 3)
    assert (found.pass_ratio, found.tokens_ratio) == (1.5, 3.0)
    assert found.p_tokens == 0.5  # two tasks, both upwards


def test_avsr_never_comes_alone():
    assert with_company(["avsr"]) == ["functional_pass", "false_completion", "avsr"]
    assert with_company(["tokens", "avsr", "functional_pass"]) == [
        *("tokens", "functional_pass", "false_completion", "avsr")
    ]
    with pytest.raises(KeyError):
        with_company(["nonsense"])


@given(st.lists(st.sampled_from(sorted(METRICS)), unique=True))
def test_whatever_is_asked_for_avsr_follows_its_company(names):
    shown = with_company(names)
    assert set(names) <= set(shown)
    assert len(shown) == len(set(shown))
    if "avsr" in shown:
        assert max(shown.index("functional_pass"), shown.index("false_completion")) < shown.index("avsr")


def test_metrics_are_never_stored_with_a_cell(cells):
    plain = msgspec.to_builtins(cells[0].cell)
    assert plain == {"model": "m", "level": "H0", "task": "a", "repeat": 1}
