"""A fleet on one machine: workers killed and frozen, PostgreSQL restarted, and every episode finishes exactly once.

Three workers, each in a network of its own where that is possible, take scripted episodes with file, shell,
child-process and HTTP effects from the queue. One is killed every few seconds and started again, one is frozen for
longer than its lease and thawed, PostgreSQL is stopped and crashed. Then every package is fetched, verified and
compared with the uninterrupted run, and what the counting server received with what the journals hold.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import tempfile
import time
from collections import Counter as Tally
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.postgres import PostgresServer

from benchmarks._chaos_world import KEY, KEYED, PLAIN, go, task
from benchmarks._fleet_world import Counter, Workers
from benchmarks._report import Figure, finish, median, parser
from terret.errors import TerretError
from terret.fleet import Fleet, QueuedEpisode
from terret.journal import EpisodeClosed, EpisodeResumed, Intent, Outcome, Stopped, check_package
from terret.runtime import verify_package

WORKERS = 3
TENANTS = ("red", "green", "blue")
LEASE_S = 4.0
SEED = 5


class Plan(NamedTuple):
    """What happens: a kill every so many seconds, restarts when so large a share of the episodes has ended."""

    kill_every_s: float
    lease_s: float = LEASE_S
    restarts: tuple[tuple[float, signal.Signals], ...] = ((0.35, signal.SIGINT), (0.65, signal.SIGQUIT))


class Fate:
    """What was done to the fleet."""

    def __init__(self) -> None:
        self.restarts = 0
        self.held: list[str] = []
        """Episodes of the worker that was frozen."""
        self.frozen = ""


def submit(fleet: Fleet, port: int, episodes: int) -> list[str]:
    """Put all episodes into the queue, of three tenants; their ids."""
    return [
        fleet.submit(
            task(port),
            episode=f"fleet-{number:05}",
            tenant=TENANTS[number % len(TENANTS)],
            priority=1 + number % 3,
            durability="full",
        )
        for number in range(episodes)
    ]


def disturb(fleet: Fleet, server: PostgresServer, workers: Workers, episodes: int, plan: Plan, until: float) -> Fate:
    """Kill, freeze and restart as planned until every episode has ended."""
    rng = random.Random(SEED)
    fate = Fate()
    due = list(plan.restarts)
    next_kill = time.monotonic()
    while True:
        if time.monotonic() > until:
            raise TimeoutError(f"{_ended(fleet)} of {episodes} episodes ended in time")
        workers.look()
        ended = _ended(fleet)
        if ended >= episodes and workers.frozen is None and workers.thawed is None and not due:
            return fate
        if time.monotonic() >= next_kill and (busy := _busy(fleet, workers)) and workers.kill(rng.choice(busy).place):
            next_kill = time.monotonic() + plan.kill_every_s * rng.uniform(0.7, 1.3)
        elif workers.frozen is not None and _taken(fleet, fate):
            workers.thaw()
        elif not fate.frozen and workers.killed:
            _freeze(fleet, workers, fate)
        if due and ended >= due[0][0] * episodes and workers.frozen is None and fate.frozen:
            server.restart(due.pop(0)[1])
            fate.restarts += 1
        time.sleep(0.2)


def _ended(fleet: Fleet) -> int:
    return sum(row.state not in ("queued", "running") for row in fleet.episodes(limit=100_000))


class Busy(NamedTuple):
    """A worker in the middle of an episode."""

    place: int
    worker: str
    episode: str


def _busy(fleet: Fleet, workers: Workers) -> list[Busy]:
    """The workers that are in the middle of an episode and not frozen."""
    midway = {row[0] for row in fleet.database.rows(_MIDWAY)}
    places = {str(process.pid): place for place, process in enumerate(workers.processes)}
    found: list[Busy] = []
    for row in fleet.episodes(state="running"):
        place = places.get(row.worker.split(":")[1]) if row.worker is not None else None
        if row.id in midway and row.worker and place is not None and not workers.is_frozen(place):
            found.append(Busy(place, row.worker, row.id))
    return found


_MIDWAY = (
    "SELECT name FROM terret.episode JOIN terret.event ON episode = number"
    " GROUP BY name HAVING count(*) BETWEEN 8 AND 60"
)


def _freeze(fleet: Fleet, workers: Workers, fate: Fate) -> None:
    """Freeze a worker in the middle of an episode, if there is one and it still is when it stands still."""
    for busy in _busy(fleet, workers):
        workers.freeze(busy.place)
        held = [row.id for row in fleet.episodes(state="running") if row.worker == busy.worker]
        if busy.episode in held:
            fate.frozen, fate.held = busy.worker, held
            return
        workers.thaw()
        workers.thawed = None


def _taken(fleet: Fleet, fate: Fate) -> bool:
    """Whether the frozen worker was taken for dead, and others went on with all that it held."""
    if any(row.id == fate.frozen and row.state == "live" for row in fleet.workers()):
        return False
    rows = [fleet.episode(name) for name in fate.held]
    return all(row.state != "queued" and row.worker != fate.frozen for row in rows)


class Found(NamedTuple):
    """What is wrong with one episode, and how it went."""

    wrong: list[str]
    doubled: list[str]
    owners: int
    events: int
    size: int


def examine(fleet: Fleet, row: QueuedEpisode, counter: Counter, folder: Path, patch: str) -> Found:
    """Fetch and verify a package, and compare it with the uninterrupted run and the server's counts."""
    if row.delivery is None:
        return Found([f"{row.id} is {row.state}: {row.error}"], [], 0, 0, 0)
    try:
        fleet.fetch(row.id, folder)
        verify_package(folder, rerun=False, expected_key=KEY.public_hex)
        events = check_package(folder).events
    except TerretError as error:
        return Found([f"{row.id}: {error}"], [], row.delivery.owners, 0, row.delivery.size)
    wrong: list[str] = []
    doubled: list[str] = []
    kinds = Tally(type(event.data) for event in events)
    if kinds[Stopped] != 1 or kinds[EpisodeClosed] != 1:
        wrong.append(f"{row.id} ended {kinds[Stopped]} times")
    outcomes = Tally(event.data.effect for event in events if isinstance(event.data, Outcome))
    doubled += [f"{row.id}: outcome of {effect}" for effect, times in outcomes.items() if times > 1]
    if (folder / "patch.diff").read_text() != patch:
        wrong.append(f"{row.id}: another patch than the uninterrupted run's")
    applied = counter.applied(row.id)
    for item in KEYED:
        times = applied.get(item, 0)
        (doubled if times > 1 else wrong).extend([] if times == 1 else [f"{row.id}: {item} applied {times} times"])
    if applied.get(PLAIN, 0) > 1:
        doubled.append(f"{row.id}: {PLAIN} applied {applied[PLAIN]} times")
    urls = [e.data for e in events if isinstance(e.data, Intent) and str(e.data.args.get("url", "")).endswith(PLAIN)]
    recorded = next((e.data for e in events if isinstance(e.data, Outcome) and e.data.effect == urls[-1].effect), None)
    if recorded is not None and recorded.status == "ok" and applied.get(PLAIN, 0) != 1:
        wrong.append(f"{row.id}: {PLAIN} recorded and not applied")
    return Found(wrong, doubled, 1 + kinds[EpisodeResumed], len(events), row.delivery.size)


