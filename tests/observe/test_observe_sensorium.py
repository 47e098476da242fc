"""The sensorium: never over its limit, the important lines never dropped, everything from the journal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.journal import (
    ActionParsed,
    CheckRan,
    EpisodeOpened,
    EpisodeResumed,
    Event,
    Intent,
    Observed,
    Outcome,
    StateUpdated,
    Text,
)
from terret.observe import SENSORIUM_LIMIT, SensoriumView, sensorium, view_of

ALLOW = {"effect": "allow", "rule": "default", "reason": ""}
TEXTS = st.text(max_size=300)
OPENED = EpisodeOpened(
    task_name="t",
    task="0" * 64,
    model={"name": "m", "provider": "http"},
    sampling={},
    dialect="json",
    image="free",
    level="H2",
    repository={"tree": "t0"},
    visible_artifacts=[],
    allowed_tools=[],
    intervention_policy="none",
    verification_procedure=[],
    outcome_rule="r",
    interpreter_persistence="none",
    enforcement={},
    versions={"terret": "0.1.0"},
    budget={"steps": 20, "tokens": 1000, "wall": 60.0},
    seed=0,
    public_key="k",
)


def chain(*payloads, step=1.0):
    return [Event(n, 1000.0 + n * step, "e", 0, data, [], "", "") for n, data in enumerate(payloads)]


def action(turn, command, text, *, ok=False, failure=None):
    shown = Text(len(text), text)
    return ActionParsed(turn, "run", {"command": command}, "json"), Observed(turn, "run", ok, shown, [], None, failure)


def test_a_full_view_line_by_line():
    view = SensoriumView(
        now=1_700_000_000.0,
        step=3,
        steps=40,
        tokens_left=12_345.6,
        seconds_left=61.4,
        phase="fix",
        last_check="pytest -q",
        last_check_passed=False,
        edits_since_check=1,
        files_changed=["a.py", "b.py"],
        failures=["turn 2: test_x\nfails"],
        repeated=3,
        repeated_action="run pytest",
    )
    assert sensorium(view).splitlines() == [
        "2023-11-14 22:13:20 UTC; step 3 of 40; phase fix; left: 12346 tokens, 61 s",
        "warning: the last action (run pytest) gave the same result 3 times; do something else",
        "last check: pytest -q failed, one change ago",
        "changed: a.py, b.py",
        "failed: turn 2: test_x fails",
    ]


def test_what_is_unknown_is_left_out():
    assert sensorium(SensoriumView(step=1)) == "step 1"
    assert "warning" not in sensorium(SensoriumView(repeated=1, repeated_action="run x"))


@pytest.mark.parametrize(("passed", "word"), [(True, "passed"), (False, "failed"), (None, "gave no result")])
def test_a_check_s_result(passed, word):
    assert f"last check: x {word}" in sensorium(SensoriumView(last_check="x", last_check_passed=passed))


def test_many_files_are_counted():
    text = sensorium(SensoriumView(files_changed=[f"src/module_{n}.py" for n in range(50)]))
    assert "src/module_0.py" in text
    assert "more" in text


@given(
    st.builds(
        SensoriumView,
        now=st.none() | st.floats(0, 4e9),
        step=st.integers(0, 10**6),
        steps=st.integers(0, 10**6),
        tokens_left=st.none() | st.floats(-1e9, 1e12),
        seconds_left=st.none() | st.floats(-1e9, 1e9),
        phase=TEXTS,
        last_check=TEXTS,
        last_check_passed=st.sampled_from([None, True, False]),
        edits_since_check=st.integers(0, 10**6),
        files_changed=st.lists(TEXTS, max_size=20),
        failures=st.lists(TEXTS, max_size=5),
        repeated=st.integers(0, 10**6),
        repeated_action=TEXTS,
    )
)
def test_it_never_exceeds_its_limit_nor_loses_what_matters(view):
    text = sensorium(view)
    assert len(text) <= SENSORIUM_LIMIT
    assert f"step {view.step}" in text
    assert ("warning:" in text.splitlines()[1]) if view.repeated >= 2 else True
    assert all(line.isprintable() for line in text.split("\n"))
    assert sensorium(view) == text


# from a journal


def test_a_view_is_read_from_the_events():
    run = Intent("e1", "shell.run", "workspace", {"command": "sed"}, ALLOW, 2)
    write = Intent("e2", "fs.write", "workspace", {"path": "a.py"}, ALLOW, 3)
    model = Intent("e0", "model.complete", "read", {}, ALLOW, 2)
    events = chain(
        OPENED,
        model,
        Outcome("e0", "ok", {}, 10.0, {"input": 300, "output": 50}),
        StateUpdated(2, "runtime", {"phase": "verify"}),
        run,
        Outcome("e1", "ok", {}, 10.0, {}, "t1"),
        CheckRan("episode", "unit", "targeted", "pytest", False, 1, [], "", 1.0),
        write,
        Outcome("e2", "ok", {}, 1.0, {}, "t2"),
        CheckRan("evaluator", "hidden", "hidden", "pytest", True, 0, [], "", 1.0),
    )
    view = view_of(events)
    assert (view.now, view.step, view.steps, view.phase) == (1009.0, 3, 20, "verify")
    assert (view.tokens_left, view.seconds_left) == (650.0, 51.0)
    assert (view.last_check, view.last_check_passed, view.edits_since_check) == ("unit", False, 1)
    assert view.files_changed == ("a.py",)
    assert view_of(events, files_changed=["x.py"]).files_changed == ("x.py",)


def test_the_dead_time_of_a_resumed_episode_costs_no_seconds():
    events = chain(OPENED, EpisodeResumed(0, 40.0, [], {}), step=45.0)
    assert view_of(events).seconds_left == 55.0


def test_repetition_is_the_same_action_with_the_same_result():
    same = action(1, "pytest", "1 failed", failure={"type": "exit_code", "detail": "pytest exited with 1"})
    view = view_of(chain(OPENED, *same, *same, *same))
    assert (view.repeated, view.repeated_action) == (3, "run pytest")
    assert view.failures[0] == "turn 1, run: pytest exited with 1"
    assert len(view.failures) == 3
    assert view_of(chain(OPENED, *same, *action(2, "pytest", "2 failed"))).repeated == 1
    assert view_of(chain(OPENED, *same, *action(2, "ls", "1 failed"))).repeated == 1


def test_an_empty_journal_gives_an_empty_view():
    assert view_of([]) == SensoriumView()
