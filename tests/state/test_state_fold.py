"""Task state is a pure fold: same changes, same state; bad changes are error lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.errors import InputError
from terret.state import TaskState, apply, fold, render

LISTS = st.lists(st.text(max_size=20), max_size=4)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "hypothesis": st.text(max_size=50),
        "inspected": LISTS,
        "inspected_files": LISTS,
        "open_questions": LISTS,
        "next_steps": LISTS,
        "decisions": LISTS,
        "phase": st.text(max_size=10),
    },
)


def test_what_a_change_leaves_out_stays():
    state = fold([{"hypothesis": "off by one", "next_steps": ["read a.py"]}, {"phase": "fix"}])
    assert state == TaskState(hypothesis="off by one", next_steps=["read a.py"], phase="fix")


def test_inspected_and_decisions_grow_and_the_rest_is_replaced():
    state = fold(
        [
            {"inspected_files": ["a.py"], "decisions": ["keep the API"], "next_steps": ["x"], "open_questions": ["q"]},
            {
                "inspected": ["b.py", "a.py"],
                "decisions": ["no new dependency"],
                "next_steps": [],
                "open_questions": ["r"],
            },
        ]
    )
    assert state.inspected == ["a.py", "b.py"]
    assert state.decisions == ["keep the API", "no new dependency"]
    assert (state.next_steps, state.open_questions) == ([], ["r"])


def test_both_names_of_inspected_in_one_change_are_merged():
    assert apply(TaskState(), {"inspected": ["a.py"], "inspected_files": ["b.py"]}).inspected == ["a.py", "b.py"]


def test_applying_does_not_change_the_old_state():
    old = apply(TaskState(), {"inspected": ["a.py"]})
    apply(old, {"inspected": ["b.py"], "hypothesis": "h"})
    assert old == TaskState(inspected=["a.py"])


@given(st.lists(CHANGES, max_size=5))
def test_the_fold_is_deterministic_and_incremental(changes):
    state = TaskState()
    for change in changes:
        state = apply(state, change)
    assert fold(changes) == state
    for items in (state.inspected, state.open_questions, state.next_steps, state.decisions):
        assert len(set(items)) == len(items)
        assert all(item.strip() for item in items)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"plan": "x"}, "no such field.*plan.*hypothesis"),
        ({"hypothesis": 3}, "hypothesis of the task state must be text"),
        ({"hypothesis": None}, "must be text"),
        ({"next_steps": "read a.py"}, "next_steps of the task state must be a list"),
        ({"inspected_files": [1]}, "inspected_files of the task state must be text"),
        ({"decisions": {"a": 1}}, "must be a list"),
    ],
)
def test_a_bad_change_is_refused_by_name(change, says):
    with pytest.raises(InputError, match=says):
        apply(TaskState(), change)


def test_a_rendering_has_one_line_a_text_and_no_empty_fields():
    state = fold(
        [{"hypothesis": "line one\n# heading\x1b[2J", "next_steps": ["a\nb", "c"], "inspected": ["x.py", "y.py"]}]
    )
    text = render(state)
    assert text.splitlines() == [
        "Hypothesis: line one # heading [2J",
        "Next steps:",
        "- a b",
        "- c",
        "Inspected: y.py, x.py",
    ]
    assert render(TaskState()) == "Nothing noted yet.\n"


@given(st.integers(0, 600), st.integers(1, 60))
def test_a_rendering_keeps_its_limit(limit, count):
    state = TaskState("h" * 900, *[[f"{name}{n} " * 20 for n in range(count)] for name in "iond"], phase="p" * 100)
    assert len(render(state, limit)) <= max(limit, 2)


def test_a_long_state_keeps_the_latest_decisions_and_says_how_many_are_missing():
    text = render(TaskState(decisions=[f"decision {n} {'x' * 60}" for n in range(60)]), 1500)
    assert "decision 59" in text
    assert "decision 1 " not in text
    assert "50 more" in text
