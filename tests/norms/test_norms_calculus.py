"""The calculus over every pair of norms, and the floors over every mixture, against slow oracles."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.norms import LEVELS, OPERATORS, Factor, Norm, judge, resolve, risk_score

GOLDEN = Path(__file__).parents[1] / "golden" / "norms" / "table.txt"

WEIGHTS = {
    "ethical_moral": 6000, "legal": 5000, "safety_physical": 4500, "privacy_data": 4000, "intellectual_honesty": 3500,
    "professional_ethics": 3000, "user_autonomy": 2500, "transparency": 2000, "proportionality": 1500,
    "efficiency": 1000, "courtesy": 750, "stylistic": 500, "aesthetic": 250, "operational": 100,
}  # fmt: skip
NORMS = [
    Norm(level, operator, modality)  # type: ignore[arg-type]
    for level in WEIGHTS
    for operator in ("required", "ought", "indifferent")
    for modality in ("possible", "impossible")
]
PAIRS = list(itertools.product(NORMS, NORMS))
ABOVE = {"a": "none", "b": "none", "c": "absolute", "d": "superordinate", "e": "none", "f": "superordinate",
         "g": "coordinate", "h": "none"}  # fmt: skip
AXIOMS = dict(
    zip(
        "abcdefgh",
        (
            "axiom_6.6_futility", "axiom_6.7_indifference", "axiom_6.2_absolute_prohibition",
            "axiom_6.3_moral_priority", "user_level_dominant", "axiom_6.4_moral_rank", "equal_weight_coordinate",
            "user_operator_dominant",
        ),
        strict=True,
    )
)  # fmt: skip


def letter(user: Norm, system: Norm) -> str:
    """The axiom for a pair, from conditions that exclude one another instead of a first match."""
    strength = {"required": 3, "ought": 2, "indifferent": 1}
    weight = WEIGHTS[system.level] - WEIGHTS[user.level]
    more = strength[system.operator] - strength[user.operator]
    weighed = user.modality == "possible" and user.operator in ("required", "ought")
    absolute = (system.level, system.operator) == ("ethical_moral", "required")
    conditions = {
        "a": user.modality == "impossible",
        "b": user.modality == "possible" and user.operator == "indifferent",
        "c": weighed and absolute,
        "d": weighed and not absolute and weight > 0,
        "e": weighed and not absolute and weight < 0,
        "f": weighed and not absolute and weight == 0 and more > 0,
        "g": weighed and not absolute and weight == 0 and more == 0,
        "h": weighed and not absolute and weight == 0 and more < 0,
    }
    (only,) = [name for name, holds in conditions.items() if holds]
    return only


def table() -> str:
    """One line for each norm of the user's, one letter for each system norm."""
    return "".join("".join(letter(user, system) for system in NORMS) + "\n" for user in NORMS)


def test_weights_and_strengths_are_the_published_ones() -> None:
    assert LEVELS == WEIGHTS
    assert OPERATORS == {"required": 3, "ought": 2, "indifferent": 1}
    assert len(NORMS) == 84
    assert len(PAIRS) == 7056


def test_every_pair_is_resolved_as_the_oracle_says() -> None:
    for user, system in PAIRS:
        found = resolve(user, system)
        name = letter(user, system)
        assert (found.conflict, found.axiom) == (ABOVE[name], AXIOMS[name]), (user, system)


def test_the_table_is_the_golden_one() -> None:
    assert table() == GOLDEN.read_text()
    names = {axiom: name for name, axiom in AXIOMS.items()}
    mine = "".join("".join(names[resolve(user, system).axiom] for system in NORMS) + "\n" for user in NORMS)
    assert mine == GOLDEN.read_text()


def test_the_published_counts() -> None:
    counts = Counter(resolve(user, system).axiom for user, system in PAIRS)
    assert counts == {
        "axiom_6.6_futility": 3528,
        "axiom_6.7_indifference": 1176,
        "axiom_6.3_moral_priority": 1040,
        "user_level_dominant": 1092,
        "axiom_6.2_absolute_prohibition": 56,
        "axiom_6.4_moral_rank": 26,
        "user_operator_dominant": 84,
        "equal_weight_coordinate": 54,
    }
    assert counts["axiom_6.4_moral_rank"] + counts["user_operator_dominant"] == 110


