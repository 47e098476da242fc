"""How many agents one process drives, what an idle one takes, and how fast a long episode is taken up again.

The model is fake and takes 50 ms; everything else is real: authority, budgets, fair line, journal in SQLite (NORMAL),
hash chain. Rates are per processor second of this process, so that they do not depend on who else uses the machine.

Peers run in the same call, each in its own environment that is installed on demand, with fewer agents and steps; terret
is measured at that size beside them. A peer that cannot be had says why, and fails nothing; ``--no-peers`` leaves all
out.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks._peers import PEERS, measure
from benchmarks._report import Figure, finish, median, parser
from terret.journal import Intent, Journal, SigningKey, check_chain, seal
from terret.permissions import CapabilityTable
from terret.runtime.schedule import Scheduler, Seat

MODEL_S = 0.05
"""How long the fake model takes, seconds."""


def authority() -> CapabilityTable:
    """What a fake agent may do."""
    table = CapabilityTable("host")
    table.grant("model:fake", ["call"])
    return table


async def call_model() -> Any:
    """The fake model."""
    await asyncio.sleep(MODEL_S)
    return "ok", {"text": {"size": 12, "inline": "do the next."}, "finish": "stop"}, {"tokens": 1020}


async def answer_at_once() -> Any:
    """A model that takes no time, for what the harness itself takes."""
    return "ok", {"text": {"size": 12, "inline": "do the next."}, "finish": "stop"}, {"tokens": 1020}


async def idle(seat: Seat) -> None:
    """An agent that waits for a message."""
    await seat.receive()


def stepping(act: Any) -> Any:
    """A body that takes as many steps as its goal says."""

    async def body(seat: Seat) -> int:
        for step in range(seat.goal):
            await seat.effect("model.complete", "model:fake", "call", {"step": step}, act, reserve={"tokens": 2000})
        return seat.goal

    return body


def resident_kb() -> float:
    """Resident memory of this process, KiB."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1])
    return 0.0


async def idle_memory(agents: int) -> float:
    """Resident MiB an idle agent adds."""
    scheduler = Scheduler({"idle": idle})
    for _ in range(100):
        scheduler.spawn("idle", authority=authority())
    await asyncio.sleep(0.05)
    gc.collect()
    before = resident_kb()
    for _ in range(agents):
        scheduler.spawn("idle", authority=authority())
    await asyncio.sleep(0.05)
    while any(process.status != "waiting_event" for process in scheduler.table.processes.values()):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    gc.collect()
    grown = resident_kb() - before
    await scheduler.drain()
    return grown / 1024 / agents


async def drive(journal: Journal, agents: int, steps: int, act: Any) -> None:
    """Run that many agents to their end."""
    scheduler = Scheduler({"agent": stepping(act)}, journal=journal)
    made = [scheduler.spawn("agent", steps, authority=authority(), tenant=f"t{n % 10}") for n in range(agents)]
    for process in made:
        await scheduler.join(process)
    assert all(process.status == "exited" for process in made)


def concurrent(agents: int, steps: int) -> tuple[float, float, int]:
    """Steps a processor second, steps a second, and events."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Journal.create(Path(folder), "scale", SigningKey.generate()) as journal,
    ):
        began, used = time.perf_counter(), time.process_time()
        asyncio.run(drive(journal, agents, steps, call_model))
        journal.commit()
        wall, cpu = time.perf_counter() - began, time.process_time() - used
        return agents * steps / cpu, agents * steps / wall, len(journal)


def step_us(steps: int) -> float:
    """Microseconds of one durable step of one agent (NORMAL), without the model; the median."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Journal.create(Path(folder), "step", SigningKey.generate()) as journal,
    ):
        asyncio.run(drive(journal, 1, steps, answer_at_once))
        times = [event.ts for event in journal.events() if isinstance(event.data, Intent)]
    return median([(after - before) * 1e6 for before, after in itertools.pairwise(times)])


def shared_step_us(agents: int, steps: int) -> float:
    """Microseconds of a durable step (FULL) when that many agents share their commits, without the model."""
    key = SigningKey.generate()
    with tempfile.TemporaryDirectory() as folder, Journal.create(Path(folder), "s", key, durability="full") as journal:
        began = time.perf_counter()
        asyncio.run(drive(journal, agents, steps, answer_at_once))
        journal.commit()
        return (time.perf_counter() - began) * 1e6 / (agents * steps)


def alone_us(steps: int) -> tuple[float, float]:
    """Microseconds of a durable step of one agent (NORMAL) without the model, on average: wall and processor."""
    key = SigningKey.generate()
    with tempfile.TemporaryDirectory() as folder, Journal.create(Path(folder), "alone", key) as journal:
        began, used = time.perf_counter(), time.process_time()
        asyncio.run(drive(journal, 1, steps, answer_at_once))
        journal.commit()
        return (time.perf_counter() - began) * 1e6 / steps, (time.process_time() - used) * 1e6 / steps


