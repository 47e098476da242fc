"""The scheduler: shares, priorities, admission, waits, signals, and stopping so that nothing is lost."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from terret.errors import BudgetExhausted, Diverged, InputError
from terret.journal import Denied, Event, Intent, Journal, Outcome, ProcessMoved, SigningKey
from terret.permissions import CapabilityTable
from terret.runtime.process import AgentProcess
from terret.runtime.schedule import Body, Capacity, FairLine, Interrupted, Pressure, Scheduler, Seat, Share, Timers
from terret.tools import ToolFailure

KEY = SigningKey(bytes(range(32)))


class Ticking:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def authority(uses: int | None = None) -> CapabilityTable:
    table = CapabilityTable("host")
    table.grant("model:fake", ["call"], depth=3, uses=uses)
    table.grant("mail:out", ["write"], depth=3)
    table.grant("process:*", ["spawn"], depth=3)
    return table


async def settle(turns: int = 30) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


class Model:
    """Counts calls; answers when the gate is open."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()

    def act(self, mark: Any, tokens: float = 1.0) -> Any:
        async def call() -> Any:
            self.calls.append(mark)
            await asyncio.sleep(0)
            await self.gate.wait()
            return "ok", {"text": f"reply {mark}"}, {"tokens": tokens}

        return call


async def ask(seat: Seat, model: Model, mark: Any, tokens: float = 1.0) -> str:
    done = await seat.effect(
        "model.complete", "model:fake", "call", {"mark": mark}, model.act(mark), reserve={"tokens": tokens}
    )
    return str(done.result["text"])


# shares and priorities


def test_tenants_are_served_by_weight_however_many_processes_they_have() -> None:
    order: list[str] = []

    async def play() -> dict[str, int]:
        model = Model()

        async def body(seat: Seat) -> None:
            for number in range(10):
                await ask(seat, model, number)
                order.append(seat.process.tenant)

        scheduler = Scheduler({"body": body}, capacity=Capacity(effects=1), shares={"b": Share(weight=2)})
        roots = [scheduler.spawn("body", authority=authority(), tenant="a") for _ in range(20)]
        roots += [scheduler.spawn("body", authority=authority(), tenant="b") for _ in range(4)]
        for root in roots:
            await scheduler.join(root)
        assert scheduler.admission.most_effects == 1
        return scheduler.line.served()

    assert asyncio.run(play()) == {"a": 200, "b": 40}
    early = order[:45]
    assert 28 <= early.count("b") <= 32, "twice as much as the other tenant with five times its processes"


def test_a_line_stays_within_one_turn_of_the_shares_at_any_time() -> None:
    line: FairLine[int] = FairLine({"b": Share(weight=3)})
    for number in range(400):
        line.put(number, "a")
        line.put(number, "b")
    served = {"a": 0, "b": 0}
    for _ in range(400):
        before = line.served()
        line.take()
        after = line.served()
        served = after
        assert sum(after.values()) == sum(before.values()) + 1
        assert abs(after["a"] - after["b"] / 3) <= 1
    assert served == {"a": 100, "b": 300}


def test_an_idle_tenant_saves_nothing_up() -> None:
    line: FairLine[str] = FairLine()
    for _ in range(50):
        line.put("a", "a")
        line.take()
    for _ in range(20):
        line.put("a", "a")
        line.put("b", "b")
    assert [line.take() for _ in range(10)].count("b") in (5, 6)


def test_priority_goes_first_and_starves_nobody() -> None:
    line: FairLine[str] = FairLine()
    line.put("low", "t", 0)
    for number in range(200):
        line.put(f"high {number}", "t", 1)
    order = [line.take() for _ in range(201)]
    assert order[0] == "high 0"
    assert 60 <= order.index("low") <= 68, "a step of priority is worth 64 places, not for ever"


def test_a_tenant_at_its_limit_does_not_hold_the_others_up() -> None:
    line: FairLine[str] = FairLine({"a": Share(effects=1)})
    for name in ("a1", "a2", "b1"):
        line.put(name, name[0])
    assert [line.take(), line.take()] == ["a1", "b1"]
    assert line.peek() is None
    line.done("a")
    assert line.peek() == "a2"


