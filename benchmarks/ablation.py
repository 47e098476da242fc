"""What each part of the authority is worth: adversarial tasks against eight runners that lack one part or all.

Every step really is attempted: files and commands in a workspace (sandboxed unless a runner has none), requests against
a network that counts. A step happened when its provider did it, whatever the agent was told. A row is valid only when
the journal tells the same story: an intent and an outcome for what happened, a denial or a failure for what did not;
the rates of a runner are over its valid rows alone. No model takes part: an attacker that always tries is stronger.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks._ablation_tasks import FILES, SCENARIOS, Scenario, Step
from benchmarks._ablation_world import LIMITS, OneNamespace, Person, World
from benchmarks._report import Figure, finish, parser
from terret.journal import Denied, Event, Intent, Journal, Outcome, SigningKey
from terret.models import Message
from terret.permissions import KINDS, RIGHTS, CapabilityTable
from terret.runtime.primitives import Namespaces, ProcessPrimitives, register_tool
from terret.runtime.schedule import Scheduler, Seat
from terret.tools import ToolFailure

KEY = SigningKey(bytes(range(32)))
CONFIRMED = ("run", "made", "delete", "post", "send")
"""Tools that a confirmation wrapper asks about."""


class Runner(NamedTuple):
    """One way to run; the first has everything."""

    name: str
    granted: bool = True
    """Capabilities as the task grants them; otherwise everything."""
    approvals: bool = True
    """A person decides where they say ``ask``; otherwise every question is a yes."""
    journal: bool = True
    isolated: bool = True
    own_names: bool = True
    attenuated: bool = True
    network: bool = True
    confirmed: bool = False


RUNNERS = (
    Runner("full"),
    Runner("without primitive approval", approvals=False),
    Runner("without audit linkage", journal=False),
    Runner("without namespace isolation", own_names=False),
    Runner("without fork attenuation", attenuated=False),
    Runner("sandbox only", granted=False, network=False),
    Runner("confirmation wrapper", granted=False, isolated=False, own_names=False, attenuated=False, confirmed=True),
    Runner("direct tools", granted=False, isolated=False, own_names=False, attenuated=False),
)


class Row(NamedTuple):
    """What came of one task under one runner: steps by whether they were allowed, and how many happened."""

    forbidden: int
    unauthorised: int
    allowed: int
    denied: int
    missing: tuple[str, ...]
    """Steps that the journal does not tell of as they were."""

    @property
    def valid(self) -> bool:
        """Whether there is evidence for every step."""
        return not self.missing


def everything() -> CapabilityTable:
    """A table that allows all of it."""
    table = CapabilityTable("host")
    for kind in KINDS:
        table.grant(f"{kind}:**", RIGHTS, depth=9)
    table.grant("process:**", RIGHTS, depth=9)
    return table


def granted(task: Scenario) -> CapabilityTable:
    """The table a task grants."""
    table = CapabilityTable("host")
    for grants, given in (
        (task.grants, {"depth": 3}),
        (task.fixed, {}),
        (task.once, {"uses": 1, "depth": 3}),
        (task.deny, {"effect": "deny"}),
        (task.ask, {"effect": "ask"}),
    ):
        for resource, rights in grants:
            table.grant(resource, rights.split(), **given)  # type: ignore[arg-type]
    return table


def hand_on_all(giver: CapabilityTable, taker: CapabilityTable, keep: Iterable[str] | None) -> None:
    """What a fork without attenuation does: the child has whatever the parent has, with uses of its own."""
    for one in giver.capabilities():
        taker.grant(one.resource, one.rights, one.effect, uses=one.uses, depth=9)


class Attempt:
    """A task under a runner."""

    def __init__(self, task: Scenario, runner: Runner, folder: Path) -> None:
        self.task = task
        self.runner = runner
        self.person = Person(task.yes, everything=not runner.approvals)
        self.world = World(folder, FILES, self.person, isolated=runner.isolated, network=runner.network)
        self.story: list[tuple[int, int, bool, Step]] = []
        """Number, pid, whether it was declined by a wrapper, and the step itself."""
        self.state = ""

    async def body(self, seat: Seat) -> None:
        """Try the steps of the process's part."""
        names = Namespaces() if self.runner.own_names else OneNamespace()
        own = ProcessPrimitives(seat, self.world.providers, namespaces=names, limits=LIMITS)
        parent = seat.process.parent
        # A child of the child has no part: without attenuation it would fork for ever.
        who = "root" if parent is None else "child" if parent.parent is None else "nobody"
        for number, step in enumerate(self.task.steps):
            if step[0] == who:
                await self._try(own, number, step)

    async def _try(self, own: ProcessPrimitives, number: int, step: Step) -> None:
        world, (_, allowed, what, *arguments) = self.world, step
        world.step, world.memory.who, world.memory.forbidden = number, f"p{own.seat.process.pid}", not allowed
        if self.runner.confirmed and what in CONFIRMED and not self._confirms(what):
            self.story.append((number, own.seat.process.pid, True, step))
            return
        self.story.append((number, own.seat.process.pid, False, step))
        try:
            await self._do(own, what, arguments)
        except ToolFailure:
            pass
        except OSError:
            # Files that are not confined fail as the machine has it.
            pass

    def _confirms(self, what: str) -> bool:
        """A person who sees the name of a tool says yes when the task has a use for it."""
        return any(step[1] and step[2] == what for step in self.task.steps)

    async def _do(self, own: ProcessPrimitives, what: str, arguments: Sequence[str]) -> None:
        if what == "fork":
            await self._fork(own.seat)
        elif what == "checkpoint":
            self.state = await own.checkpoint()
        elif what == "restore":
            await own.restore(self.state)
        else:
            await _DO[what](own, *arguments)

    async def _fork(self, seat: Seat) -> None:
        keep = None
        if self.task.keep is not None:
            held = seat.process.authority.capabilities()
            only = {resource: rights for rights, _, resource in (one.rpartition(" ") for one in self.task.keep)}
            keep = [one.id for one in held if one.resource in only and _fits(one.rights, only[one.resource])]
        number = self.world.step
        pid = await seat.fork(image="agent", keep=keep)
        self.world.step = number
        self.world.happened()
        await seat.wait_child(pid)

    async def run(self, folder: Path) -> list[Event]:
        """Run it; the events of its journal, none without one."""
        table = granted(self.task) if self.runner.granted else everything()
        if not self.runner.journal:
            await self._drive(Scheduler({"agent": self.body}, human=self.person), table)
            return []
        with Journal.create(folder / "j", "ablation", KEY) as journal:
            await self._drive(Scheduler({"agent": self.body}, journal=journal, human=self.person), table)
            return journal.events()

    async def _drive(self, scheduler: Scheduler, table: CapabilityTable) -> None:
        if not self.runner.attenuated:
            scheduler.table.hand_on = hand_on_all
        end = await scheduler.join(scheduler.spawn("agent", authority=table))
        assert end is not None
        assert end.status == "exited", end

    def row(self, events: Sequence[Event]) -> Row:
        """What happened, and whether the journal tells it."""
        forbidden = [number for number, step in enumerate(self.task.steps) if not step[1]]
        allowed = [number for number, step in enumerate(self.task.steps) if step[1]]
        done = self.world.done
        return Row(
            len(forbidden),
            sum(number in done for number in forbidden),
            len(allowed),
            sum(number not in done for number in allowed),
            tuple(self._missing(events)),
        )

    def _missing(self, events: Sequence[Event]) -> Iterable[str]:
        told = {pid: iter(_told(events, pid)) for pid in {pid for _, pid, _, _ in self.story}}
        for number, pid, declined, step in self.story:
            if declined or step[2] == "fork":
                continue
            effects = [next(told[pid], None)]
            if step[2] == "made" and effects[0] == ("tool.register", "ok"):
                effects.append(next(told[pid], None))
            last = effects[-1]
            happened = number in self.world.done
            if last is None or not last[0].startswith(_PRIMITIVE[step[2]]) or (happened and last[1] != "ok"):
                yield f"{step[2]} {' '.join(step[3:])}"


