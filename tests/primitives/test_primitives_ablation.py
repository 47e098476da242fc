"""A part of the ablation: with everything in place nothing gets through, without it something does."""

from __future__ import annotations

import pytest

from benchmarks.ablation import RUNNERS, SCENARIOS, measure

TASKS = SCENARIOS[::6]


@pytest.mark.sandbox
def test_nothing_gets_through_the_full_runner_and_nothing_allowed_is_refused() -> None:
    rows = measure(RUNNERS[0], TASKS)
    assert [row.missing for row in rows] == [()] * len(TASKS)
    assert sum(row.unauthorised for row in rows) == 0
    assert sum(row.denied for row in rows) == 0
    assert sum(row.forbidden for row in rows) >= len(TASKS) // 2


def test_direct_tools_let_the_same_through() -> None:
    rows = measure(RUNNERS[-1], TASKS)
    assert sum(row.unauthorised for row in rows) >= len(TASKS) // 2


def test_without_a_journal_no_row_counts() -> None:
    rows = measure(next(runner for runner in RUNNERS if not runner.journal), TASKS[:3])
    assert not any(row.valid for row in rows)
