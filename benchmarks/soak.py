"""Twenty-four hours of a host that never stops working, in simulated time: nothing may grow but the journal's file.

One event loop whose time is simulated drives a scheduler: a service that starts, tells, ends and reaps a child every
two minutes (``--pace``), a supervised process that fails and is restarted, listeners with time-outs, effects of a model
and of the disk. Every two hours the host drains, or just dies, and a new one goes on from the journal. Memory is what
Python's allocator holds after a collection, once an hour, when everything waits.
"""

from __future__ import annotations

import asyncio
import gc
import os
import selectors
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks._report import Figure, finish, parser
from benchmarks.scale import resident_kb
from terret.journal import Journal, SigningKey
from terret.permissions import CapabilityTable
from terret.runtime.process import AgentProcess, Child, Supervision
from terret.runtime.schedule import Capacity, Interrupted, Scheduler, Seat
from terret.tools import ToolFailure

HOUR = 3600.0
START = 1_700_000_000.0
WARM_HOURS = 6
"""Hours after which nothing may grow any more."""


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time: when nothing is ready, its clock jumps to the next timer."""

    def __init__(self) -> None:
        self.now = 0.0
        self.busy = 0
        """Threads at work; meanwhile the clock stands still."""
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Seconds since the start."""
        return self.now

    async def blocking(self, call: Callable[[], Any]) -> Any:
        """Run something in a thread."""
        self.busy += 1
        try:
            return await asyncio.to_thread(call)
        finally:
            self.busy -= 1


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._loop.busy:
            return super().select(0.01)
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("everything waits for nothing")
        if not ready and timeout:
            self._loop.now += max(timeout, 1e-5)
        return ready


class Sample(NamedTuple):
    """What is held at a time, when everything waits."""

    hours: float
    traced_kb: float
    resident_kb: float
    handles: int
    threads: int
    processes: int
    events: int


class World:
    """The host's images, and what they did."""

    def __init__(self, loop: SimulatedLoop, folder: Path, pace: float) -> None:
        self.loop = loop
        self.pace = pace
        self.file = folder / "data.txt"
        self.file.write_text("some text\n" * 100)
        self.done: dict[str, int] = {}

    def clock(self) -> float:
        """Unix seconds."""
        return START + self.loop.now

    def count(self, what: str) -> None:
        """Count something that happened."""
        self.done[what] = self.done.get(what, 0) + 1

    def images(self) -> dict[str, Any]:
        """What the names of images stand for."""
        flaky = Child("flaky", restart="permanent")
        return {
            "service": self.service,
            "worker": self.worker,
            "listener": self.listener,
            "flaky": self.flaky,
            "keeper": Supervision((flaky, Child("listener")), restarts=3, period_s=60.0),
        }

    async def service(self, seat: Seat) -> None:
        """Start a child every ``pace`` seconds, tell it what to do, and see to its end."""
        number = 0
        while True:
            await seat.sleep(self.pace)
            pid = await seat.fork(number, image="worker", limits={"tokens": 5000})
            await seat.send(pid, "work", {"number": number})
            if number % 7 == 3:
                await seat.sleep(1)
                await seat.signal(pid, "terminate")
            if number % 11 == 5:
                await seat.sleep(1)
                await seat.signal(pid, "cancel")
            end = await seat.wait_child(pid)
            if not seat.replaying:
                self.count(end.status)
            number += 1

    async def worker(self, seat: Seat) -> str:
        """Ask the model, read a file, change something outside, perhaps fail."""
        message = await seat.receive(timeout_s=30)
        assert message is not None
        call = {"number": message.body["number"]}
        await seat.effect("model.complete", "model:fake", "call", call, self._ask, reserve={"tokens": 2000})
        await seat.effect("fs.read", "filesystem:workspace:data.txt", "read", {"path": "data.txt"}, self._read)
        await seat.effect("mail.send", "mail:out", "write", call, self._send, key=f"mail-{seat.goal}")
        try:
            await seat.effect("shell.run", "shell:rm", "execute", {"command": "rm"}, self._read)
        except ToolFailure:
            if not seat.replaying:
                self.count("denied")
        if seat.goal % 5 == 0:
            raise ValueError(f"worker {seat.goal} fails")
        return "x" * 200

    async def listener(self, seat: Seat) -> None:
        """Wait for events that come, and for others that never do."""
        number = 0
        while True:
            number += 1
            if await seat.wait_event(f"news {number}", timeout_s=400):
                self.count("news")
            await seat.receive(timeout_s=1)

    async def flaky(self, seat: Seat) -> None:
        """Fail every quarter of an hour."""
        try:
            await seat.sleep(900)
        except Interrupted:
            self.count("interrupted")
        raise ValueError("as always")

    async def _ask(self) -> Any:
        await asyncio.sleep(2)
        self.count("effects")
        return "ok", {"text": "answer"}, {"tokens": 1500}

    async def _read(self) -> Any:
        text = await self.loop.blocking(self.file.read_text)
        self.count("effects")
        return "ok", {"size": len(text)}, {}

    async def _send(self) -> Any:
        await asyncio.sleep(0.5)
        self.count("effects")
        return "ok", {}, {}


def authority() -> CapabilityTable:
    """What the roots may do."""
    table = CapabilityTable("host", clock=lambda: START)
    for resource, right in (
        ("model:fake", "call"),
        ("filesystem:workspace:*", "read"),
        ("mail:out", "write"),
        ("process:*", "spawn"),
    ):
        table.grant(resource, [right], depth=3)
    return table