async def _made(own: ProcessPrimitives, name: str, command: str) -> None:
    await (await register_tool(own, name, "Helps.", command)).call(own, {})


_DO: dict[str, Callable[..., Awaitable[Any]]] = {
    "read": lambda own, path: own.read(path),
    "write": lambda own, path: own.write(path, b"echo written\n"),
    "delete": lambda own, path: own.delete(path),
    "list": lambda own, path: own.list(path, 2),
    "search": lambda own, pattern, path: own.search(pattern, path, None, 5),
    "run": lambda own, command: own.run(command),
    "get": lambda own, url: own.request("GET", url),
    "post": lambda own, url: own.request("POST", url),
    "send": lambda own, name, url: own.request("POST", url, body=f"{{{{secret:{name}}}}}"),
    "remember": lambda own, name: own.remember(name, f"by {own.seat.process.pid}"),
    "recall": lambda own, name: own.recall(name),
    "made": _made,
    "complete": lambda own: own.complete([Message("user", "hello")]),
    "ask": lambda own, text: own.ask(text),
}

_PRIMITIVE = {
    "read": "fs.read", "write": "fs.write", "delete": "fs.delete", "list": "fs.list", "search": "fs.search",
    "run": "shell.run", "get": "net.request", "post": "net.request", "send": "net.request", "ask": "human.ask",
    "remember": "memory.write", "recall": "memory.read", "made": ("shell.run", "tool.register"),
    "complete": "model.complete", "checkpoint": "checkpoint.take", "restore": "checkpoint.restore",
}  # fmt: skip


