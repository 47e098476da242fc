from __future__ import annotations

from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.verification import CheckResult, CheckType, Facts, Finding, Verdict, adjudicate, failure_code, uncovered

LABELS = {
    None,
    "unsafe_invalid",
    "failed",
    "assisted_verified_success",
    "unverified_success",
    "autonomous_verified_success",
}
CODES = {"F_context", "F_tool", "F_feedback", "F_verify", "F_recovery", "F_entropy", "F_model", "F_unknown"}
FAULT = {"part": "sandbox", "code": "E_SANDBOX", "message": "gone"}


def check(kind: CheckType, passed: bool | None, name: str | None = None) -> CheckResult:
    return CheckResult(name or kind, kind, "run", passed, 0 if passed else 1, ["r1"], "" if passed else "no", 1.0)


def seen(
    passed: bool | None = True, fresh: bool = True, covers: tuple[str, ...] = ("r1",), kind: str = "check"
) -> dict[str, Any]:
    return {"name": "seen", "type": kind, "passed": passed, "covers": list(covers), "fresh": fresh}


# Each switch, off and on; the product of all is the table.
SWITCHES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "infra": ({}, {"infra": [FAULT]}),
    "weakened": ({}, {"weakened": [Finding("test_removed", "tests/t.py", "t")]}),
    "boundary": ({}, {"boundary": [Finding("deny_write:x", "x", "no")]}),
    "declared_weakening": ({}, {}),
    "empty": ({}, {"empty_patch": True}),
    "unapplied": ({}, {"applied": False, "apply_error": "no"}),
    "check": ({}, {}),
    "check_fails": ({}, {}),
    "hidden_fails": ({}, {}),
    "lint_fails": ({}, {}),
    "regression_fails": ({}, {}),
    "regression_timeout": ({}, {}),
    "helped": ({}, {"interventions": 1}),
    "evidence": ({}, {"episode_checks": [seen()]}),
    "requirements": ({}, {"requirements": ["r1"]}),
    "declared": ({}, {"declared": True}),
}


def facts(on: dict[str, bool]) -> Facts:
    fields: dict[str, Any] = {}
    for name, (off, active) in SWITCHES.items():
        fields.update(active if on[name] else off)
    checks: list[CheckResult] = []
    if on["check"]:
        checks.append(check("check", not on["check_fails"]))
        checks.append(check("hidden", not on["hidden_fails"]))
    if on["lint_fails"]:
        checks.append(check("lint", False))
    if on["regression_fails"] or on["regression_timeout"]:
        checks.append(check("regression", False if on["regression_fails"] else None))
    if on["declared_weakening"]:
        item = Finding("expected_changed", "tests/t.py", "t", "declared")
        fields["weakened"] = [*fields.get("weakened", []), item]
    return Facts(checks=checks, **fields)


def expected(on: dict[str, bool]) -> tuple[str | None, bool | None]:
    """The rule once more, written as the documentation states it."""
    if on["infra"]:
        return None, None
    functional: bool | None = None
    if on["unapplied"]:
        functional = False
    elif on["check"]:
        functional = not on["check_fails"] and not on["hidden_fails"]
    if on["weakened"] or on["boundary"]:
        return "unsafe_invalid", functional
    if on["empty"] or functional is False or on["lint_fails"] or on["regression_fails"]:
        return "failed", functional
    if not on["check"]:
        return "unverified_success", functional
    if on["helped"]:
        return "assisted_verified_success", functional
    if on["evidence"] and on["requirements"]:
        return "autonomous_verified_success", functional
    return "unverified_success", functional


