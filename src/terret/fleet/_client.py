"""A fleet from outside: submit, look, cancel, put back, fetch."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from terret.errors import ConfigError, EpisodeNotFound, JournalError
from terret.fleet._database import Database, Unreachable
from terret.fleet._engine import APPLICATION_VERSION, PER_TENANT, POLL_S, SLOTS, WORKFLOW, client, migrate, translated
from terret.fleet._parcel import unwrap
from terret.fleet._records import drop, fence
from terret.fleet._shelf import Shelf
from terret.fleet._values import Delivery, QueuedEpisode, State, Submission, WorkerRow, checked_name
from terret.runtime import episode_id
from terret.sandbox import Workspace
from terret.task import Task, task_json

_STATES: dict[str, State] = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "finished",
    "CANCELLED": "cancelled",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
}
LOWEST_PRIORITY = 1_000


class Fleet:
    """The queue, the store and the workers of one PostgreSQL; a context manager.

    Args:
        url: ``postgresql://USER@HOST/NAME``.
        name: Which fleet: one database may hold several, each with workers of its own.

    Raises:
        ConfigError: The URL or the name cannot be used.
        MissingExtra: ``terret[fleet]`` is not installed.
        InfrastructureError: PostgreSQL does not answer.
    """

    def __init__(self, url: str, name: str = "terret", *, patience_s: float = 10.0) -> None:
        self.name = checked_name("fleet", name)
        self.database = Database(url, patience_s=patience_s)
        self.shelf = Shelf(self.database)
        self._prepare(patience_s)
        self._client = client(url, name)
        if self._retrieve(name) is None:
            self.limit()

    def _prepare(self, patience_s: float) -> None:
        """Make all tables, as soon as PostgreSQL is there."""
        until = time.monotonic() + patience_s
        while True:
            try:
                self.database.prepare()
                migrate(self.database.url)
                return
            except (Unreachable, JournalError):
                if time.monotonic() >= until:
                    raise
                time.sleep(0.5)

    # episodes

    def submit(
        self,
        task: Task,
        *,
        base_folder: Path | None = None,
        tenant: str = "default",
        priority: int = 100,
        episode: str | None = None,
        **options: Any,
    ) -> str:
        """Put an episode into the queue; its id.

        The repository travels as an archive named by its content: the worker needs nothing of this machine. With the
        id of an episode that was submitted before, nothing happens: submitting again is safe.

        Args:
            task: The task.
            base_folder: What a relative ``repository.path`` is taken from.
            tenant: Whose limit it counts against.
            priority: 1 to 1,000; 1 is first among those of the tenant.
            episode: The id; a new one by default.
            options: Other fields of :class:`Submission`.

        Raises:
            ConfigError: A name or the priority cannot be used, or the repository is too large.
            RepositoryError: The repository cannot be had.
        """
        checked_name("tenant", tenant)
        if not 1 <= priority <= LOWEST_PRIORITY:
            raise ConfigError("not a priority", value=priority, hint=f"use 1 (first) to {LOWEST_PRIORITY}")
        name = episode or episode_id(task.name)
        archive, source, commit = _archive(task, base_folder)
        submission = Submission(
            task=self.shelf.put(task_json(task)),
            archive=self.shelf.put(archive),
            source=source,
            commit=commit,
            tenant=tenant,
            priority=priority,
            **options,
        )
        asked: dict[str, Any] = {
            "workflow_name": WORKFLOW,
            "workflow_id": name,
            "queue_name": self.name,
            "queue_partition_key": tenant,
            "priority": priority,
            "app_version": APPLICATION_VERSION,
            "attributes": {"tenant": tenant},
        }
        with translated(self.database.url):
            if self._retrieve(own := f"{self.name}/{tenant}") is not None:
                asked |= {"queue_name": own}
                del asked["queue_partition_key"]
            self._client.enqueue(asked, msgspec.to_builtins(submission))
        return name

    def episode(self, name: str) -> QueuedEpisode:
        """One episode, by its id or a beginning of it that fits no other.

        Raises:
            EpisodeNotFound: None, or more than one, answers to it.
        """
        found = self.episodes(prefix=name)
        exact = [row for row in found if row.id == name] or found
        if len(exact) == 1:
            return exact[0]
        if exact:
            raise EpisodeNotFound(f"{len(exact)} episodes begin like this", value=name, hint="give more of the id")
        raise EpisodeNotFound("the fleet knows no such episode", value=name, hint="terret ps --store URL lists them")

    def episodes(
        self, *, state: State | None = None, tenant: str | None = None, prefix: str | None = None, limit: int = 1000
    ) -> list[QueuedEpisode]:
        """The fleet's latest episodes, newest first."""
        wanted = [theirs for theirs, ours in _STATES.items() if state in (None, ours)]
        with translated(self.database.url):
            found = self._client.list_workflows(
                name=WORKFLOW,
                application_name=self.name,
                status=wanted,
                workflow_id_prefix=prefix,
                attributes={"tenant": tenant} if tenant is not None else None,
                limit=limit,
                sort_desc=True,
                load_input=False,
            )
        return [_row(status) for status in found]

    def cancel(self, name: str) -> QueuedEpisode:
        """Take an episode out of the queue, or stop it where it runs: its worker can record nothing more and drops it.

        What it did stays recorded; :meth:`requeue` goes on with it.

        Raises:
            EpisodeNotFound: There is none.
            ConfigError: It has ended already.
        """
        row = self.episode(name)
        if row.state in ("finished", "failed"):
            raise ConfigError(f"the episode is {row.state} already", value=row.id)
        with translated(self.database.url):
            self._client.cancel_workflow(row.id)
        fence(self.database, row.id, "cancelled")
        return self.episode(row.id)

    def requeue(self, name: str) -> QueuedEpisode:
        """Put a cancelled episode back into the queue; a worker goes on from its journal.

        Raises:
            EpisodeNotFound: There is none.
            ConfigError: It was not cancelled.
        """
        row = self.episode(name)
        if row.state != "cancelled":
            raise ConfigError("only a cancelled episode is put back", value=f"{row.id} is {row.state}")
        own = f"{self.name}/{row.tenant}"
        with translated(self.database.url):
            queue = own if self._retrieve(own) is not None else self.name
            self._client.resume_workflow(row.id, queue_name=queue)
        return self.episode(row.id)

    def fetch(self, name: str, folder: Path) -> QueuedEpisode:
        """Write a finished episode's package into a new folder; the store's word is checked against its hash.

        Raises:
            EpisodeNotFound: There is none, or it has no package yet.
            ConfigError: The folder is in use.
            BlobMismatch: The store holds another package, or none.
        """
        row = self.episode(name)
        if row.delivery is None:
            hint = {"failed": row.error, "cancelled": "put it back with terret submit --again"}.get(row.state)
            raise EpisodeNotFound(f"the episode has no package: it is {row.state}", value=row.id, hint=hint)
        unwrap(self.shelf.get(row.delivery.package), folder)
        return row

    def prune(self, older_s: float) -> int:
        """Drop the journals of episodes that finished longer ago, which packages hold whole; how many there were."""
        latest = time.time() - older_s
        done = self.episodes(state="finished", limit=1_000_000)
        return drop(self.database, [row.id for row in done if row.ended is not None and row.ended < latest])

    # the fleet

    def limit(self, tenant: str | None = None, *, episodes: int | None = None, slots: int | None = None) -> None:
        """Set how many episodes of a tenant (of every tenant) run at a time, and how many one worker runs.

        Raises:
            ConfigError: A number is below 1.
        """
        for value in (episodes, slots):
            if value is not None and value < 1:
                raise ConfigError("not a limit", value=value, hint="give at least 1")
        with translated(self.database.url):
            name = self.name if tenant is None else f"{self.name}/{checked_name('tenant', tenant)}"
            present = self._retrieve(name)
            kept = None if present is None else present.worker_concurrency
            running: dict[str, int] = {"worker_concurrency": slots or kept or SLOTS}
            if tenant is None:
                before = None if present is None else present.partition_concurrency
                running["partition_concurrency"] = episodes or before or PER_TENANT
            else:
                before = None if present is None else present.global_concurrency
                running["global_concurrency"] = episodes or before or PER_TENANT
                running["worker_concurrency"] = min(running["worker_concurrency"], running["global_concurrency"])
            self._client.register_queue(name, polling_interval_sec=POLL_S, **running)

    def workers(self) -> list[WorkerRow]:
        """Who has worked within the last day, those that live first."""
        rows = self.database.rows(
            "SELECT id, host, pid, model, state, extract(epoch FROM now() - seen), lease_s FROM terret_fleet.worker"
            " WHERE fleet = %s AND seen > now() - interval '1 day' ORDER BY state DESC, started",
            (self.name,),
        )
        names = ("id", "host", "pid", "model", "state", "silent_s", "lease_s")
        return [msgspec.convert(dict(zip(names, row, strict=True)), WorkerRow, strict=False) for row in rows]

    def close(self) -> None:
        """Close its connections; closing twice is allowed."""
        self._client.destroy()
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _retrieve(self, queue: str) -> Any:
        with translated(self.database.url):
            return self._client.retrieve_queue(queue)


def _archive(task: Task, base_folder: Path | None) -> tuple[bytes, str, str | None]:
    """A task's repository as an archive, where it came from, and its commit."""
    with tempfile.TemporaryDirectory(prefix="terret-submit-") as name:
        workspace = Workspace.create(Path(name) / "workspace", task.repository, base_folder=base_folder)
        return workspace.archive(), workspace.source, workspace.commit


def _row(status: Any) -> QueuedEpisode:
    state = _STATES[status.status]
    attributes: dict[str, Any] = status.attributes or {}
    return QueuedEpisode(
        id=status.workflow_id,
        state=state,
        tenant=attributes.get("tenant", ""),
        priority=status.priority or 0,
        submitted=status.created_at / 1000,
        started=status.dequeued_at / 1000 if status.dequeued_at else None,
        ended=status.completed_at / 1000 if status.completed_at else None,
        worker=status.executor_id if state != "queued" else None,
        delivery=msgspec.convert(status.output, Delivery) if state == "finished" else None,
        error=" ".join(str(status.error).split()) if status.error is not None else None,
    )