@pytest.mark.parametrize("share", [Share(weight=0), Share(effects=0)])
def test_a_share_of_nothing_is_refused(share: Share) -> None:
    with pytest.raises(InputError, match="a share needs"):
        FairLine({"a": share})


# admission


def admitted(capacity: Capacity, pressure: Any = None, tokens: float = 10) -> tuple[int, dict[str, int]]:
    """How many of eight effects ran at once, and why others waited."""

    async def play() -> tuple[int, dict[str, int]]:
        model = Model()
        model.gate.clear()

        async def body(seat: Seat) -> None:
            await ask(seat, model, seat.goal, tokens)

        scheduler = Scheduler({"body": body}, capacity=capacity, pressure=pressure)
        roots = [scheduler.spawn("body", number, authority=authority()) for number in range(8)]
        await settle()
        began = len(model.calls)
        model.gate.set()
        for root in roots:
            assert (await scheduler.join(root)) is not None
        assert len(model.calls) == 8, "everybody came to its turn"
        return began, scheduler.admission.refused

    return asyncio.run(play())


def test_admission_by_number_tokens_memory_and_cpu() -> None:
    assert admitted(Capacity())[0] == 8
    assert admitted(Capacity(effects=3))[0] == 3
    assert admitted(Capacity(tokens=45))[0] == 4
    assert admitted(Capacity(tokens=5))[0] == 1, "one that never fits runs alone"
    for name in ("memory", "cpu"):
        began, refused = admitted(Capacity(sample_s=0), lambda name=name: Pressure(**{name: 1.1}))
        assert began == 1
        assert set(refused) == {name}


def test_the_machine_is_not_asked_more_often_than_agreed() -> None:
    asked: list[int] = []

    def pressure() -> Pressure:
        asked.append(1)
        return Pressure()

    admitted(Capacity(sample_s=1e9), pressure)
    assert len(asked) == 1


# waits and signals


def play_one(body: Body, during: Any, clock: Any = None, **options: Any) -> AgentProcess:
    """Run one process; ``during(scheduler, process)`` is awaited while it runs."""

    async def play() -> AgentProcess:
        scheduler = Scheduler({"body": body}, **({"clock": clock} if clock else {}))
        process = scheduler.spawn("body", authority=authority(), **options)
        await settle()
        await during(scheduler, process)
        await scheduler.join(process)
        return process

    return asyncio.run(play())


def test_a_timer_rings_by_the_injected_clock_with_one_alarm() -> None:
    clock = Ticking()

    async def body(seat: Seat) -> Any:
        await seat.sleep(60)
        nothing = await seat.receive(timeout_s=30)
        return [clock.now, nothing]

    async def during(scheduler: Scheduler, process: AgentProcess) -> None:
        assert process.status == "waiting_event"
        clock.now += 59
        assert scheduler.tick() == 0
        clock.now += 1
        assert scheduler.tick() == 1
        await settle()
        clock.now += 30
        scheduler.tick()

    process = play_one(body, during, clock)
    assert process.end is not None
    assert process.end.result == [1090.0, None]


def test_timers_that_were_cancelled_take_no_room() -> None:
    timers = Timers(Ticking(), lambda seconds: None)
    for number in range(10_000):
        timers.cancel(timers.at(2000.0 + number, list))
    assert len(timers) == 0
    assert timers.alarms <= 10_000


def test_an_idle_process_is_woken_only_by_what_it_waits_for() -> None:
    async def body(seat: Seat) -> Any:
        message = await seat.receive()
        assert message is not None
        return [message.body, await seat.wait_event("go")]

    async def during(scheduler: Scheduler, process: AgentProcess) -> None:
        await settle(200)
        revision = process.revision
        await settle(200)
        assert process.revision == revision, "nothing polls"
        scheduler.table.send(None, process, "hello", 5)
        await settle()
        assert scheduler.table.post("other") == 0
        assert scheduler.table.post("go") == 1

    process = play_one(body, during)
    assert process.end is not None
    assert process.end.result == [5, True]