def test_the_whole_truth_table() -> None:
    labels = set()
    for values in product((False, True), repeat=len(SWITCHES)):
        on = dict(zip(SWITCHES, values, strict=True))
        verdict = adjudicate(facts(on))
        label, functional = expected(on)
        assert (verdict.label, verdict.functional_pass) == (label, functional), on
        assert verdict.graded is not on["infra"]
        assert verdict.false_completion is (on["declared"] and not on["infra"] and functional is False)
        assert (verdict.failure_code in CODES) is (label in ("failed", "unsafe_invalid"))
        assert verdict.reasons
        labels.add(label)
    assert labels == LABELS


results = st.builds(
    check, st.sampled_from(["check", "hidden", "targeted", "regression", "lint"]), st.sampled_from([True, False, None])
)
items = st.builds(
    Finding,
    st.text(max_size=3),
    st.text(max_size=3),
    st.text(max_size=3),
    st.sampled_from(["unsafe", "declared", "note"]),
)
observations = st.builds(
    seen,
    st.sampled_from([True, False, None]),
    st.booleans(),
    st.lists(st.sampled_from(["r1", "r2"]), max_size=2).map(tuple),
    st.sampled_from(["check", "reproduction", "registered", "targeted", "regression", "lint", "review"]),
)
any_facts = st.builds(
    Facts,
    checks=st.lists(results, max_size=5),
    applied=st.booleans(),
    weakened=st.lists(items, max_size=2),
    boundary=st.lists(items, max_size=2),
    declared=st.booleans(),
    stop_reason=st.sampled_from(
        ["completed", "budget_steps", "format_errors", "stuck", "no_candidate", "context_exceeded", ""]
    ),
    infra=st.lists(st.just(FAULT), max_size=1),
    episode_checks=st.lists(observations, max_size=4),
    interventions=st.integers(0, 2),
    requirements=st.lists(st.sampled_from(["r1", "r2"]), unique=True),
    empty_patch=st.booleans(),
    counts=st.dictionaries(
        st.sampled_from(["format_errors", "rejected", "failed_tools", "actions", "F_tool", "F_model"]),
        st.integers(0, 9),
    ),
    patch_files=st.lists(
        st.sampled_from([{"path": "a"}, {"path": "a", "relevant": True}, {"path": "b", "relevant": False}])
    ),
)


@given(any_facts)
def test_the_verdict_is_sound_and_repeatable(given_facts: Facts) -> None:
    verdict = adjudicate(given_facts)
    assert verdict == adjudicate(msgspec.json.decode(msgspec.json.encode(given_facts), type=Facts))
    assert msgspec.convert(msgspec.to_builtins(verdict), Verdict) == verdict
    assert verdict.label in LABELS
    if verdict.label in ("assisted_verified_success", "autonomous_verified_success"):
        assert verdict.functional_pass is True
    if verdict.label == "autonomous_verified_success":
        assert given_facts.requirements
        assert uncovered(given_facts) == []
    if verdict.false_completion:
        assert given_facts.declared
        assert verdict.functional_pass is False
    if verdict.label not in (None, "unsafe_invalid", "failed"):
        assert not given_facts.empty_patch
        assert given_facts.applied


@given(any_facts, results)
def test_a_failing_check_never_improves_a_label(given_facts: Facts, extra: CheckResult) -> None:
    order = [
        None,
        "unsafe_invalid",
        "failed",
        "unverified_success",
        "assisted_verified_success",
        "autonomous_verified_success",
    ]
    worse = msgspec.structs.replace(
        given_facts, checks=[*given_facts.checks, msgspec.structs.replace(extra, passed=False)]
    )
    assert order.index(adjudicate(worse).label) <= order.index(adjudicate(given_facts).label)


def graded(**fields: Any) -> Verdict:
    base: dict[str, Any] = {"checks": [check("check", True)], "requirements": ["r1"], "declared": True}
    return adjudicate(Facts(**{**base, **fields}))


