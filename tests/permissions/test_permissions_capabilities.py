"""Capabilities: what they allow, how they are handed on, and that they agree with a slow model of themselves."""

from __future__ import annotations

import threading
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from benchmarks._capability_model import Driver, operations
from terret.errors import InputError
from terret.permissions import CapabilityTable, Pattern, Resource, arguments_hash


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def table(time: Time) -> CapabilityTable:
    return CapabilityTable("agent", clock=time)


# resources


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("fs:src/*", ["fs:src/a.py"], ["fs:src2/a.py", "fs:src", "fs:src/b/c.py", "net:src/a.py"]),
        ("fs:src/**", ["fs:src/a.py", "fs:src/b/c.py"], ["fs:src", "fs:src2/a.py"]),
        ("fs:*/a.py", ["fs:x/a.py"], ["fs:a.py", "fs:x/y/a.py"]),
        ("net:example.org:443", ["net:example.org:443", "net:example.org/443"], ["net:example.org:80"]),
        ("shell:git", ["shell:git"], ["shell:git/push", "shell:gitk"]),
        ("fs:a%2Fb", ["fs:a%2Fb"], ["fs:a/b"]),
        ("fs:%2A", ["fs:%2A"], ["fs:x"]),
        ("fs:caf\u00e9/*", ["fs:cafe\u0301/x"], ["fs:cafe/x"]),
    ],
)
def test_patterns_go_by_whole_segments(pattern: str, inside: list[str], outside: list[str]) -> None:
    for text in inside:
        assert Pattern.parse(pattern).matches(Resource.parse(text)), text
    for text in outside:
        assert not Pattern.parse(pattern).matches(Resource.parse(text)), text


@pytest.mark.parametrize("text", ["", "*", "src/a.py", ":x", "fs:", "fs:a//b", "fs:../x", "fs:a/./b", "fs:%2E%2E/x"])
def test_what_is_no_resource_is_no_pattern_either(text: str) -> None:
    for reads in (Resource.parse, Pattern.parse):
        with pytest.raises(InputError):
            reads(text)


@pytest.mark.parametrize("text", ["fs:a%2", "fs:a%zz", "fs:x%00", "FS:x"])
def test_bad_escapes_and_kinds(text: str) -> None:
    with pytest.raises(InputError):
        Resource.parse(text)


@pytest.mark.parametrize("text", ["fs:src*", "fs:**/a", "fs:a/**/b", "*:x"])
def test_a_wildcard_is_a_whole_segment_and_two_stars_the_last(text: str) -> None:
    with pytest.raises(InputError):
        Pattern.parse(text)


SEGMENTS = st.lists(st.sampled_from(["a", "b", "*", "a:b", "c/d", "%", "\u00e9"]), min_size=1, max_size=3)


@given(SEGMENTS)
def test_any_segments_survive_being_written(segments: list[str]) -> None:
    resource = Resource.of("fs", *segments)
    assert Resource.parse(str(resource)) == resource
    assert list(resource.segments) == segments


WILD = st.builds(
    lambda parts, deep: "fs:" + "/".join([*parts, "**"] if deep or not parts else parts),
    st.lists(st.sampled_from(["a", "b", "*"]), max_size=3),
    st.booleans(),
)


@given(WILD, WILD)
def test_covering_is_exactly_containing(wide: str, narrow: str) -> None:
    one, other = Pattern.parse(wide), Pattern.parse(narrow)
    words = ("a", "b", "z")
    every = [(x,) for x in words]
    every += [(*part, x) for part in every for x in words]
    every += [(*part, x) for part in every for x in words if len(part) == 2]
    every += [(*part, x) for part in every for x in words if len(part) == 3]
    members = [path for path in every if other.matches(Resource("fs", path))]
    assert one.covers(other) == all(one.matches(Resource("fs", path)) for path in members)


def test_a_resource_built_by_hand_is_checked(table: CapabilityTable) -> None:
    table.grant("fs:**", ["read"])
    assert table.decide(Resource("fs", ("src", "..", "x")), "read").rule == "resource:malformed"
    assert table.decide(Resource("fs", ("src", "x")), "read").effect == "allow"
    with pytest.raises(InputError):
        Resource.of("fs", "..")


