"""What the two defences of a mandate are worth, and what verifying one costs under load.

The ablation plays five attacks and an honest call against a gate with both defences, with one and with none.

The load is open: calls arrive by a Poisson timetable drawn beforehand, and the latency of a call runs from its place in
the timetable, not from when the gate got round to it, so that a pause is charged to every call that fell into it. Each
call is checked in full (signature, time, context hashed from the live arguments) and spent durably (WAL, FULL). Its
outcome is stored with the calls that come next.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import random
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks._report import Figure, finish, median, parser
from terret.journal import SigningKey
from terret.mandates import ABLATIONS, Call, Context, Issuer, Mandate, MandateGate, Registry, Wallet

P99_MS = 3.8
"""Bound on the 99th percentile of verification, milliseconds."""

RATE = 10_000
"""Calls offered a second."""

LIFETIME_S = 1.0
"""Lifetime of a mandate under load; about ``RATE * LIFETIME_S`` are in force at a time."""

BATCH = 64
"""Mandates under one signature under load."""

FLAT = 1.25
"""The registry may be this much larger at the end than after the first two lifetimes."""

CONFIGURATIONS: dict[str, tuple[str, ...]] = {
    "both": (),
    "binding only": ("once",),
    "once only": ("binding",),
    "neither": ABLATIONS,
}
"""What is ablated in each row."""


class World:
    """A gate on a registry file, an issuer, and a clock that moves when told."""

    def __init__(self, folder: Path, ablated: Sequence[str]) -> None:
        self.path = folder / "mandates.db"
        self.ablated = ablated
        self.key = SigningKey.generate()
        self.now = 1_700_000_000.0
        self.issuer = Issuer(self.key, self.clock)
        self.opened = contextlib.ExitStack()
        self.gate = self.open()

    def clock(self) -> float:
        """The time of this world."""
        return self.now

    def open(self) -> MandateGate:
        """Another gate on the same file, with a connection of its own, as another process has it."""
        registry = self.opened.enter_context(Registry(self.path, clock=self.clock))
        return MandateGate(registry, [self.key.public_hex], Wallet(), clock=self.clock, ablate=self.ablated)

    def passes(self, gate: MandateGate, identity: str, context: Context, mandate: Mandate) -> bool:
        """Whether the gate lets the effect happen."""
        return gate.consume_many([Call(identity, context, mandate)])[0].state == "fresh"


def context(number: int, host: str = "example.org") -> Context:
    return Context.of_call("task", "episode:0", "net.post", {"url": f"https://{host}/", "body": f"item {number}"})


def honest(world: World, number: int) -> bool:
    mandate = world.issuer.issue(context(number), 60)
    return not world.passes(world.gate, f"h{number}", context(number), mandate)


def replay(world: World, number: int) -> bool:
    mandate = world.issuer.issue(context(number), 60)
    world.passes(world.gate, f"r{number}a", context(number), mandate)
    return not world.passes(world.gate, f"r{number}b", context(number), mandate)


def double_spend(world: World, number: int) -> bool:
    """Eight threads on two connections spend one mandate at the same moment; stopped when at most one passes."""
    mandate = world.issuer.issue(context(number), 60)
    gates = [world.gate, world.open()]
    start = threading.Barrier(8)
    passed: list[bool] = []

    def spend(place: int) -> None:
        start.wait()
        passed.append(world.passes(gates[place % 2], f"d{number}.{place}", context(number), mandate))

    threads = [threading.Thread(target=spend, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(passed) <= 1


def redirect(world: World, number: int) -> bool:
    mandate = world.issuer.issue(context(number), 60)
    return not world.passes(world.gate, f"x{number}", context(number, "evil.example"), mandate)


def expiry(world: World, number: int) -> bool:
    mandate = world.issuer.issue(context(number), 60)
    world.now += 60
    return not world.passes(world.gate, f"e{number}", context(number), mandate)


def restart(world: World, number: int) -> bool:
    """Spent, then everything is closed and opened again, then spent once more."""
    mandate = world.issuer.issue(context(number), 60)
    world.passes(world.gate, f"s{number}a", context(number), mandate)
    world.opened.close()
    world.gate = world.open()
    return not world.passes(world.gate, f"s{number}b", context(number), mandate)


ATTACKS: dict[str, Callable[[World, int], bool]] = {
    "replay": replay,
    "double spend": double_spend,
    "redirect": redirect,
    "expiry": expiry,
    "restart": restart,
}
"""Each says whether it was stopped."""

NEEDED: dict[str, str | None] = {
    "replay": "once",
    "double spend": "once",
    "redirect": "binding",
    "expiry": None,
    "restart": "once",
}
"""The defence that stops an attack; ``None``: it is stopped by every gate."""


def ablation(repeats: int) -> dict[str, dict[str, float]]:
    """For every configuration the share of stopped attacks, and of honest calls that were stopped."""
    table: dict[str, dict[str, float]] = {}
    for name, ablated in CONFIGURATIONS.items():
        row: dict[str, float] = {}
        for attack, play in {**ATTACKS, "honest": honest}.items():
            with tempfile.TemporaryDirectory() as folder:
                world = World(Path(folder), ablated)
                with world.opened:
                    row[attack] = sum(play(world, number) for number in range(repeats)) / repeats
        table[name] = row
    return table


class Load(NamedTuple):
    """What a run under load gave; latencies in milliseconds, sizes in entries by time."""

    latencies: list[float]
    refused: int
    sizes: list[int]
    file_mb: float
    seconds: float
    cpu_us: float


def offer(rate: float, seconds: float, batch: int, folder: Path, seed: int = 0) -> Load:
    """Offer calls by a Poisson timetable and verify them as they come due."""
    draw = random.Random(seed)
    due = list(itertools.accumulate(draw.expovariate(rate) for _ in range(int(rate * seconds))))
    moment = 0.0
    epoch = 1_700_000_000.0
    key = SigningKey.generate()
    issuer = Issuer(key, lambda: epoch + moment)
    live = [("net.post", {"url": "https://example.org/", "body": f"item {number}"}) for number in range(len(due))]
    mandates: list[Mandate] = []
    for first in range(0, len(due), batch):
        moment = due[first]
        part = live[first : first + batch]
        contexts = [Context.of_call("task", "episode:0", primitive, args) for primitive, args in part]
        mandates += issuer.issue_many(contexts, LIFETIME_S)
    raw = [mandate.encode() for mandate in mandates]
    latencies: list[float] = []
    sizes: list[int] = []
    refused = 0
    began = 0.0
    with Registry(folder / "mandates.db", clock=lambda: epoch + time.perf_counter() - began, retain_s=0.0) as registry:
        gate = MandateGate(
            registry, [key.public_hex], Wallet(), clock=lambda: epoch + time.perf_counter() - began, skew_s=3600
        )
        outcomes: list[tuple[str, dict[str, str]]] = []
        gc.collect()
        gc.freeze()
        began = time.perf_counter()
        done, marked, cpu = 0, 0.0, time.process_time()
        while done < len(due):
            now = time.perf_counter() - began
            last = done
            while last < len(due) and due[last] <= now and last - done < 512:
                last += 1
            if last == done:
                time.sleep(max(0.0, due[done] - now))
                continue
            calls: list[Call] = []
            for number in range(done, last):
                primitive, args = live[number]
                mandate = Mandate.decode(raw[number])
                calls.append(Call(f"e{number}", Context.of_call("task", "episode:0", primitive, args), mandate))
            grants = gate.consume_many(calls, outcomes)
            at = time.perf_counter() - began
            latencies += [(at - due[number]) * 1000 for number in range(done, last)]
            refused += sum(grant.state != "fresh" for grant in grants)
            outcomes = [(call.identity, {"status": "ok"}) for call in calls]
            done = last
            if at - marked >= 0.1:
                sizes.append(len(registry))
                marked = at
        spent = time.perf_counter() - began
        cpu = (time.process_time() - cpu) / len(due) * 1e6
        gc.unfreeze()
        size = sum(path.stat().st_size for path in folder.glob("mandates.db*")) / 1e6
    return Load(latencies, refused, sizes, size, spent, cpu)


def control(rate: float, seconds: float, seed: int = 0) -> list[float]:
    """The same timetable with nothing to do: how late the machine itself makes a call, in milliseconds."""
    draw = random.Random(seed)
    due = list(itertools.accumulate(draw.expovariate(rate) for _ in range(int(rate * seconds))))
    late: list[float] = []
    began = time.perf_counter()
    for moment in due:
        while (now := time.perf_counter() - began) < moment:
            time.sleep(moment - now)
        late.append((now - moment) * 1000)
    return late


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ablation_figures(table: dict[str, dict[str, float]]) -> list[Figure]:
    """With both defences everything is stopped; without one, exactly what it is needed for gets through."""
    both = table["both"]
    stopped = min(both[attack] for attack in ATTACKS)
    false = max(row["honest"] for row in table.values())
    wrong = sum(
        row[attack] != (0.0 if NEEDED[attack] in CONFIGURATIONS[name] else 1.0)
        for name, row in table.items()
        for attack in ATTACKS
    )
    return [
        Figure("attacks_stopped", 100 * stopped, "%", 100.0, least=True, note="both defences, least of five attacks"),
        Figure("honest_refused", 100 * false, "%", 0.0, note="worst row"),
        Figure("unexpected_cells", wrong, "", 0.0, note="cells that are not what the missing defence explains"),
    ]


def show(table: dict[str, dict[str, float]]) -> None:
    print(f"{'stopped, % of attempts':<24}" + "".join(f"{name:>14}" for name in [*ATTACKS, "honest"]))
    for name, row in table.items():
        print(f"{name:<24}" + "".join(f"{100 * share:>14.0f}" for share in row.values()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a bound is missed."""
    options = parser("what mandates stop, and what verifying them costs")
    options.add_argument("--seconds", type=float, default=10.0, help="length of one run under load")
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--rate", type=float, default=RATE)
    options.add_argument("--batch", type=int, default=BATCH, help="mandates under one signature")
    chosen = options.parse_args(arguments)
    if chosen.seconds < 4 * LIFETIME_S:
        options.error(f"--seconds has to be at least {4 * LIFETIME_S:g} for the registry to settle")
    table = ablation(20)
    if not chosen.json:
        show(table)
    runs: list[Load] = []
    for number in range(chosen.runs):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(offer(chosen.rate, chosen.seconds, chosen.batch, Path(folder), seed=number))
    idle = quantile(control(chosen.rate, min(5.0, chosen.seconds)), 0.99)
    tails = [quantile(run.latencies, 0.99) for run in runs]
    settled = [run.sizes[int(2 * LIFETIME_S * 10) :] for run in runs]
    growth = median([max(sizes[-10:]) / max(1, max(sizes[:10])) for sizes in settled])
    calls = sum(len(run.latencies) for run in runs)
    figures = [
        *ablation_figures(table),
        Figure("p99_idle", idle, "ms", note="the same timetable with nothing to do: the machine's own lateness"),
        Figure("p50", median([quantile(run.latencies, 0.5) for run in runs]), "ms"),
        Figure("p999", median([quantile(run.latencies, 0.999) for run in runs]), "ms"),
        Figure("served", calls / sum(run.seconds for run in runs), "/s", 0.98 * chosen.rate, least=True),
        Figure("cpu", median([run.cpu_us for run in runs]), "us", note="processor time of one call, all included"),
        Figure("refused", sum(run.refused for run in runs), "", 0.0, note=f"of {calls:,} honest calls"),
        Figure("registry_growth", growth, "x", FLAT, note="entries in the last second over the third"),
        Figure("registry_entries", max(max(sizes) for sizes in settled), "", note=f"rate x {LIFETIME_S:g} s lifetime"),
        Figure("file", max(run.file_mb for run in runs), "MB", note="database and log at the end"),
        Figure("p99", median(tails), "ms", P99_MS, note=f"median of {chosen.runs} runs, {chosen.rate:,.0f}/s offered"),
    ]
    extra: dict[str, Any] = {"ablation": table, "p99_ms": tails, "batch": chosen.batch, "sizes": runs[0].sizes}
    return finish("mandates", figures, as_json=chosen.json, extra=extra)


if __name__ == "__main__":
    raise SystemExit(main())
