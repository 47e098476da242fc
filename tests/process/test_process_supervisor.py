"""Supervisors restart what failed, by strategy, and give up by intensity."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.errors import InputError
from terret.runtime.process import AgentProcess, Child, Intensity, ProcessTable, Supervision, Supervisor
from terret.runtime.schedule import Scheduler, Seat


class Ticking:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def supervised(clock: Ticking, *restart: Any, **options: Any) -> tuple[ProcessTable, Supervisor, list[AgentProcess]]:
    table = ProcessTable(clock=clock)
    root = table.spawn("supervisor")
    children = tuple(Child(f"c{at}", restart=one) for at, one in enumerate(restart))
    supervisor = Supervisor(table, root, Supervision(children, **options))

    def changed(process: AgentProcess, before: str) -> None:
        if not process.alive and process.parent is root:
            supervisor.ended(process)

    table.listener = changed
    supervisor.start()
    return table, supervisor, supervisor.children


@pytest.mark.parametrize(
    ("strategy", "restarted"),
    [("one_for_one", [0, 1, 0]), ("one_for_all", [1, 1, 1]), ("rest_for_one", [0, 1, 1])],
)
def test_the_strategy_says_who_is_restarted(strategy: str, restarted: list[int]) -> None:
    table, _, children = supervised(Ticking(), "permanent", "permanent", "permanent", strategy=strategy)
    table.end(children[1], "failed")
    assert [child.incarnation for child in children] == restarted
    assert all(child.alive for child in children)


@pytest.mark.parametrize(
    ("restart", "status", "again"),
    [
        ("permanent", "failed", True),
        ("permanent", "exited", True),
        ("transient", "failed", True),
        ("transient", "exited", False),
        ("temporary", "failed", False),
    ],
)
def test_the_policy_says_which_ends_are_mended(restart: str, status: Any, again: bool) -> None:
    table, supervisor, children = supervised(Ticking(), restart, "permanent")
    table.claim(children[0], "me")
    table.end(children[0], status)
    assert children[0].alive is again
    assert supervisor.process.alive


def test_more_restarts_than_the_intensity_allows_end_the_supervisor() -> None:
    clock = Ticking()
    table, supervisor, children = supervised(clock, "permanent", "permanent", restarts=2, period_s=10)
    for _ in range(5):
        table.end(children[0], "failed")
        clock.now += 6
    assert supervisor.restarted == 5, "never more than two in ten seconds"
    table.end(children[0], "failed")
    table.end(children[0], "failed")
    assert supervisor.process.status == "failed"
    assert supervisor.process.end is not None
    assert supervisor.process.end.result == {"error": "restart_intensity", "child": children[0].pid, "restarts": 2}
    assert not children[1].alive


def test_what_somebody_stopped_is_not_restarted_and_without_children_the_work_is_over() -> None:
    table, supervisor, children = supervised(Ticking(), "permanent", "transient")
    table.signal(children[0], "terminate")
    assert not children[0].alive
    table.claim(children[1], "me")
    table.end(children[1], "exited")
    assert supervisor.process.status == "exited"


def test_ending_a_supervisor_restarts_nothing() -> None:
    table, supervisor, children = supervised(Ticking(), "permanent", "permanent", strategy="one_for_all")
    table.end(supervisor.process, "killed")
    assert [child.incarnation for child in children] == [0, 0]
    assert supervisor.process.status == "killed"


@given(st.lists(st.floats(0, 100), max_size=40), st.integers(0, 4), st.floats(0.5, 20))
def test_no_window_holds_more_restarts_than_allowed(gaps: list[float], most: int, period: float) -> None:
    intensity = Intensity(most, period)
    now, allowed = 0.0, []
    for gap in gaps:
        now += gap
        if intensity.allow(now):
            allowed.append(now)
        else:
            assert sum(now - period < time <= now for time in allowed) >= most
    for end in allowed:
        assert sum(end - period < time <= end for time in allowed) <= most


def test_an_intensity_needs_a_period() -> None:
    with pytest.raises(InputError, match="intensity"):
        Intensity(1, 0)


def test_the_scheduler_restarts_and_escalates_to_the_supervisor_above() -> None:
    clock = Ticking()
    runs = []

    async def shaky(seat: Seat) -> Any:
        runs.append(seat.process.incarnation)
        raise ValueError("broken")

    inner = Supervision((Child("shaky"),), restarts=1, period_s=10)
    outer = Supervision((Child("inner"),), restarts=1, period_s=10)

    async def play() -> AgentProcess:
        scheduler = Scheduler({"shaky": shaky, "inner": inner, "outer": outer}, clock=clock)
        top = scheduler.spawn("outer")
        await scheduler.join(top)
        return top

    top = asyncio.run(play())
    assert top.end is not None
    assert isinstance(top.end.result, dict)
    assert (top.status, top.end.result["error"]) == ("failed", "restart_intensity")
    assert runs == [0, 1, 0, 1], "twice under each of two incarnations of the inner supervisor"