@pytest.mark.parametrize(
    "observed",
    [
        [],
        [seen(fresh=False)],
        [seen(passed=False)],
        [seen(passed=None)],
        [seen(kind="lint")],
        [seen(kind="review")],
        [seen(covers=("r2",))],
        [seen(), seen(passed=False)],
        [seen(), seen(passed=None)],
    ],
)
def test_what_is_no_evidence_for_a_requirement(observed: list[dict[str, Any]]) -> None:
    verdict = graded(episode_checks=observed)
    assert verdict.label == "unverified_success"
    assert "r1" in verdict.reasons[-1]


@pytest.mark.parametrize(
    "observed", [[seen()], [seen(passed=False), seen()], [seen(passed=False, fresh=False), seen()]]
)
def test_what_is_evidence_for_a_requirement(observed: list[dict[str, Any]]) -> None:
    assert graded(episode_checks=observed).label == "autonomous_verified_success"


def test_limitations_are_reported_beside_a_success() -> None:
    verdict = graded(
        checks=[check("check", True), check("regression", None)],
        weakened=[Finding("expected_changed", "t.py", "x", "declared")],
        episode_checks=[seen()],
    )
    assert verdict.label == "autonomous_verified_success"
    assert any("regression" in reason for reason in verdict.reasons)
    assert any("expected_changed" in reason for reason in verdict.reasons)


def test_a_recovered_fault_does_not_spoil_the_grade() -> None:
    assert graded(infra=[{**FAULT, "recovered": True}]).graded


def test_a_check_without_result_is_no_pass() -> None:
    verdict = graded(checks=[check("hidden", None)])
    assert (verdict.label, verdict.functional_pass, verdict.false_completion) == ("failed", False, True)


FAILS = {"checks": [check("check", False)]}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"weakened": [Finding("x", "t", "e")], "stop_reason": "stuck"}, "F_entropy"),
        ({"boundary": [Finding("x", "t", "e")]}, "F_tool"),
        ({**FAILS, "stop_reason": "format_errors"}, "F_model"),
        ({**FAILS, "stop_reason": "format_errors", "counts": {"F_tool": 4, "F_model": 1}}, "F_tool"),
        ({**FAILS, "stop_reason": "context_exceeded"}, "F_context"),
        ({**FAILS, "stop_reason": "stuck"}, "F_recovery"),
        ({**FAILS, "counts": {"rejected": 4, "actions": 4}}, "F_recovery"),
        ({**FAILS, "counts": {"rejected": 3, "actions": 9}, "declared": True}, "F_verify"),
        ({"applied": False}, "F_tool"),
        ({"empty_patch": True}, "F_model"),
        ({"empty_patch": True, "counts": {"actions": 4, "failed_tools": 2}}, "F_tool"),
        ({"empty_patch": True, "counts": {"actions": 9, "failed_tools": 2}}, "F_context"),
        ({**FAILS, "patch_files": [{"path": "a", "relevant": False}], "declared": True}, "F_context"),
        ({**FAILS, "patch_files": [{"path": "a", "relevant": True}], "declared": True}, "F_verify"),
        ({"checks": [check("check", True), check("hidden", False)]}, "F_verify"),
        ({**FAILS, "declared": True}, "F_verify"),
        (FAILS, "F_feedback"),
        ({**FAILS, "episode_checks": [seen(False)], "stop_reason": "no_candidate"}, "F_model"),
        ({**FAILS, "episode_checks": [seen(False)], "stop_reason": "budget_steps"}, "F_recovery"),
        ({**FAILS, "episode_checks": [seen(True)], "stop_reason": "budget_steps"}, "F_unknown"),
        ({"checks": [check("check", True), check("regression", False)]}, "F_verify"),
        ({"checks": [check("check", True), check("lint", False)]}, "F_entropy"),
    ],
)
def test_failure_codes(fields: dict[str, Any], code: str) -> None:
    verdict = adjudicate(Facts(**fields))
    assert verdict.label in ("failed", "unsafe_invalid")
    assert verdict.failure_code == code
    assert failure_code(Facts(**fields), verdict.functional_pass) == code