def resume_ms(steps: int) -> tuple[float, float]:
    """Milliseconds to open an episode of that many steps, verify it and repeat its record: wall and processor."""
    key = SigningKey.generate()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        async def stopped(journal: Journal) -> None:
            scheduler = Scheduler({"agent": waiting}, journal=journal)
            process = scheduler.spawn("agent", steps, authority=authority())
            while process.status != "waiting_event":  # noqa: ASYNC110
                await asyncio.sleep(0)
            await scheduler.drain()

        async def waiting(seat: Seat) -> None:
            await stepping(answer_at_once)(seat)
            await seat.receive()

        with Journal.create(folder, "resume", key) as journal:
            asyncio.run(stopped(journal))
            events = len(journal)
        began, used = time.perf_counter(), time.process_time()
        with Journal.open(folder, key) as journal:
            asyncio.run(stopped(journal))
            took, worked = time.perf_counter() - began, time.process_time() - used
            assert len(journal) == events + 1, "only the second shutdown was new"
    return took * 1000, worked * 1000


def journal_rates(events: int) -> tuple[float, float]:
    """Events appended and verified a second."""
    key = SigningKey.generate()
    with tempfile.TemporaryDirectory() as folder, Journal.create(Path(folder), "rates", key) as journal:
        data = Intent("e0", "model.complete", "read", {"step": 1}, {"effect": "allow", "rule": "r", "reason": "x"}, 1)
        began = time.perf_counter()
        for _ in range(events):
            journal.append(data)
        journal.commit()
        appended = time.perf_counter() - began
        lines = journal.lines()
        head = seal(journal)
        began = time.perf_counter()
        check_chain(lines, head)
        verified = time.perf_counter() - began
    return events / appended, events / verified


def peers(agents: int, steps: int, long: int) -> tuple[list[Figure], list[dict[str, Any]]]:
    """Terret at the size the peers are run at, the ratios to each of them, and a row for everybody."""
    core, second, _ = concurrent(agents, steps)
    step, step_cpu = alone_us(long)
    size = f"{agents} agents x {steps}"
    own = {"name": "terret", "durable": True, "step": "a model call: authority, budget, intent and outcome on disk"}
    own |= {"per_s": second, "per_core_s": core, "step_us": step, "step_cpu_us": step_cpu}
    rows: list[dict[str, Any]] = [own]
    figures = [Figure("small_steps_per_core_s", core, "1/s", note=size)]
    for peer in PEERS:
        found = measure(peer, agents, steps, MODEL_S, long)
        rows.append({"name": peer.name, "durable": peer.durable, "step": peer.step, **found})
        if "absent" not in found:
            figures.append(Figure(f"x_{peer.name}_rate", core / found["per_core_s"], "x", note="steps a core second"))
            figures.append(Figure(f"x_{peer.name}_step", found["step_cpu_us"] / step_cpu, "x", note="one agent, cpu"))
    return figures, rows


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The rows as text."""
    lines = [f"{'':<22} {'steps/core s':>12} {'steps/s':>9} {'step us':>9} {'cpu us':>8}  durable step"]
    for row in rows:
        name = f"{row['name']} {row.get('version', '')}".strip()
        if "absent" in row:
            lines.append(f"{name:<22} absent: {row['absent']}")
            continue
        values = (
            f"{row['per_core_s']:>12,.0f} {row['per_s']:>9,.0f} {row['step_us']:>9,.0f} {row['step_cpu_us']:>8,.0f}"
        )
        lines.append(f"{name:<22} {values}  {'yes' if row['durable'] else 'no'}: {row['step']}")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a bound is missed."""
    options = parser("many agents in one process")
    options.add_argument("--agents", type=int, default=2000)
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--long", type=int, default=1000, help="steps of the episode that is taken up again")
    options.add_argument("--events", type=int, default=20_000)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--no-peers", action="store_true", help="measure terret alone")
    options.add_argument("--peer-agents", type=int, default=50)
    options.add_argument("--peer-steps", type=int, default=10)
    options.add_argument("--peer-long", type=int, default=200, help="steps of the single agent")
    chosen = options.parse_args(arguments)
    size = asyncio.run(idle_memory(chosen.agents))
    a_core, a_second, events = concurrent(chosen.agents, chosen.steps)
    append, verify = journal_rates(chosen.events)
    repeats = range(chosen.repeats)
    resumed = [resume_ms(chosen.long) for _ in repeats]
    figures = [
        Figure("steps_per_core_s", a_core, "1/s", 3000, least=True, note=f"{chosen.agents} agents x {chosen.steps}"),
        Figure("steps_per_s", a_second, "1/s"),
        Figure("journal_events", events, ""),
        Figure("idle_agent", size, "MiB", 0.1),
        Figure("step_normal", median([step_us(chosen.long) for _ in repeats]), "us", 300),
        Figure(
            "step_full", shared_step_us(100, max(1, chosen.long // 50)), "us", 1000, note="100 agents share commits"
        ),
        Figure("resume", median([wall for wall, _ in resumed]), "ms", 200, note=f"{chosen.long} steps"),
        Figure("resume_cpu", median([worked for _, worked in resumed]), "ms", note="processor time"),
        Figure("append", append, "1/s", note="NORMAL, group commit"),
        Figure("verify", verify, "1/s", note="hashes, chain, signed head"),
    ]
    rows: list[dict[str, Any]] = []
    if not chosen.no_peers:
        ratios, rows = peers(chosen.peer_agents, chosen.peer_steps, chosen.peer_long)
        figures += ratios
        if not chosen.json:
            print(
                "\n".join(
                    [f"{chosen.peer_agents} agents x {chosen.peer_steps} steps, then one agent:", *table(rows), ""]
                )
            )
    return finish("scale", figures, as_json=chosen.json, extra={"peers": rows})


if __name__ == "__main__":
    raise SystemExit(main())