def test_a_system_norm_that_cannot_be_met_still_binds() -> None:
    user = Norm("user_autonomy", "required")
    assert resolve(user, Norm("ethical_moral", "required", "impossible")).conflict == "absolute"
    assert judge(user, [Norm("legal", "ought", "impossible")]).judgement == "prohibited"
    assert resolve(Norm("user_autonomy", "required", "impossible"), Norm("legal", "required")).conflict == "none"


USER = Norm("user_autonomy", "ought")


@pytest.mark.parametrize(
    ("system", "facts", "expected"),
    [
        ([Norm("ethical_moral", "required")], {}, ("prohibited", 1)),
        ([Norm("ethical_moral", "ought")], {}, ("prohibited", 2)),
        ([Norm("legal", "ought")], {"risk": 0.9}, ("prohibited", 2)),
        ([], {"risk": 0.55}, ("prohibited", 3)),
        ([], {"risk": 0.5499}, ("constrained", 6)),
        ([], {"risk": 0.35}, ("constrained", 6)),
        ([], {"risk": 0.3499}, ("flourishing", 8)),
        ([], {"risk": 0.3, "modify": 0.3, "reject": 0.5}, ("constrained", 6)),
        ([Norm("privacy_data", "ought")], {"catastrophic": True}, ("constrained", 4)),
        ([Norm("transparency", "required")], {"catastrophic": True}, ("flourishing", 8)),
        ([Norm("user_autonomy", "required")], {"catastrophic": True}, ("constrained", 4)),
        ([Norm("user_autonomy", "required")], {}, ("flourishing", 8)),
        ([USER], {}, ("flourishing", 8)),
        ([USER, USER], {}, ("constrained", 5)),
        ([USER, USER], {"risk": 0.4}, ("constrained", 5)),
        ([Norm("safety_physical", "indifferent")], {}, ("constrained", 7)),
        ([Norm("professional_ethics", "ought")], {}, ("constrained", 7)),
        ([Norm("operational", "required")] * 9, {}, ("flourishing", 8)),
        ([], {}, ("flourishing", 8)),
    ],
)
def test_the_first_floor_that_holds_decides(
    system: list[Norm], facts: dict[str, float], expected: tuple[str, int]
) -> None:
    verdict = judge(USER, system, **facts)  # type: ignore[arg-type]
    assert (verdict.judgement, int(verdict.floor[6])) == expected
    assert len(verdict.trail) == len(system) + 1
    assert verdict.trail[-1] == verdict.floor


norms = st.sampled_from(NORMS)
STRICTNESS = ["flourishing", "constrained", "prohibited"]


@given(norms, st.lists(norms, max_size=4), norms, st.floats(0, 1), st.booleans())
def test_another_norm_never_loosens_a_verdict(
    user: Norm, system: list[Norm], more: Norm, risk: float, catastrophic: bool
) -> None:
    before = judge(user, system, risk=risk, catastrophic=catastrophic)
    after = judge(user, [*system, more], risk=risk, catastrophic=catastrophic)
    assert STRICTNESS.index(after.judgement) >= STRICTNESS.index(before.judgement)


@given(norms, st.lists(norms, max_size=5), st.floats(0, 1), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_norms_changes_only_the_order_of_the_trail(
    user: Norm, system: list[Norm], risk: float, catastrophic: bool, chance: object
) -> None:
    shuffled = list(system)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one = judge(user, system, risk=risk, catastrophic=catastrophic)
    other = judge(user, shuffled, risk=risk, catastrophic=catastrophic)
    assert (one.judgement, one.floor) == (other.judgement, other.floor)
    assert sorted(one.trail) == sorted(other.trail)
    assert one == judge(user, system, risk=risk, catastrophic=catastrophic)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), max_size=6))
def test_the_risk_score_is_a_share(pairs: list[tuple[int, int]]) -> None:
    factors = [Factor(*pair) for pair in pairs]
    assert 0.0 <= risk_score(factors) <= 1.0
    assert (risk_score(factors) == 1.0) == (bool(pairs) and all(magnitude == 3 for _, magnitude in pairs))


def test_the_risk_score_weighs_by_importance() -> None:
    assert risk_score([Factor(3, 3), Factor(1, 0)]) == pytest.approx(0.75)
    assert risk_score([Factor(3, 0), Factor(1, 3)]) == pytest.approx(0.25)
    assert risk_score([Factor(2, 1), Factor(2, 2)]) == pytest.approx(0.5)


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(table())