# decisions


def test_nothing_is_allowed_without_a_capability(table: CapabilityTable) -> None:
    decision = table.decide("fs:src/a.py", "read")
    assert (decision.effect, decision.rule) == ("deny", "capability:none")
    assert "fs:src/a.py" in decision.reason


def test_a_decision_names_its_capability_and_reason(table: CapabilityTable) -> None:
    given_ = table.grant("fs:src/*", ["read", "write"], reason="the task is about src")
    decision = table.decide("fs:src/a.py", "write")
    assert (decision.effect, decision.rule, decision.reason) == (
        "allow",
        f"capability:{given_.id}",
        "the task is about src",
    )
    assert table.decide("fs:src/a.py", "delete").effect == "deny"
    assert table.decide("fs:src2/a.py", "read").effect == "deny"


@pytest.mark.parametrize("first", ["allow", "deny", "ask"])
def test_the_strictest_wins_in_any_order(table: CapabilityTable, first: Any) -> None:
    for effect in sorted(("allow", "ask", "deny"), key=lambda one: one != first):
        table.grant("fs:**", ["read"], effect)
    assert table.decide("fs:x", "read").effect == "deny"


def test_ask_beats_allow_until_it_is_approved_for_these_arguments(table: CapabilityTable) -> None:
    table.grant("fs:**", ["write"])
    asked = table.grant("fs:docs/*", ["write"], "ask")
    args = {"path": "docs/a.md", "sha256": "00", "size": 3}
    assert table.decide("fs:docs/a.md", "write", args).rule == f"capability:{asked.id}"
    approval = table.approve("fs:docs/a.md", "write", args, by="ann")
    for other in ({**args, "size": 4}, {}, None, {**args, "more": 1}):
        assert table.decide("fs:docs/a.md", "write", other).effect == "ask"
    assert table.decide("fs:docs/b.md", "write", args).effect == "ask"
    reordered = dict(reversed(args.items()))
    taken = table.reserve("fs:docs/a.md", "write", reordered)
    assert (taken.decision.effect, taken.held) == ("allow", (approval.id,))
    assert table.decide("fs:docs/a.md", "write", args).effect == "ask"
    table.commit(taken)
    assert table.status(approval.id) == "exhausted"
    table.grant("fs:docs/*", ["write"], "deny")
    table.approve("fs:docs/a.md", "write", args)
    assert table.decide("fs:docs/a.md", "write", args).effect == "deny"


def test_malformed_questions_are_denied(table: CapabilityTable) -> None:
    table.grant("fs:**", ["read"])
    assert table.decide("fs:../x", "read").rule == "resource:malformed"
    assert table.decide("nonsense", "read").rule == "resource:malformed"
    assert table.decide("fs:x", "fly").rule == "right:unknown"


# constraints


def test_an_unknown_constraint_fails_closed_both_ways(table: CapabilityTable) -> None:
    table.grant("fs:a", ["read"], constraints={"phase": "full"})
    assert table.decide("fs:a", "read", {"phase": "full"}).effect == "deny"
    table.grant("fs:b", ["read"])
    table.grant("fs:b", ["read"], "deny", constraints={"phase": "full"})
    assert table.decide("fs:b", "read", {}).effect == "deny"


@pytest.mark.parametrize(
    ("constraints", "fine", "bad"),
    [
        ({"max_bytes": 10}, [{"size": 10}], [{"size": 11}, {}, None, {"size": "1"}, {"size": True}]),
        ({"max_timeout_s": 5}, [{"timeout_s": 4.5}], [{"timeout_s": None}, {"timeout_s": float("inf")}]),
        ({"equals": {"mode": 1}}, [{"mode": 1, "x": 2}], [{"mode": True}, {"mode": 1.0}, {"mode": "1"}, {}]),
        ({"one_of": {"verb": ["GET", "HEAD"]}}, [{"verb": "GET"}], [{"verb": "POST"}, {"verb": ["GET"]}, {}]),
    ],
)
def test_constraints(table: CapabilityTable, constraints: Any, fine: list[Any], bad: list[Any]) -> None:
    table.grant("net:host", ["connect"], constraints=constraints)
    for args in fine:
        assert table.decide("net:host", "connect", args).effect == "allow", args
    for args in bad:
        assert table.decide("net:host", "connect", args).effect == "deny", args