def run(episodes: int, plan: Plan, minutes: float) -> dict[str, Any]:
    """The whole thing; what came out."""
    until = time.monotonic() + 60 * minutes
    server = PostgresServer()
    try:
        with tempfile.TemporaryDirectory(prefix="terret-fleet-") as name:
            folder = Path(name)
            counter = Counter(folder)
            whole = folder / "whole"
            asyncio.run(go(whole, counter.port, None))
            patch = (whole / "patch.diff").read_text()
            address = (
                f"postgresql://terret@/{server.database().rpartition('/')[2]}?host={server.folder}&port={server.port}"
            )
            with Fleet(address, patience_s=30.0) as fleet:
                fleet.limit(slots=max(1, min(4, episodes // 12)))
                submit(fleet, counter.port, episodes)
                workers = Workers(address, folder, counter, plan.lease_s, WORKERS)
                started = time.monotonic()
                try:
                    fate = disturb(fleet, server, workers, episodes, plan, until)
                except TimeoutError:
                    print((folder / "workers.log").read_text(errors="replace")[-8000:], file=sys.stderr)
                    raise
                finally:
                    workers.close()
                seconds = time.monotonic() - started
                rows = fleet.episodes(limit=episodes + 1)
                found = [examine(fleet, row, counter, folder / "got" / row.id, patch) for row in rows]
                journal = server.execute(_SIZES, database=address.split("?")[0].rpartition("/")[2])
            counter.close()
            log = (folder / "workers.log").read_text(errors="replace")
    finally:
        server.close()
    return {"found": found, "fate": fate, "workers": workers, "seconds": seconds, "sizes": journal, "log": log}


_SIZES = (
    "SELECT (SELECT count(*) FROM terret.event), (SELECT sum(length(line)) FROM terret.event),"
    " (SELECT count(*) FROM terret.blob), (SELECT sum(length(content)) FROM terret.blob),"
    " (SELECT count(*) FROM terret.state), (SELECT coalesce(sum(length(pack)), 0) FROM terret.state)"
)


def main(argv: Sequence[str] | None = None) -> int:
    options = parser("a fleet that is killed, frozen and restarted finishes every episode once")
    options.add_argument("--episodes", type=int, default=200, metavar="N", help="[default: 200]")
    options.add_argument("--kill-every", type=float, default=4.0, metavar="S", help="[default: 4]")
    options.add_argument("--lease", type=float, default=LEASE_S, metavar="S", help=f"[default: {LEASE_S:g}]")
    options.add_argument("--minutes", type=float, default=60.0, metavar="M", help="give up after this long")
    chosen = options.parse_args(argv)
    result = run(chosen.episodes, Plan(chosen.kill_every, chosen.lease), chosen.minutes)
    found: list[Found] = result["found"]
    workers: Workers = result["workers"]
    fate: Fate = result["fate"]
    wrong = [text for one in found for text in (*one.wrong, *one.doubled)] + workers.crashed
    for text in wrong if not chosen.json else []:
        print(text)
    if wrong and not chosen.json:
        print(result["log"][-4000:])
    events, event_bytes, blobs, blob_bytes, states, state_bytes = result["sizes"][0]
    n = chosen.episodes
    kinds = f"events {event_bytes / n:.0f}, blobs {blob_bytes / n:.0f}, workspace states {state_bytes / n:.0f}"
    figures = [
        Figure("finished once", sum(not one.wrong for one in found), "", n, least=True),
        Figure("episodes", len(found), "", n, note="in the queue's record: none lost, none twice"),
        Figure("effects doubled", sum(len(one.doubled) for one in found), "", 0),
        Figure("workers crashed", len(workers.crashed), "", 0, note="ended otherwise than by SIGKILL or a lost lease"),
        Figure("kills", workers.killed, "", 1, least=True),
        Figure("frozen", len(fate.held), "", 1, least=True, note="episodes of the worker that was frozen and thawed"),
        Figure("lost leases", workers.lost, "", 1, least=True, note="of workers that were frozen, or starved"),
        Figure("restarts", fate.restarts, "", 2, least=True, note="of PostgreSQL: one orderly, one a crash"),
        Figure("networks", WORKERS if workers.apart else 1, "", note="workers see PostgreSQL by a socket only"),
        Figure(
            "went on elsewhere",
            sum(one.owners - 1 for one in found),
            "",
            1,
            least=True,
            note="resumed from the journal",
        ),
        Figure("rows an episode", (events + blobs + states) / n, "", note=f"{events / n:.0f} events"),
        Figure("bytes an episode", (event_bytes + blob_bytes + state_bytes) / n, "B", note=kinds),
        Figure("package", median([one.size for one in found]), "B"),
        Figure("seconds", result["seconds"], "s", note=f"{n / result['seconds']:.2f} episodes/s"),
    ]
    return finish("fleet", figures, as_json=chosen.json, extra={"wrong": wrong})


if __name__ == "__main__":
    sys.exit(main())