async def shift(world: World, journal: Journal, until: float, samples: list[Sample], *, drained: bool) -> None:
    """Drive the world with one host until a time; then it drains, or dies."""
    scheduler = Scheduler(world.images(), journal=journal, clock=world.clock, capacity=Capacity(effects=4))
    roots = [scheduler.spawn(image, authority=authority(), tenant=image) for image in ("service", "keeper")]
    await asyncio.sleep(0.1)
    rounds = 0
    while world.loop.now < until:
        await asyncio.sleep(290)
        rounds += 1
        listeners = [p for p in scheduler.table.processes.values() if p.image == "listener"]
        for one in listeners:
            if one.wait is not None and one.wait.kind == "event" and world.loop.now % 900 < 600:
                scheduler.table.post(one.wait.key)
        flaky = [p for p in scheduler.table.processes.values() if p.image == "flaky" and p.wait is not None]
        if flaky and rounds == 10:
            scheduler.signal(flaky[0], "interrupt")
        hours = world.loop.now / HOUR
        if not samples or hours >= samples[-1].hours + 1:
            samples.append(await _quiet(world, scheduler, hours, len(journal)))
    assert all(root.alive for root in roots), [root.end for root in roots]
    if drained:
        await scheduler.drain(10)
    else:
        await _die(scheduler)


async def _quiet(world: World, scheduler: Scheduler, hours: float, events: int) -> Sample:
    """Wait until no effect is under way and no worker lives, then look."""
    while any(_at_work(process) for process in scheduler.table.processes.values()):  # noqa: ASYNC110
        await asyncio.sleep(1)
    gc.collect()
    traced = tracemalloc.get_traced_memory()[0] / 1024
    handles = len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208
    return Sample(
        hours, traced, resident_kb(), handles, threading.active_count(), len(scheduler.table.processes), events
    )


def _at_work(process: AgentProcess) -> bool:
    return process.image == "worker" or process.status in ("running", "runnable", "waiting_tool")


async def _die(scheduler: Scheduler) -> None:
    """End the host as kill -9 would: what is not recorded yet never is."""
    scheduler.record = lambda *_, **__: None  # type: ignore[method-assign]
    scheduler.journal = None
    scheduler.draining = True
    for seat in list(scheduler.seats.values()):
        if seat.task is not None:
            seat.task.cancel()
    await asyncio.sleep(1)


def soak(hours: int, folder: Path, pace: float = 120, shift_h: int = 2) -> tuple[list[Sample], World, float]:
    """Run so many simulated hours; a sample for each, what was done, and the seconds it really took."""
    key = SigningKey.generate()
    loop = SimulatedLoop()
    world = World(loop, folder, pace)
    samples: list[Sample] = []
    began = time.perf_counter()
    gc.collect()
    gc.freeze()
    tracemalloc.start()
    try:
        Journal.create(folder, "soak", key, clock=world.clock).close()
        for number, until in enumerate(range(shift_h, hours + shift_h, shift_h)):
            with Journal.open(folder, key, clock=world.clock) as journal:
                # What a host holds anyway is reached at once, so that anything else shows.
                journal.keep(100)
                _run(loop, shift(world, journal, min(until, hours) * HOUR, samples, drained=number % 2 == 0))
    finally:
        tracemalloc.stop()
        gc.unfreeze()
        loop.busy += 1
        _run(loop, loop.shutdown_default_executor())
        loop.close()
    return samples, world, time.perf_counter() - began


def _run(loop: SimulatedLoop, task: Coroutine[Any, Any, Any]) -> None:
    loop.run_until_complete(task)


def growth(samples: Sequence[Sample], what: str) -> float:
    """How much more there is in the last third of the steady hours than in the first, the least of each."""
    steady = [getattr(sample, what) for sample in samples if sample.hours >= WARM_HOURS]
    part = max(1, len(steady) // 3)
    return min(steady[-part:]) - min(steady[:part])


def figures(samples: Sequence[Sample], world: World, seconds: float) -> list[Figure]:
    """What a run showed, with its bounds."""
    last = samples[-1]
    return [
        Figure("simulated", last.hours, "h"),
        Figure("took", seconds, "s"),
        Figure("events", last.events, ""),
        Figure("effects", world.done.get("effects", 0), ""),
        Figure("ended", sum(world.done.get(name, 0) for name in ("exited", "failed", "killed")), "", note="children"),
        Figure("memory", last.traced_kb, "KiB", note="held by Python at the end"),
        Figure("memory_growth", growth(samples, "traced_kb"), "KiB", 64, note=f"after {WARM_HOURS} h"),
        Figure("resident_growth", growth(samples, "resident_kb"), "KiB", note="with what reading the journal took"),
        Figure("handles_growth", growth(samples, "handles"), "", 0),
        Figure("threads_growth", growth(samples, "threads"), "", 0),
        Figure("processes_growth", growth(samples, "processes"), "", 0),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; 1 when something grew."""
    options = parser("24 hours of simulated time")
    options.add_argument("--hours", type=int, default=24)
    options.add_argument("--pace", type=float, default=120, help="seconds between two children")
    chosen = options.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        samples, world, seconds = soak(chosen.hours, Path(folder), chosen.pace)
    if not chosen.json:
        for sample in samples:
            print("  ".join(f"{name} {value:g}" for name, value in sample._asdict().items()))
        print("what happened:", ", ".join(f"{name} {count}" for name, count in sorted(world.done.items())))
    extra = {"samples": [sample._asdict() for sample in samples], "done": world.done}
    return finish("soak", figures(samples, world, seconds), as_json=chosen.json, extra=extra)


if __name__ == "__main__":
    raise SystemExit(main())