def test_what_was_granted_cannot_be_changed_afterwards(table: CapabilityTable) -> None:
    constraints = {"one_of": {"verb": ["GET"]}}
    table.grant("net:host", ["connect"], constraints=constraints)
    constraints["one_of"]["verb"].append("POST")
    assert table.decide("net:host", "connect", {"verb": "POST"}).effect == "deny"


@pytest.mark.parametrize(
    "fields",
    [
        {"rights": ["fly"]},
        {"rights": []},
        {"effect": "maybe"},
        {"uses": 0},
        {"uses": 1, "effect": "deny"},
        {"expires_at": float("nan")},
        {"lease_s": -1.0},
        {"depth": -1},
        {"constraints": {"max_bytes": "ten"}},
        {"constraints": {"equals": 3}},
        {"constraints": {"one_of": {"x": 1}}},
        {"constraints": {"x": float("nan")}},
        {"resource": "*"},
    ],
)
def test_a_capability_that_means_nothing_is_refused(table: CapabilityTable, fields: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        table.grant(**{"resource": "fs:x", "rights": ["read"], **fields})
    assert str(caught.value).endswith("[E_INPUT]")
    assert table.capabilities() == []


def test_arguments_that_are_not_json_have_no_hash() -> None:
    for args in ({"x": b"a"}, {"x": {1: 2}}, {"x": float("nan")}, {"x": "\ud800"}, {"x": {1, 2}}):
        with pytest.raises(InputError):
            arguments_hash(args)
    assert arguments_hash({"b": [1, 2], "a": None}) == arguments_hash({"a": None, "b": (1, 2)})
    assert len({arguments_hash({"x": value}) for value in (1, 1.0, True, "1", None, [1])}) == 6


# time and uses


def test_expiry_and_that_a_clock_set_back_revives_nothing(table: CapabilityTable, time: Time) -> None:
    held = table.grant("fs:**", ["read"], expires_at=1010.0)
    assert table.decide("fs:x", "read").effect == "allow"
    time.now = 1009.9
    assert table.decide("fs:x", "read").effect == "allow"
    time.now = 1010.0
    assert table.decide("fs:x", "read").effect == "deny"
    time.now = 1000.0
    assert table.decide("fs:x", "read").effect == "deny"
    assert table.status(held.id) == "expired"


def test_a_lease_lives_as_long_as_it_is_renewed(table: CapabilityTable, time: Time) -> None:
    held = table.grant("fs:**", ["read"], lease_s=5.0, expires_at=1012.0)
    time.now = 1004.0
    assert table.renew(held.id) == 1009.0
    time.now = 1008.0
    assert table.decide("fs:x", "read").effect == "allow"
    assert table.renew(held.id) == 1012.0
    time.now = 1012.0
    assert table.status(held.id) == "expired"
    short = table.grant("fs:**", ["read"], lease_s=5.0)
    time.now = 1017.0
    assert table.status(short.id) == "lapsed"
    for hopeless in (held.id, short.id, table.grant("fs:a", ["read"]).id, "c99"):
        with pytest.raises(InputError):
            table.renew(hopeless)


def test_a_one_shot_is_reserved_then_spent_or_given_back(table: CapabilityTable) -> None:
    held = table.grant("shell:git/push", ["execute"], uses=1)
    first = table.reserve("shell:git/push", "execute")
    assert first.decision.effect == "allow"
    second = table.reserve("shell:git/push", "execute")
    assert (second.decision.effect, second.held) == ("deny", ())
    table.release(first)
    assert table.left(held.id) == 1
    third = table.reserve("shell:git/push", "execute")
    table.commit(third)
    assert (table.left(held.id), table.status(held.id)) == (0, "exhausted")
    for settle in (table.commit, table.release):
        with pytest.raises(InputError, match="settled already"):
            settle(third)
    with pytest.raises(InputError):
        CapabilityTable("other").commit(second)


def test_uses_are_not_wasted_where_an_unlimited_capability_serves(table: CapabilityTable) -> None:
    once = table.grant("fs:**", ["read"], uses=1)
    table.grant("fs:**", ["read"])
    table.commit(table.reserve("fs:x", "read"))
    assert table.left(once.id) == 1


def test_threads_cannot_spend_one_use_twice(table: CapabilityTable) -> None:
    table.grant("fs:**", ["read"], uses=50)
    allowed: list[str] = []

    def spend() -> None:
        for _ in range(40):
            reservation = table.reserve("fs:x", "read")
            if reservation.decision.effect == "allow":
                allowed.append(reservation.decision.rule)
            table.commit(reservation)

    threads = [threading.Thread(target=spend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(allowed) == 50


# handing on


def test_a_delegation_gives_what_was_left_out_unchanged(table: CapabilityTable) -> None:
    held = table.grant(
        "fs:src/**", ["read", "write"], uses=3, expires_at=2000.0, lease_s=50.0, constraints={"max_bytes": 9}, depth=2
    )
    child = table.child("worker")
    got = table.delegate(held.id, child)
    assert (got.holder, got.parent, got.issuer, got.depth) == ("worker", held.id, "agent", 1)
    assert (got.resource, got.rights, got.uses, got.expires_at, got.lease_s, got.constraints) == (
        held.resource,
        held.rights,
        3,
        2000.0,
        50.0,
        {"max_bytes": 9},
    )


@pytest.mark.parametrize(
    "wider",
    [
        {"resource": "fs:**"},
        {"resource": "fs:src2/*"},
        {"rights": ["read", "delete"]},
        {"expires_at": None},
        {"expires_at": 2001.0},
        {"uses": None},
        {"uses": 4},
        {"lease_s": None},
        {"lease_s": 51.0},
        {"constraints": {"max_bytes": 10}},
        {"constraints": {"one_of": {"mode": ["x", "z"]}}},
        {"constraints": {"equals": {}}},
        {"constraints": {"future": 2}},
        {"depth": 1},
        {"effect": "deny"},
        {"arguments": "0" * 64},
    ],
)
def test_a_delegation_only_narrows(table: CapabilityTable, wider: dict[str, Any]) -> None:
    held = table.grant(
        "fs:src/*",
        ["read", "write"],
        uses=3,
        expires_at=2000.0,
        lease_s=50.0,
        depth=1,
        arguments="1" * 64,
        constraints={"max_bytes": 9, "one_of": {"mode": ["x", "y"]}, "equals": {"a": 1}, "future": 1},
    )
    child = table.child("worker")
    with pytest.raises(InputError, match="may only narrow") as caught:
        table.delegate(held.id, child, **wider)
    assert next(iter(wider)) in caught.value.message
    assert child.capabilities() == []
    narrow = table.delegate(
        held.id,
        child,
        resource="fs:src/a.py",
        rights=["read"],
        uses=1,
        expires_at=1500.0,
        lease_s=5.0,
        constraints={"max_bytes": 1, "one_of": {"mode": ["x"]}, "equals": {"a": 1, "b": 2}, "more": True},
    )
    assert narrow.depth == 0


def test_an_ask_is_never_handed_on_as_an_allow(table: CapabilityTable) -> None:
    held = table.grant("fs:**", ["read"], "ask", depth=1)
    child = table.child("worker")
    with pytest.raises(InputError, match="effect"):
        table.delegate(held.id, child, effect="allow")
    table.delegate(held.id, child)
    assert child.decide("fs:x", "read").effect == "ask"


def test_who_may_not_hand_on(table: CapabilityTable, time: Time) -> None:
    child = table.child("worker")
    flat = table.grant("fs:a", ["read"])
    gone = table.grant("fs:a", ["read"], depth=1)
    late = table.grant("fs:a", ["read"], depth=1, expires_at=1001.0)
    approval = table.approve("fs:a", "read", {})
    table.revoke(gone.id)
    time.now = 1001.0
    for hopeless in (flat.id, gone.id, late.id, approval.id, "c77"):
        with pytest.raises(InputError):
            table.delegate(hopeless, child)
    fine = table.grant("fs:a", ["read"], depth=1)
    with pytest.raises(InputError, match="same tree"):
        table.delegate(fine.id, CapabilityTable("stranger"))


def test_delegations_share_the_uses_of_their_origin(table: CapabilityTable) -> None:
    held = table.grant("fs:**", ["read"], uses=2, depth=2)
    one, two = table.child("one"), table.child("two")
    table.delegate(held.id, one)
    table.delegate(held.id, two)
    one.commit(one.reserve("fs:x", "read"))
    two.commit(two.reserve("fs:x", "read"))
    assert [t.decide("fs:x", "read").effect for t in (table, one, two)] == ["deny"] * 3


def test_revoking_cascades(table: CapabilityTable) -> None:
    held = table.grant("fs:**", ["read"], depth=3)
    child = table.child("worker")
    grandchild = child.child("helper")
    middle = table.delegate(held.id, child)
    last = child.delegate(middle.id, grandchild)
    assert grandchild.decide("fs:x", "read").effect == "allow"
    assert sorted(table.revoke(held.id)) == sorted([held.id, middle.id, last.id])
    assert [t.decide("fs:x", "read").effect for t in (table, child, grandchild)] == ["deny"] * 3
    assert table.revoke(held.id) == []
    assert grandchild.status(last.id) == "revoked"


def test_a_lapsed_origin_takes_its_delegations_with_it(table: CapabilityTable, time: Time) -> None:
    held = table.grant("fs:**", ["read"], lease_s=5.0, depth=1)
    child = table.child("worker")
    copy = table.delegate(held.id, child)
    time.now = 1004.0
    child.renew(copy.id)
    assert child.decide("fs:x", "read").effect == "allow"
    time.now = 1005.0
    assert child.decide("fs:x", "read").effect == "deny"


def test_a_process_is_bound_by_what_its_ancestors_are_denied(table: CapabilityTable) -> None:
    held = table.grant("fs:**", ["read"], depth=2)
    child = table.child("worker").child("helper")
    table.delegate(held.id, child)
    assert child.decide("fs:secret", "read").effect == "allow"
    table.grant("fs:docs/*", ["read"], "ask")
    denial = table.grant("fs:secret", ["read"], "deny")
    assert child.decide("fs:secret", "read").rule == f"capability:{denial.id}"
    assert child.decide("fs:docs/a", "read").effect == "ask"
    child.grant("fs:own", ["read"])
    assert table.child("sibling").decide("fs:own", "read").effect == "deny"


# against the model


class Capabilities(RuleBasedStateMachine):
    """Random operations, which hypothesis shrinks when the table and the model part."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = Driver()

    @rule(random=st.randoms(use_true_random=False))
    def one(self, random: Random) -> None:
        self.driver.step(random)

    @rule(seed=st.integers(0, 2**32))
    def some(self, seed: int) -> None:
        random = Random(seed)
        for _ in range(10):
            self.driver.step(random)


Capabilities.TestCase.settings = settings(
    max_examples=30, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestCapabilities = Capabilities.TestCase


class ManyCapabilities(RuleBasedStateMachine):
    """The same at length: 280 trees of 20 times 20 operations, above 100,000."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = Driver()

    @rule(seed=st.integers(0, 2**32))
    def some(self, seed: int) -> None:
        random = Random(seed)
        for _ in range(20):
            self.driver.step(random)


ManyCapabilities.TestCase.settings = settings(
    max_examples=280, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestManyCapabilities = pytest.mark.slow(ManyCapabilities.TestCase)


def test_random_operations_do_reach_decisions_of_every_kind() -> None:
    assert operations(3000, seed=7) > 50
