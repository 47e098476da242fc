"""A worker: takes episodes from the queue, tells that it lives, and puts back what dead workers held."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import msgspec

from terret.errors import ConfigError, InfrastructureError, TerretError
from terret.fleet._attempt import Attempt, Equipment
from terret.fleet._client import Fleet
from terret.fleet._database import Database, Unreachable
from terret.fleet._engine import POLL_S, WORKFLOW, load, translated, worker_config
from terret.fleet._values import FORMAT, Submission

BEATS = 4
"""Heartbeats within one lease."""

POLLS_PER_S = 100
"""How often all workers together look into the queue, once there are more of them than this."""

_AGAIN_S = 2.0
_LAST_S = 10.0

BEAT = """
UPDATE terret_fleet.worker SET seen = now() FROM (SELECT set_config('synchronous_commit', 'off', true)) AS eased
WHERE id = %s AND state = 'live' RETURNING 1
"""
"""A heartbeat; one that a crash of the server undoes is none that mattered."""

_REAP_LOCK = 0x7465_7273
_DUE = """
SELECT 1 FROM terret_fleet.setting
WHERE fleet = %s AND name = 'reaped' AND now() - value::timestamptz < make_interval(secs => %s)
"""
_REAPED = """
INSERT INTO terret_fleet.setting (fleet, name, value) VALUES (%s, 'reaped', now()::text)
ON CONFLICT (fleet, name) DO UPDATE SET value = excluded.value
"""
_BURY = """
UPDATE terret_fleet.worker SET state = 'dead'
WHERE fleet = %s AND state = 'live' AND seen < now() - make_interval(secs => lease_s)
"""
_DEAD = "SELECT id FROM terret_fleet.worker WHERE fleet = %s AND state = 'dead' AND seen > now() - interval '1 day'"


class WorkerLost(InfrastructureError):
    """This worker was silent for longer than its lease; what it held went to others."""

    code = "E_WORKER_LOST"


class News(NamedTuple):
    """Something a worker tells its operator: ``what`` is a slug, ``detail`` for people."""

    what: str
    episode: str
    detail: str = ""


class _PutAside(BaseException):
    """The episode is not this worker's to end: nothing about it is recorded in the queue.

    DBOS records what an ``Exception`` says, and nothing of any other.
    """


class Worker:
    """One process that runs a fleet's episodes; one a process.

    Args:
        fleet: Where the work is.
        equipment: What an episode needs beside its submission.
        model: The model's spec, for the list of workers.
        lease_s: Silent for longer, and its episodes go to others.
        listener: Told of episodes as they begin and end.

    Raises:
        ConfigError: The fleet signs with another key.
    """

    def __init__(
        self,
        fleet: Fleet,
        equipment: Equipment,
        *,
        model: str,
        lease_s: float = 30.0,
        listener: Callable[[News], None] | None = None,
    ) -> None:
        self.fleet = fleet
        self.equipment = equipment
        self.lease_s = lease_s
        self.id = f"{os.uname().nodename}:{os.getpid()}:{secrets.token_hex(3)}"
        self._model = model
        self._tell = listener or _nobody
        self._database = fleet.database
        # Heartbeats do not wait behind an archive that is on its way.
        self._bulk = Database(fleet.database.url)
        self._stopping = threading.Event()
        self._lost = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._held: dict[str, concurrent.futures.Future[dict[str, Any]]] = {}
        self._mutex = threading.Lock()
        self._steady_since = time.monotonic()
        self._same_key()

    def stop(self) -> None:
        """Put everything aside, resumable, and let :meth:`run` return; safe in a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Work until :meth:`stop`.

        Raises:
            WorkerLost: It was silent for too long. Nothing of it can write any more; start another one.
            InfrastructureError: PostgreSQL stayed away.
        """
        dbos = load()
        loop = self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="episodes", daemon=True)
        thread.start()
        try:
            if self._launched(dbos):
                while not self._stopping.wait(self.lease_s / BEATS * random.uniform(0.8, 1.0)):
                    self._turn(dbos)
        finally:
            self._put_aside()
            self._leave(dbos)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_LAST_S)
            if not thread.is_alive():
                loop.close()

    def _launched(self, dbos: Any) -> bool:
        """Begin to take work, as soon as PostgreSQL is there; false when stopped before."""
        while not self._stopping.is_set():
            try:
                with translated(self._database.url):
                    dbos.DBOS(config=worker_config(self._database.url, self.fleet.name, self.id))
                    dbos.DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)(self._workflow(dbos))
                    self._register()
                    dbos.DBOS.launch()
                return True
            except Unreachable as away:
                dbos.DBOS.destroy()
                self._tell(News("silent", "", str(away)))
                self._stopping.wait(_AGAIN_S)
        return False

    def _turn(self, dbos: Any) -> None:
        try:
            self._beat()
            with translated(self._database.url):
                self._drop_taken(dbos)
                self._reap(dbos)
        except Unreachable as away:
            self._tell(News("silent", "", str(away)))

    # one episode

    def _workflow(self, dbos: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """What the queue runs; it wants a function."""

        def episode(asked: dict[str, Any]) -> dict[str, Any]:
            return self._episode(str(dbos.DBOS.workflow_id), asked)

        return episode

    def _episode(self, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        """An episode to its end, or a :class:`_PutAside`."""
        if asked.get("format") != FORMAT:
            raise ConfigError("submitted by another terret", value=asked.get("format"), hint="use its workers")
        submission = msgspec.convert(asked, Submission)
        with self._mutex:
            if self._stopping.is_set() or self._lost:
                raise _PutAside
            earlier = self._held.get(name)
            if earlier is not None:
                earlier.cancel()
            running = self._start(Attempt(name, submission, self.equipment, self._bulk).run())
            self._held[name] = running
        self._tell(News("began", name))
        try:
            delivery = running.result()
        except (concurrent.futures.CancelledError, asyncio.CancelledError):
            self._tell(News("put_aside", name))
            raise _PutAside from None
        except TerretError as error:
            self._tell(News("failed", name, str(error)))
            raise
        finally:
            with self._mutex:
                if self._held.get(name) is running:
                    del self._held[name]
        self._tell(News("finished", name, str(delivery["label"])))
        return delivery

    def _start(self, body: Coroutine[Any, Any, dict[str, Any]]) -> concurrent.futures.Future[dict[str, Any]]:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(body, self._loop)

    # heartbeats

    def _register(self) -> None:
        self._database.rows(
            "INSERT INTO terret_fleet.worker (id, fleet, host, pid, model, lease_s) VALUES (%s, %s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            (self.id, self.fleet.name, os.uname().nodename, os.getpid(), self._model, self.lease_s),
        )

    def _beat(self) -> None:
        began = time.monotonic()
        alive = self._database.rows(BEAT, (self.id,))
        if not alive:
            self._lost = True
            raise WorkerLost(
                "this worker was silent for longer than its lease; its episodes went to others",
                value=self.id,
                hint="start a worker anew; raise --lease if the machine is that slow",
            )
        if time.monotonic() - began > self.lease_s / 2:
            # The server was away: the others could not tell either that they live.
            self._steady_since = time.monotonic()

    def _drop_taken(self, dbos: Any) -> None:
        """Stop the episodes that were cancelled or are another worker's by now."""
        with self._mutex:
            held = list(self._held)
        if not held:
            return
        mine = dbos.DBOS.list_workflows(
            workflow_ids=held, status="PENDING", executor_id=self.id, load_input=False, load_output=False
        )
        for name in set(held) - {status.workflow_id for status in mine}:
            with self._mutex:
                running = self._held.get(name)
            if running is not None and not running.done():
                running.cancel()

    def _reap(self, dbos: Any) -> None:
        """Put back what dead workers held; one worker at a time looks."""
        if time.monotonic() - self._steady_since < self.lease_s:
            return

        fleet, every = self.fleet.name, self.lease_s / BEATS

        def look(connection: Any) -> list[str] | None:
            if connection.execute(_DUE, (fleet, every)).fetchone():
                return None
            if not connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (_REAP_LOCK,)).fetchone()[0]:
                return None
            connection.execute(_REAPED, (fleet,))
            connection.execute(_BURY, (fleet,))
            return [row[0] for row in connection.execute(_DEAD, (fleet,)).fetchall()]

        dead = self._database.transact(look)
        if dead is None:
            return
        # Only what is still pending under a dead worker's name goes back, each in one statement.
        for handle in dbos.DBOS._recover_pending_workflows(dead) if dead else ():
            self._tell(News("recovered", handle.get_workflow_id()))
        self._pace(dbos)

    def _pace(self, dbos: Any) -> None:
        """Let each worker look into the queue the more rarely the more of them there are."""
        query = "SELECT count(*) FROM terret_fleet.worker WHERE fleet = %s AND state = 'live'"
        wanted = max(POLL_S, float(self._database.rows(query, (self.fleet.name,))[0][0]) / POLLS_PER_S)
        queue = dbos.DBOS.retrieve_queue(self.fleet.name)
        if queue is not None and abs(queue.polling_interval_sec - wanted) > wanted / 4:
            queue.set_polling_interval_sec(wanted)

    # the end

    def _put_aside(self) -> None:
        self._stopping.set()
        with self._mutex:
            held = list(self._held.values())
        for running in held:
            running.cancel()
        concurrent.futures.wait(held, timeout=_LAST_S)

    def _leave(self, dbos: Any) -> None:
        """Say goodbye, so that nobody waits for the lease to end."""
        dbos.DBOS.destroy()
        self._bulk.close()
        if not self._lost:
            try:
                self._database.rows("UPDATE terret_fleet.worker SET state = 'dead' WHERE id = %s", (self.id,))
            except Unreachable:
                self._tell(News("silent", "", "PostgreSQL is away; others notice when the lease is over"))

    def _same_key(self) -> None:
        """Every worker of a fleet signs with one key: otherwise none could go on with another's episode."""
        mine = self.equipment.key.public_hex
        self._database.rows(
            "INSERT INTO terret_fleet.setting (fleet, name, value) VALUES (%s, 'key', %s) ON CONFLICT DO NOTHING",
            (self.fleet.name, mine),
        )
        theirs = self._database.rows(
            "SELECT value FROM terret_fleet.setting WHERE fleet = %s AND name = 'key'", (self.fleet.name,)
        )[0][0]
        if theirs != mine:
            raise ConfigError(
                "the workers of this fleet sign with another key",
                value=mine[:16],
                hint=f"give this machine the signing key of {theirs[:16]}, or start another fleet with --fleet",
            )


def _nobody(news: News) -> None:
    """Listens to nothing."""
