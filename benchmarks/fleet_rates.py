"""What one PostgreSQL carries for a fleet: submissions, dispatches, heartbeats, idle workers; no episode is run."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.postgres import PostgresServer

from benchmarks._chaos_world import KEY, model, task
from benchmarks._report import Figure, finish, parser
from terret.fleet import Fleet
from terret.fleet._database import Database
from terret.fleet._engine import APPLICATION_VERSION, WORKFLOW, load, worker_config
from terret.fleet._worker import BEAT
from terret.runtime import run_episode
from terret.task import Repository, Task

TENANTS = 20
STEPS = 10
"""Of the scripted episode."""
IDLE_S = 5.0
COMMITS = "SELECT sum(xact_commit) FROM pg_stat_database WHERE datname LIKE 't_'"


def rate(times: int, body: Callable[[int], object]) -> float:
    """How often ``body`` runs in a second."""
    began = time.perf_counter()
    for number in range(times):
        body(number)
    return times / (time.perf_counter() - began)


def _nothing(asked: dict[str, object]) -> dict[str, object]:
    return {"label": None}


def main(argv: Sequence[str] | None = None) -> int:
    options = parser(__doc__ or "")
    options.add_argument("--episodes", type=int, default=2000, metavar="N")
    options.add_argument("--executors", type=int, default=2, metavar="N")
    chosen = options.parse_args(argv)
    server = PostgresServer(durable=True)
    pids: list[int] = []
    try:
        url = server.database()
        nothing = Task(name="rates", repository=Repository(files={"a.txt": "a\n"}), objective="Nothing.")
        with Fleet(url) as fleet:
            fleet.limit(episodes=1000, slots=1000)
            submissions = rate(50, lambda n: fleet.submit(nothing, tenant=f"t{n % TENANTS}"))
            asked = {"workflow_name": WORKFLOW, "queue_name": "terret", "app_version": APPLICATION_VERSION}
            enqueued = rate(
                chosen.episodes,
                lambda n: fleet._client.enqueue({**asked, "queue_partition_key": f"t{n % TENANTS}", "priority": 1}, {}),
            )
            database = Database(url)
            insert = (
                "INSERT INTO terret_fleet.worker (id, fleet, host, pid, model, lease_s)"
                " SELECT 'w' || n, 'other', 'h', 1, 'm', 30 FROM generate_series(1, 10000) AS n"
            )
            database.rows(insert)
            beats = rate(2000, lambda n: database.rows(BEAT, (f"w{1 + n % 10000}",)))
            total = chosen.episodes + 50
            began = time.perf_counter()
            pids = fork_executors(url, chosen.executors)
            done = "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'"
            while database.rows(done)[0][0] < total:
                time.sleep(0.1)
            dispatched = total / (time.perf_counter() - began)
            time.sleep(2.0)
            before = commits(server)
            time.sleep(IDLE_S)
            idle = (commits(server) - before) / IDLE_S / chosen.executors
            pids = ended(pids)
            step = episode_commits(server, url) / STEPS
            database.close()
    finally:
        ended(pids)
        server.close()
    figures = [
        Figure("submissions", submissions, "/s", note="with the archive of a small repository, one submitter"),
        Figure("enqueued", enqueued, "/s", note="the queue's part of it"),
        Figure(
            "dispatches", dispatched, "/s", note=f"claimed and ended, {chosen.executors} workers, {TENANTS} tenants"
        ),
        Figure("idle worker", idle, "/s", note="transactions of one that finds nothing, without heartbeats"),
        Figure("step", step, "", note="transactions of a step of an episode, its begin and end included"),
        Figure("heartbeats", beats, "/s", note="one connection, 10,000 workers in the table, disk synced"),
    ]
    return finish("fleet_rates", figures, as_json=chosen.json)


def commits(server: PostgresServer) -> int:
    """Transactions so far; statistics reach their table late."""
    time.sleep(1.5)
    return int(server.execute(COMMITS)[0][0])  # type: ignore[call-overload]


def episode_commits(server: PostgresServer, url: str) -> int:
    """Transactions of a scripted episode."""
    before = commits(server)
    with tempfile.TemporaryDirectory(prefix="terret-rates-") as name:
        folder = Path(name) / "episode"
        body = run_episode(task(1), model=model(1, "episode"), folder=folder, key=KEY, store=url)
        turns = asyncio.run(body).turns
        assert turns == STEPS, turns
    return commits(server) - before


def ended(pids: list[int]) -> list[int]:
    """End processes; those that are left."""
    for pid in pids:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    return []


def fork_executors(url: str, executors: int) -> list[int]:
    """Processes that take episodes which do nothing; their ids."""
    pids: list[int] = []
    for number in range(executors):
        child = os.fork()
        if child == 0:
            dbos = load()
            dbos.DBOS(config=worker_config(url, "terret", f"rates-{number}"))
            dbos.DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)(_nothing)
            dbos.DBOS.launch()
            threading.Event().wait()
        pids.append(child)
    return pids


if __name__ == "__main__":
    sys.exit(main())