def _fits(rights: frozenset[str], only: str) -> bool:
    return not only or rights == frozenset({only, "list"})


def _told(events: Sequence[Event], pid: int) -> list[tuple[str, str]]:
    """The effects of a process in order: primitive, and ``ok``, another status, or ``denied``."""
    outcomes = {(e.pid, e.data.effect): e.data.status for e in events if isinstance(e.data, Outcome)}
    found: list[tuple[str, str]] = []
    for event in events:
        if (
            event.pid != pid
            or not isinstance(event.data, Intent | Denied)
            or event.data.primitive.startswith("process.")
        ):
            continue
        status = "denied" if isinstance(event.data, Denied) else outcomes.get((pid, event.data.effect), "none")
        found.append((event.data.primitive, status))
    return found


def measure(runner: Runner, tasks: Sequence[Scenario]) -> list[Row]:
    """Every task under a runner."""
    rows: list[Row] = []
    for task in tasks:
        with tempfile.TemporaryDirectory(prefix="terret-ablation-") as name:
            attempt = Attempt(task, runner, Path(name))
            try:
                rows.append(attempt.row(asyncio.run(attempt.run(Path(name)))))
            finally:
                attempt.world.close()
    return rows


def _rate(part: Callable[[Row], int], whole: Callable[[Row], int], rows: Sequence[Row]) -> float | None:
    valid = [row for row in rows if row.valid]
    total = sum(map(whole, valid))
    return sum(map(part, valid)) / total if total else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when the full runner lets anything through or refuses anything allowed."""
    options = parser("authority with one part missing at a time")
    chosen = options.parse_args(arguments)
    figures: list[Figure] = []
    table: dict[str, dict[str, Any]] = {}
    for runner in RUNNERS:
        rows = measure(runner, SCENARIOS)
        valid = sum(row.valid for row in rows)
        through = _rate(lambda row: row.unauthorised, lambda row: row.forbidden, rows)
        refused = _rate(lambda row: row.denied, lambda row: row.allowed, rows)
        table[runner.name] = {
            "rows": len(rows),
            "valid": valid,
            "unauthorised_rate": through,
            "false_denial_rate": refused,
            "tasks_right": sum(row.valid and not row.unauthorised and not row.denied for row in rows),
            "through": [SCENARIOS[at].name for at, row in enumerate(rows) if row.unauthorised],
            "refused": [SCENARIOS[at].name for at, row in enumerate(rows) if row.denied],
            "missing": {SCENARIOS[at].name: row.missing for at, row in enumerate(rows) if row.missing},
        }
    full = table["full"]
    if not chosen.json:
        for name, one in table.items():
            rates = [one["unauthorised_rate"], one["false_denial_rate"]]
            shown = ["   none" if rate is None else f"{rate:7.1%}" for rate in rates]
            right = f"{one['tasks_right']:3} of {one['rows']} right"
            print(f"{name:28} valid {one['valid']:3}  unauthorised {shown[0]}  false denials {shown[1]}  {right}")
    worse = [name for name, one in table.items() if name != "full" and one["tasks_right"] < full["tasks_right"]]
    figures += [
        Figure("tasks", len(SCENARIOS), "", 40, least=True),
        Figure("valid_full", full["valid"], "", len(SCENARIOS), least=True),
        Figure("unauthorised_full", full["unauthorised_rate"] or 0.0, "", 0),
        Figure("false_denials_full", full["false_denial_rate"] or 0.0, "", 0),
        Figure("worse_without", len(worse), "", len(RUNNERS) - 1, least=True, note="runners that do worse than full"),
    ]
    if not chosen.json and full["tasks_right"] < len(SCENARIOS):
        print(json.dumps({name: full[name] for name in ("through", "refused", "missing")}))
    return finish("ablation", figures, as_json=chosen.json, extra={"runners": table})


if __name__ == "__main__":
    raise SystemExit(main())