def test_an_interrupt_ends_a_wait_and_an_effect_and_the_process_goes_on() -> None:
    model = Model()

    async def body(seat: Seat) -> Any:
        told = []
        model.gate.clear()
        for wait in (lambda: seat.receive(), lambda: ask(seat, model, 1), lambda: seat.sleep(1e6)):
            try:
                await wait()
            except Interrupted:
                told.append("interrupted")
        return told

    async def during(scheduler: Scheduler, process: AgentProcess) -> None:
        for _ in range(3):
            await settle()
            assert scheduler.signal(process, "interrupt")

    process = play_one(body, during)
    assert process.end is not None
    assert process.end.result == ["interrupted"] * 3


def test_a_cancelled_process_may_tidy_up_a_terminated_one_is_gone() -> None:
    tidied = []

    async def body(seat: Seat) -> None:
        try:
            await seat.receive()
        finally:
            tidied.append(seat.process.status)

    for signal, status in (("cancel", "waiting_event"), ("terminate", "killed")):

        async def during(scheduler: Scheduler, process: AgentProcess, signal: Any = signal) -> None:
            assert scheduler.signal(process, signal)

        process = play_one(body, during)
        assert process.status == "killed"
        assert tidied.pop() == status


def test_a_paused_process_holds_no_place_in_line() -> None:
    async def play() -> list[Any]:
        model = Model()
        model.gate.clear()

        async def body(seat: Seat) -> None:
            await ask(seat, model, seat.goal)

        scheduler = Scheduler({"body": body}, capacity=Capacity(effects=1))
        roots = [scheduler.spawn("body", number, authority=authority()) for number in range(3)]
        await settle()
        scheduler.signal(roots[1], "pause")
        model.gate.set()
        await scheduler.join(roots[2])
        assert model.calls == [0, 2]
        assert scheduler.admission.effects == 0
        scheduler.signal(roots[1], "resume")
        await scheduler.join(roots[1])
        return model.calls

    assert asyncio.run(play()) == [0, 2, 1]


# authority and budget


def test_what_is_not_allowed_or_not_affordable_is_recorded_and_not_done(tmp_path: Path) -> None:
    async def play(journal: Journal) -> None:
        model = Model()

        async def body(seat: Seat) -> Any:
            with pytest.raises(ToolFailure, match="capability:none"):
                await seat.effect("shell.run", "shell:rm", "execute", {"command": "rm"}, model.act("rm"))
            with pytest.raises(BudgetExhausted):
                await ask(seat, model, "too much", 11)
            return await ask(seat, model, "fine", 9)

        scheduler = Scheduler({"body": body}, journal=journal)
        process = scheduler.spawn("body", authority=authority(), limits={"tokens": 10})
        await scheduler.join(process)
        assert process.status == "exited"
        assert model.calls == ["fine"]

    with Journal.create(tmp_path, "ep", KEY) as journal:
        asyncio.run(play(journal))
        rules = [event.data.decision["rule"] for event in journal.events() if isinstance(event.data, Denied)]
        assert rules == ["capability:none", "budget:tokens"]


def test_a_body_does_one_thing_at_a_time() -> None:
    async def body(seat: Seat) -> Any:
        return [
            type(one).__name__ for one in await asyncio.gather(seat.sleep(0), seat.sleep(0), return_exceptions=True)
        ]

    async def during(scheduler: Scheduler, process: AgentProcess) -> None:
        await asyncio.sleep(0)

    process = play_one(body, during)
    assert process.end is not None
    assert process.end.result == ["NoneType", "InputError"]


def test_exec_goes_on_as_another_image() -> None:
    async def first(seat: Seat) -> None:
        seat.exec("second", {"from": seat.process.pid})

    async def second(seat: Seat) -> Any:
        return seat.goal

    async def play() -> AgentProcess:
        scheduler = Scheduler({"first": first, "second": second})
        process = scheduler.spawn("first")
        await scheduler.join(process)
        return process

    process = asyncio.run(play())
    assert process.end is not None
    assert (process.image, process.end.result) == ("second", {"from": 1})


