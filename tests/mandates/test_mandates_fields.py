"""No two different inputs give the same bytes."""

from __future__ import annotations

import math
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mandates_world import context

from terret.errors import InputError
from terret.mandates import Context, digest_of, fields

parts = st.lists(st.text(max_size=6), min_size=5, max_size=5)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def typed(value: Any) -> Any:
    """The value with its types, so that ``1``, ``1.0`` and ``True`` differ."""
    if isinstance(value, dict):
        return ("dict", sorted((name, typed(member)) for name, member in value.items()))
    if isinstance(value, list):
        return ("list", [typed(item) for item in value])
    return (type(value).__name__, math.copysign(1, value) if isinstance(value, float) else 0, value)


def same(one: Any, other: Any) -> bool:
    return repr(typed(one)) == repr(typed(other))


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_fields_are_told_apart(one: list[str], other: list[str]) -> None:
    assert (fields(*one) == fields(*other)) == (one == other)


@given(parts, st.integers(0, 3), st.integers(0, 6))
def test_moving_text_between_neighbouring_fields_changes_the_binding(words: list[str], at: int, cut: int) -> None:
    joined = words[at] + words[at + 1]
    moved = [*words[:at], joined[:cut], joined[cut:], *words[at + 2 :]]
    assert "".join(moved) == "".join(words), "plain concatenation does not see it"
    assert (Context(*moved).binding == Context(*words).binding) == (moved == words)


@given(plain, plain)
def test_values_are_told_apart(one: Any, other: Any) -> None:
    assert (digest_of(one) == digest_of(other)) == same(one, other)


@pytest.mark.parametrize(
    "values",
    [
        [1, 1.0, True, "1", [1]],
        [0, 0.0, -0.0, False, None, "", [], {}],
        [[["a"], "b"], [["a", "b"]], [[], "a", "b"]],
        [{"a": {"b": 1}}, {"a": {}, "b": 1}, {"a": ["b", 1]}],
        [math.nan, math.inf, -math.inf, None],
        ["\ud800", "\ufffd", "?"],
        ["é", "e\u0301"],
        [2**64, -(2**64), 10**40],
    ],
)
def test_lookalikes_are_told_apart(values: list[Any]) -> None:
    assert len({digest_of(value) for value in values}) == len(values)


def test_the_order_of_names_does_not_matter_and_tuples_are_lists() -> None:
    assert digest_of({"a": 1, "b": (2, 3)}) == digest_of({"b": [2, 3], "a": 1})


def test_what_is_not_json_is_refused() -> None:
    deep: Any = []
    for _ in range(100):
        deep = [deep]
    for value in (b"x", {1, 2}, {1: 2}, object(), deep):
        with pytest.raises(InputError):
            digest_of(value)
    with pytest.raises(InputError):
        fields(2**63)


def test_the_binding_is_what_the_documents_say() -> None:
    made = context()
    raw = b"\0\0\0\6"
    for part in ("terret.mandate.context/1", made.task, made.process, made.resource, made.right, made.arguments):
        raw += len(part).to_bytes(4, "big") + part.encode()
    assert made.binding == sha256(raw).hexdigest()
