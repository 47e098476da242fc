import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.errors import BudgetExhausted
from terret.runtime import Ledger
from terret.task import Budget


def test_a_reservation_counts_until_it_is_settled() -> None:
    ledger = Ledger(Budget(tokens=100))
    held = ledger.reserve(tokens=60)
    with pytest.raises(BudgetExhausted, match="tokens"):
        ledger.reserve(tokens=41)
    ledger.settle(held, tokens=10)
    assert ledger.left("tokens") == 90
    ledger.spend(tokens=90)
    assert ledger.left("tokens") == 0


def test_nothing_is_reserved_when_one_amount_does_not_fit() -> None:
    ledger = Ledger(Budget(tokens=100, model_calls=1))
    with pytest.raises(BudgetExhausted):
        ledger.reserve(tokens=50, model_calls=2)
    assert ledger.left("tokens") == 100


def test_the_wall_is_a_limit_too() -> None:
    ledger = Ledger(Budget(wall=10))
    ledger.set_wall(9.9)
    with pytest.raises(BudgetExhausted, match="wall"):
        ledger.set_wall(10)


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 1)), max_size=30))
def test_what_is_used_never_exceeds_the_limit(steps: list[tuple[float, float]]) -> None:
    ledger = Ledger(Budget(tokens=100))
    for amount, share in steps:
        try:
            held = ledger.reserve(tokens=amount)
        except BudgetExhausted:
            continue
        ledger.settle(held, tokens=amount * share)
        assert ledger.used["tokens"] <= 100 + 1e-6
