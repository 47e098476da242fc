"""A host that never stops: a day in simulated time, and the places where something could grow."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path

import pytest

from benchmarks.soak import figures, soak
from terret.journal import ActionParsed, Journal, SigningKey, check_package, seal, write_package
from terret.permissions import CapabilityTable
from terret.runtime.process import ProcessTable, Wait
from terret.runtime.schedule import Scheduler, Seat

KEY = SigningKey(bytes(range(32)))


def test_a_day_leaves_nothing_behind(tmp_path: Path) -> None:
    samples, world, seconds = soak(24, tmp_path, pace=900, shift_h=4)
    found = {figure.name: figure for figure in figures(samples, world, seconds)}
    assert samples[-1].hours > 23
    assert found["effects"].value > 150
    assert world.done["interrupted"] >= 5
    assert world.done["denied"] > 40
    assert {"exited", "failed", "killed"} <= world.done.keys()
    assert [name for name, figure in found.items() if not figure.ok] == [], samples


def test_a_journal_that_keeps_little_in_memory_is_as_whole(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "live", "kept", KEY) as journal:
        journal.keep(10)
        for number in range(120):
            event = journal.append(ActionParsed(1, "run", {"number": number}, "json"))
            assert event.seq == number
            assert len(journal) == number + 1
        events = journal.events()
        assert [event.seq for event in events] == list(range(120))
        assert events[-1].hash == journal.head[1]
        assert [anchor.seq for anchor in journal.anchors()] == [49, 99]
        assert seal(journal).count == 120
        write_package(tmp_path, journal)
    assert len(check_package(tmp_path).events) == 120
    with Journal.open(tmp_path / "live", KEY) as journal:
        assert journal.events() == events


def test_a_scheduler_holds_a_bounded_part_of_its_journal(tmp_path: Path) -> None:
    with Journal.create(tmp_path, "held", KEY) as journal:
        Scheduler({}, journal=journal)
        assert journal.kept is not None
        assert journal.kept <= 10_000
    with Journal.create(tmp_path / "own", "own", KEY) as journal:
        journal.keep(7)
        Scheduler({}, journal=journal)
        assert journal.kept == 7, "who sets it decides"


def test_what_was_handed_to_a_reaped_process_is_let_go() -> None:
    host = CapabilityTable("host")
    host.grant("model:fake", ["call"], depth=2)
    table = ProcessTable()
    root = table.spawn("root", authority=host)
    child = table.fork(root)
    gone = weakref.ref(child.authority)
    table.end(child, "killed")
    table.reap(child)
    del child
    gc.collect()
    assert gone() is None


def test_revoking_reaches_what_was_handed_on_twice() -> None:
    host = CapabilityTable("host")
    top = host.grant("model:fake", ["call"], depth=3)
    child, grandchild = host.child("child"), host.child("grandchild")
    middle = host.delegate(top.id, child)
    child.delegate(middle.id, grandchild)
    del child
    gc.collect()
    assert len(host.revoke(top.id)) == 3
    assert grandchild.decide("model:fake", "call").effect == "deny"


def test_an_event_nobody_waits_for_any_more_takes_no_place() -> None:
    table = ProcessTable()
    process = table.spawn("a")
    for number in range(50):
        lease = table.claim(process, "host")
        assert lease is not None
        token = table.wait(lease, Wait("event", f"news {number}"))
        table.wake(token, "timeout")
    assert table.post("news 49") == 0
    assert not vars(table)["_waiting"]


def test_one_alarm_is_set_at_any_time() -> None:
    async def play() -> int:
        async def body(seat: Seat) -> None:
            await seat.receive(timeout_s=10_000 - seat.goal)

        scheduler = Scheduler({"body": body})
        for number in range(200):
            scheduler.spawn("body", number)
        for _ in range(20):
            await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        alarms = [handle for handle in vars(loop)["_scheduled"] if not handle.cancelled()]
        await scheduler.drain()
        return len(alarms)

    assert asyncio.run(play()) == 1


@pytest.mark.parametrize("size", [400])
def test_taking_up_a_wide_family_costs_in_proportion(size: int) -> None:
    """Usage of every process is summed once, not once for every process."""
    events: list[object] = []

    class Kept:
        seq = 0

    def record(data: object, *, pid: int = 0, durable: bool = False) -> None:
        event = Kept()
        event.data, event.pid, event.ts = data, pid, 1.0  # type: ignore[attr-defined]
        events.append(event)

    def grow(table: ProcessTable) -> dict[str, float]:
        root = table.spawn("root", limits={"tokens": 10_000, "processes": 10_000})
        for _ in range(size):
            table.fork(root)
        return root.budget.used()

    first = ProcessTable(record=record)
    used = grow(first)
    for process in list(first.processes.values())[1:]:
        process.budget.spend(tokens=2)
        first.end(process, "killed")
    again = ProcessTable(past=events)  # type: ignore[arg-type]
    assert grow(again) == {**used, "tokens": 2.0 * size}
    assert all(not process.alive for process in list(again.processes.values())[1:])