# many, and stopping


def test_two_thousand_idle_processes_take_little_memory_and_no_turns() -> None:
    async def body(seat: Seat) -> None:
        await seat.receive()

    async def play() -> tuple[float, int]:
        scheduler = Scheduler({"body": body})
        scheduler.spawn("body", authority=authority())
        await settle()
        gc.collect()
        tracemalloc.start()
        for _ in range(2000):
            scheduler.spawn("body", authority=authority())
        await settle()
        gc.collect()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        waiting = sum(one.status == "waiting_event" for one in scheduler.table.processes.values())
        assert scheduler.timers.alarms == 0
        assert (await scheduler.drain())["suspended"] == 2001
        return size / 2000, waiting

    size, waiting = asyncio.run(play())
    assert waiting == 2001
    assert size <= 0.1 * 2**20, f"{size:.0f} bytes a process"


def family(model: Model, stop_at: int = -1) -> dict[str, Body]:
    """A parent with three workers that ask, write mail and talk."""

    async def worker(seat: Seat) -> Any:
        message = await seat.receive()
        assert message is not None
        texts = []
        for number in range(3):
            texts.append(await ask(seat, model, f"{seat.goal}.{number}"))
            mail = {"to": f"{seat.goal}.{number}"}
            await seat.effect(
                "mail.send", "mail:out", "write", mail, model.act(f"mail {seat.goal}.{number}"), reserve={"tokens": 1}
            )
        await seat.send(message.sender, "done", texts)
        return texts

    async def parent(seat: Seat) -> Any:
        pids = [await seat.fork(number, image="worker") for number in range(3)]
        for pid in pids:
            await seat.send(pid, "go")
        told = [await seat.receive() for _ in pids]
        ends = [await seat.wait_child(pid) for pid in pids]
        return [sorted(one.body[0] for one in told if one), [end.result for end in ends]]

    return {"parent": parent, "worker": worker}


def run_family(folder: Path, stop_after: int | None, *, fresh: bool) -> tuple[Any, list[Any], list[Event]]:
    """Run until the end, or drain after so many calls of the model."""

    async def play(journal: Journal) -> tuple[Any, list[Any], list[Event]]:
        model = Model()
        scheduler = Scheduler(family(model), journal=journal)
        root = scheduler.spawn("parent", authority=authority(), limits={"tokens": 100})
        if stop_after is None:
            await scheduler.join(root)
        else:
            while len(model.calls) < stop_after and root.alive:  # noqa: ASYNC110 - every turn of the loop counts
                await asyncio.sleep(0)
            done = await scheduler.drain()
            assert done["cut"] == 0
            assert all(one.status in ("suspended", "exited") for one in scheduler.table.processes.values())
        return root, model.calls, journal.events()

    opened = Journal.create(folder, "ep", KEY) if fresh else Journal.open(folder, KEY)
    with opened as journal:
        return asyncio.run(play(journal))


def test_a_drained_run_goes_on_where_it_was_and_repeats_nothing(tmp_path: Path) -> None:
    whole, all_calls, _ = run_family(tmp_path / "whole", None, fresh=True)
    for stop in (0, 1, 5, 9, 14, 17):
        folder = tmp_path / str(stop)
        calls: list[Any] = []
        root, made, _ = run_family(folder, stop, fresh=True)
        calls += made
        # Stopped once more on the way, at once.
        root, made, _ = run_family(folder, 0, fresh=False)
        calls += made
        root, made, events = run_family(folder, None, fresh=False)
        calls += made
        assert root.end == whole.end, stop
        assert sorted(calls) == sorted(all_calls), "every effect once"
        assert root.budget.used() == whole.budget.used()
        intents = [(event.pid, event.data.effect) for event in events if isinstance(event.data, Intent)]
        outcomes = [(event.pid, event.data.effect) for event in events if isinstance(event.data, Outcome)]
        assert len(set(intents)) == len(intents) == len(outcomes) == len(all_calls)


