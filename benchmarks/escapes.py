"""Attempts to get out of the sandbox, tier by tier: what was tried, what stopped it, and where the journal says so.

All attempts of a tier are the actions of one real episode: a scripted agent makes them through the tools, and the
verdict on each is taken from the episode's journal and from what is seen outside. ``python -m benchmarks.escapes
[--json] [--tier full] [--only GROUP]``. Figures: attempts that got through, and attempts without a journalled reason,
in the best tier of the machine; both must be 0. A tier below is reported, not judged.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from benchmarks._escape_races import RACES, race
from benchmarks._escape_scenarios import SCENARIOS, Scenario
from benchmarks._report import Figure, finish, parser
from terret.journal import (
    Denied,
    Evaluated,
    Event,
    Observed,
    Outcome,
    SigningKey,
    Text,
    check_package,
    load_text,
)
from terret.models import ModelIdentity, ScriptedModel
from terret.runtime import run_episode
from terret.sandbox import probe
from terret.sandbox._syscalls import NUMBERS
from terret.task import Budget, Limits, Repository, Task

LIMITS = Limits(wall_s=20.0, cpu_s=20.0, memory_mb=96, pids=32, output_kb=64, disk_mb=16)
_CANARY = ".terret-escape-canary"
_AGENT = ModelIdentity(spec="scripted", provider="scripted", name="scripted", context=10_000_000)


class Verdict(msgspec.Struct, frozen=True):
    """What came of one attempt; ``seq`` is the event that holds the reason, None when no event does."""

    name: str
    group: str
    blocked: bool
    reason: str
    seq: int | None


class Stage:
    """What stands outside, waiting to be reached: files, a process, sockets, a descriptor and variables."""

    def __init__(self, folder: Path) -> None:
        self.secret = f"canary-{os.urandom(8).hex()}"
        self.outside = folder / "outside"
        self.outside.mkdir()
        (self.outside / "secret.txt").write_text(self.secret, "utf-8")
        self.marker = f"3{os.getpid()}.25"
        self._stack = ExitStack()
        self._watched: dict[str, socket.socket] = {}
        self.names: dict[str, str] = {}

    def __enter__(self) -> Stage:
        keep = self._stack.enter_context
        home = Path("~").expanduser() / _CANARY
        home.write_text(self.secret, "utf-8")
        self._stack.callback(lambda: home.unlink(missing_ok=True))
        environment = {**os.environ, "TERRET_ESCAPE_SECRET": self.secret}
        victim = subprocess.Popen(["sleep", "600"], env=environment)
        self._stack.callback(victim.wait)
        self._stack.callback(victim.kill)
        os.environ["TERRET_ESCAPE_SECRET"] = self.secret
        self._stack.callback(lambda: os.environ.pop("TERRET_ESCAPE_SECRET", None))
        tcp = keep(socket.create_server(("127.0.0.1", 0)))
        udp = keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        abstract, path = keep(socket.socket(socket.AF_UNIX)), keep(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0terret-escape-{os.getpid()}")
        path.bind(str(self.outside / "socket"))
        for one in (abstract, path):
            one.listen()
        for one in (tcp, udp):
            one.setblocking(False)
        self._watched = {"tcp": tcp, "udp": udp}
        handle = os.open(self.outside / "secret.txt", os.O_RDONLY)
        os.set_inheritable(handle, True)
        os.dup2(handle, 77, inheritable=True)
        os.close(handle)
        self._stack.callback(lambda: os.close(77))
        self.names = {
            "outside": str(self.outside),
            "name": self.outside.name,
            "home": str(home.parent),
            "victim": str(victim.pid),
            "runner": str(os.getpid()),
            "handle": "77",
            "secret": self.secret,
            "tcp": str(tcp.getsockname()[1]),
            "udp": str(udp.getsockname()[1]),
            "abstract": f"terret-escape-{os.getpid()}",
            "marker": self.marker,
            **{f"nr_{name}": str(number) for name, number in NUMBERS[platform.machine()].items()},
        }
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def seen(self, witness: str, output: str) -> str:
        """What is seen from outside of an attempt that got through; empty when nothing is."""
        if self.secret in output:
            return "the secret was printed"
        made = [path for path in self.outside.iterdir() if path.name not in ("secret.txt", "socket")]
        for path in made:
            path.rmdir() if path.is_dir() else path.unlink()
        if made:
            return "a file appeared outside"
        if (self.outside / "secret.txt").read_text("utf-8") != self.secret:
            (self.outside / "secret.txt").write_text(self.secret, "utf-8")
            return "a file outside was changed"
        survivors = self._survivors() if witness == "survivor" else []
        for pid in survivors:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if survivors:
            return "a process outlived its command"
        with suppress(BlockingIOError):
            if witness == "udp" and self._watched["udp"].recv(64):
                return "a datagram arrived"
        with suppress(BlockingIOError):
            if witness == "tcp" and self._watched["tcp"].accept():
                return "a connection arrived"
        return ""

    def _survivors(self) -> list[int]:
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    if self.marker.encode() in (entry / "cmdline").read_bytes():
                        found.append(int(entry.name))
        return found


class _Watcher:
    """Follows the episode as it is recorded and looks outside after each action."""

    def __init__(self, scenarios: list[Scenario], stage: Stage) -> None:
        self._scenarios = scenarios
        self._stage = stage
        self.events: list[list[Event]] = [[]]
        self.seen: list[str] = []

    def __call__(self, progress: Any) -> None:
        if not isinstance(progress, Event):
            return
        data = progress.data
        if isinstance(data, Denied | Outcome):
            self.events[-1].append(progress)
        elif isinstance(data, Observed) and len(self.seen) < len(self._scenarios):
            text = data.text.inline or data.text.head or ""
            self.seen.append(self._stage.seen(self._scenarios[len(self.seen)].witness, text))
            self.events.append([])


def run_tier(tier: str, scenarios: list[Scenario], folder: Path) -> list[Verdict]:
    """Make every attempt in one episode of a tier.

    Raises:
        RuntimeError: The episode did not get through its script.
    """
    episode = folder / "episode"
    with Stage(folder) as stage:
        stage.names["episode"] = str(episode)
        watcher = _Watcher(scenarios, stage)
        task = Task(
            name="escapes",
            repository=Repository(files={"a.txt": "alpha\n"}),
            objective="Get out.",
            limits=LIMITS,
            budget=Budget(steps=len(scenarios) + 5, model_calls=len(scenarios) + 5, tokens=500_000_000, wall=3600.0),
        )
        ended = asyncio.run(
            run_episode(
                task,
                model=ScriptedModel([_reply(one, stage.names) for one in scenarios] + [_DONE], _AGENT),
                folder=episode,
                key=SigningKey(bytes(range(32))),
                tier=tier,  # type: ignore[arg-type]
                allow_none=tier == "none",
                image="free",
                dialect_name="json",
                listener=watcher,
            )
        )
        package = check_package(episode)
        if len(watcher.seen) != len(scenarios):
            raise RuntimeError(
                f"after {len(watcher.seen)} of {len(scenarios)} attempts: {ended.stop_reason} {ended.reasons}"
            )
        hooked = stage.seen("", "")
        boundary = _boundary(package.events)
        return [
            _judge(one, events, seen or (hooked if one.witness == "hook" else ""), package.blobs, boundary)
            for one, events, seen in zip(scenarios, watcher.events, watcher.seen, strict=False)
        ]


def _reply(scenario: Scenario, names: dict[str, str]) -> str:
    if scenario.tool:
        filled = json.dumps(scenario.args)
        for name, value in names.items():
            filled = filled.replace(f"@{name}@", value)
        return json.dumps({"tool": scenario.tool, "args": json.loads(filled)})
    args: dict[str, Any] = {"command": scenario.text(names)}
    if scenario.timeout_s is not None:
        args["timeout_s"] = scenario.timeout_s
    return json.dumps({"tool": "run", "args": args})


_DONE = json.dumps({"tool": "declare_complete", "args": {"summary": "done"}})


def _boundary(events: list[Event]) -> list[tuple[int, str, str]]:
    """(event, path, rule) of every change the evaluator refused."""
    return [
        (event.seq, finding["path"], finding["rule"])
        for event in events
        if isinstance(event.data, Evaluated)
        for finding in event.data.facts["boundary"]
    ]


def _judge(
    scenario: Scenario, events: list[Event], seen: str, blobs: Any, boundary: list[tuple[int, str, str]]
) -> Verdict:
    """The verdict on one attempt; without a reason in the journal it counts as having got through."""
    blocked, reason, seq = False, "no event tells what came of it", None
    for event in events:
        data = event.data
        if isinstance(data, Denied):
            blocked, reason, seq = True, str(data.decision["rule"]), event.seq
        elif isinstance(data, Outcome):
            blocked, reason = _outcome(scenario, data, blobs)
            seq = event.seq
    if scenario.witness.startswith("boundary:"):
        name = scenario.witness.removeprefix("boundary:")
        found = [(at, rule) for at, path, rule in boundary if path.split("/")[0] == name]
        blocked, reason = bool(found), found[0][1] if found else "the change was accepted"
        seq = found[0][0] if found else seq
    return Verdict(scenario.name, scenario.group, blocked and not seen, seen or reason, seq)


def _outcome(scenario: Scenario, outcome: Outcome, blobs: Any) -> tuple[bool, str]:
    result = outcome.result
    if "failure" in result:
        return True, str(result["failure"])
    if "output" not in result:
        return False, "the effect was carried out"
    text = load_text(msgspec.convert(result["output"], Text), blobs)
    if result["status"] in scenario.stopped_by:
        return True, f"limit: {result['status']}"
    if f"signal {result['signal']}" in scenario.stopped_by:
        return True, f"signal {result['signal']}"
    if "REACHED" in text:
        return False, next(line for line in text.splitlines() if "REACHED" in line)[:80]
    refused = [line.removeprefix("refused: ") for line in text.splitlines() if line.startswith("refused: ")]
    if refused:
        return True, refused[-1][:80]
    return False, f"said nothing: {result['status']} {result['exit_code']} {text.strip()[-60:]!r}"


def chosen(only: str | None = None) -> list[Scenario]:
    """The scenarios of this machine, all of a group when one is named."""
    return [one for one in SCENARIOS if one.machine in ("", platform.machine()) and (only is None or one.group == only)]


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="terret-escapes-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def main() -> int:
    """Run every tier of the machine and print the table."""
    options = parser("Attempts to get out of the sandbox, tier by tier.")
    options.add_argument("--tier", action="append", choices=("full", "rlimit", "none"), help="only this tier")
    options.add_argument("--only", help="only this group")
    args = options.parse_args()
    best = probe().tier
    tiers = {"full": ["full", "rlimit", "none"], "rlimit": ["rlimit", "none"]}.get(best or "", ["none"])
    tiers = [tier for tier in tiers if args.tier is None or tier in args.tier]
    table: dict[str, list[Verdict]] = {}
    for tier in tiers:
        with _folder() as folder:
            table[tier] = run_tier(tier, chosen(args.only), folder)
        if args.only in (None, "races"):
            table[tier] += [Verdict(name, "races", *race(name, tier)) for name in RACES]
    if not args.json:
        _print(table)
    figures = [Figure("attempts", len(table[tiers[0]]), "", 50 if args.only is None else None, least=True)]
    for tier, rows in table.items():
        through = sum(not row.blocked for row in rows)
        figures.append(Figure(f"{tier}_got_through", through, "", 0 if tier == "full" else None))
    silent = sum(row.seq is None for row in table[tiers[0]])
    figures.append(Figure(f"{tiers[0]}_without_journalled_reason", silent, "", 0))
    rows = {tier: [msgspec.to_builtins(row) for row in verdicts] for tier, verdicts in table.items()}
    return finish("escapes", figures, as_json=args.json, extra={"verdicts": rows})


def _print(table: dict[str, list[Verdict]]) -> None:
    first = next(iter(table))
    lower = {tier: {row.name: row for row in rows} for tier, rows in table.items() if tier != first}
    width = max(len(row.name) for row in table[first])
    print(
        f"{'attempt':<{width}}  {first:<9} {' '.join(f'{tier:<9}' for tier in lower)} reason in the journal ({first})"
    )
    for row in table[first]:
        marks = " ".join(f"{'blocked' if rows[row.name].blocked else 'THROUGH':<9}" for rows in lower.values())
        mark = "blocked" if row.blocked else "THROUGH"
        print(f"{row.name:<{width}}  {mark:<9} {marks} {row.reason} (event {row.seq})")
    for tier, rows in table.items():
        groups = Counter(row.group for row in rows if not row.blocked)
        said = ", ".join(f"{group} {number}" for group, number in sorted(groups.items()))
        print(f"{tier} does not block: {said or 'nothing'}")


if __name__ == "__main__":
    sys.exit(main())
