"""Rates, intervals, totals and the table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.gym import Row, summarise, table, wilson

ROWS = [
    Row("a", "autonomous_verified_success", True, False, 4, 900, 10.0, None, "declared", "out/a"),
    Row("b-long-name", "failed", False, True, 9, 2100, 20.5, "F_verify", "declared", "out/b"),
    Row("c", "failed", False, False, 16, 5000, 30.0, "F_model", "budget", "out/c"),
    Row("d", error="the endpoint is away [E_MODEL]", stop_reason="infrastructure"),
]


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(11, 20, 0.3421, 0.7418), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0), (1, 2, 0.0945, 0.9055), (0, 0, 0.0, 1.0)],
)
def test_wilson_known_values(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.1, 5))
def test_wilson_properties(case: tuple[int, int], z: float) -> None:
    successes, n = case
    low, high = wilson(successes, n, z)
    assert 0 <= low <= successes / n <= high <= 1
    mirrored = wilson(n - successes, n, z)
    assert mirrored == (pytest.approx(1 - high, abs=1e-9), pytest.approx(1 - low, abs=1e-9))
    more = wilson(successes * 4, n * 4, z)
    assert more[1] - more[0] < high - low or z < 0.2


@pytest.mark.parametrize(("successes", "n", "z"), [(-1, 3, 1.96), (4, 3, 1.96), (0, -1, 1.96), (1, 2, -1.0)])
def test_wilson_refuses_what_is_no_share(successes: int, n: int, z: float) -> None:
    with pytest.raises(ValueError, match="no share"):
        wilson(successes, n, z)


def test_totals() -> None:
    found = summarise(ROWS)
    assert (found.tasks, found.graded, found.errors) == (4, 3, 1)
    assert (found.functional_pass.successes, found.functional_pass.n) == (1, 3)
    assert (found.false_completion.successes, found.false_completion.n) == (1, 3)
    assert {label: rate.successes for label, rate in found.labels.items()} == {
        "autonomous_verified_success": 1,
        "failed": 2,
    }
    assert found.failure_codes == {"F_model": 1, "F_verify": 1}
    assert found.stop_reasons == {"budget": 1, "declared": 2, "infrastructure": 1}
    assert (found.steps, found.tokens, found.seconds) == (29, 8000, 60.5)


def test_no_rows_at_all() -> None:
    found = summarise([])
    assert (found.graded, found.functional_pass.low, found.functional_pass.high) == (0, 0.0, 1.0)
    assert "0 tasks" in table([])


def test_table() -> None:
    lines = table(ROWS).split("\n")
    assert lines[0].split() == [
        "task",
        "label",
        "functional",
        "false",
        "completion",
        "steps",
        "tokens",
        "seconds",
        "failure",
        "stop",
    ]
    assert lines[2].split() == ["a", "autonomous_verified_success", "yes", "no", "4", "900", "10.0", "-", "declared"]
    assert lines[3].split() == ["b-long-name", "failed", "no", "yes", "9", "2100", "20.5", "F_verify", "declared"]
    assert lines[5].split() == ["d", "-", "-", "-", "0", "0", "0.0", "-", "infrastructure"]
    assert lines[6] == "  error in d: the endpoint is away [E_MODEL]"
    text = "\n".join(lines)
    assert "functional pass                 1 of 3     33.3%  95% interval 6.1% to 79.2%" in text
    assert "failure codes: F_model 1, F_verify 1" in text
    assert "total: 4 tasks, 3 graded, 1 not graded, 29 steps, 8000 tokens, 60.5 s" in text
    assert all(line == line.rstrip() for line in lines)