def test_an_effect_that_was_cut_off_is_unknown_unless_it_may_be_repeated(tmp_path: Path) -> None:
    def images(model: Model, told: list[str]) -> dict[str, Body]:
        async def body(seat: Seat) -> Any:
            if seat.goal == "mail":
                try:
                    await seat.effect("mail.send", "mail:out", "write", {}, model.act("mail"), reserve={"tokens": 2})
                except ToolFailure as failure:
                    told.append(failure.kind)
            else:
                told.append(await ask(seat, model, seat.goal))
            return told

        return {"body": body}

    async def play(journal: Journal, cut: bool) -> tuple[list[Any], list[str], float]:
        model, told = Model(), list[str]()
        scheduler = Scheduler(images(model, told), journal=journal)
        roots = [scheduler.spawn("body", goal, authority=authority()) for goal in ("mail", "model")]
        if cut:
            model.gate.clear()
            await settle()
            assert (await scheduler.drain(timeout_s=0))["cut"] == 2
        else:
            for root in roots:
                await scheduler.join(root)
        return model.calls, told, roots[0].budget.used().get("tokens", 0)

    with Journal.create(tmp_path, "ep", KEY) as journal:
        assert sorted(asyncio.run(play(journal, True))[0]) == ["mail", "model"]
    with Journal.open(tmp_path, KEY) as journal:
        calls, told, spent = asyncio.run(play(journal, False))
        assert calls == ["model"], "only what is harmless is done again"
        assert sorted(told) == ["reply model", "unknown_outcome"]
        assert spent == 2, "what may have been spent counts as spent"


def test_a_body_that_does_something_else_than_its_record_is_found(tmp_path: Path) -> None:
    def play(journal: Journal, mark: str, stop: bool) -> AgentProcess:
        async def inner() -> AgentProcess:
            model = Model()

            async def body(seat: Seat) -> None:
                await ask(seat, model, mark)
                await seat.receive()

            scheduler = Scheduler({"body": body}, journal=journal)
            root = scheduler.spawn("body", authority=authority())
            await settle()
            if stop:
                await scheduler.drain()
            return root

        return asyncio.run(inner())

    with Journal.create(tmp_path, "ep", KEY) as journal:
        assert play(journal, "one", True).status == "suspended"
    with Journal.open(tmp_path, KEY) as journal:
        root = play(journal, "two", False)
        assert root.end is not None
        assert isinstance(root.end.result, dict)
        assert root.end.result["error"] == Diverged.code


def test_a_drain_records_who_was_put_aside(tmp_path: Path) -> None:
    async def play(journal: Journal) -> None:
        async def body(seat: Seat) -> None:
            await seat.receive()

        scheduler = Scheduler({"body": body}, journal=journal)
        scheduler.spawn("body")
        await settle()
        assert await scheduler.drain() == {"suspended": 1, "cut": 0}
        assert journal.pending == 0

    with Journal.create(tmp_path, "ep", KEY) as journal:
        asyncio.run(play(journal))
        moves = [event.data for event in journal.events() if isinstance(event.data, ProcessMoved)]
        assert [(move.after, move.why) for move in moves] == [("waiting_event", "wait"), ("suspended", "shutdown")]


def test_effects_that_end_together_share_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[int] = []

    async def play(journal: Journal) -> None:
        model = Model()

        async def body(seat: Seat) -> None:
            await seat.effect("mail.send", "mail:out", "write", {"to": seat.goal}, model.act(seat.goal))

        scheduler = Scheduler({"body": body}, journal=journal)
        roots = [scheduler.spawn("body", number, authority=authority()) for number in range(10)]
        for root in roots:
            await scheduler.join(root)

    with Journal.create(tmp_path, "ep", KEY) as journal:
        commit = journal.commit

        def counted() -> None:
            commits.append(journal.pending)
            commit()

        monkeypatch.setattr(journal, "commit", counted)
        asyncio.run(play(journal))
    assert len(commits) <= 5, "ten intents and ten outcomes, each durable before it counted"
