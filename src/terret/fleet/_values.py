"""What travels between a submitter, the queue and a worker."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from terret.errors import ConfigError

FORMAT = 1
"""Of a submission; a worker takes only those it understands."""

State = Literal["queued", "running", "finished", "cancelled", "failed"]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """An episode to be run: everything but the model, which the worker brings.

    Attributes:
        task: Blob of the task's canonical JSON.
        archive: Blob of the repository's tree, a deterministic ``.tar.gz``.
        source: Where the submitter had the repository from.
        commit: The commit it stands for, if any.
        tenant: Whose episode it is.
        priority: 1 is first.
        sampling: As :class:`terret.models.Sampling`; the agent style's own when missing.
    """

    task: str
    archive: str
    source: str
    commit: str | None
    tenant: str
    priority: int
    level: str = "H1"
    image: str | None = None
    dialect: str | None = None
    seed: int = 0
    sampling: dict[str, Any] | None = None
    durability: Literal["normal", "full"] = "normal"
    ablations: list[str] = []
    format: int = FORMAT


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker left of a finished episode: the blob of its package, and how it ended."""

    package: str
    size: int
    events: int
    head: str
    label: str | None
    failure_code: str | None
    stop_reason: str | None
    turns: int
    owners: int
    """How many workers, or attempts of one, the episode took."""


class QueuedEpisode(msgspec.Struct, frozen=True, kw_only=True):
    """An episode as the queue knows it. Times are Unix seconds."""

    id: str
    state: State
    tenant: str
    priority: int
    submitted: float
    started: float | None
    ended: float | None
    worker: str | None
    delivery: Delivery | None = None
    error: str | None = None


class WorkerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A worker as its heartbeats tell it; ``silent_s`` is the time since the last one."""

    id: str
    host: str
    pid: int
    model: str
    state: Literal["live", "dead"]
    silent_s: float
    lease_s: float


def checked_name(kind: str, name: str) -> str:
    """The name of a fleet or tenant.

    Raises:
        ConfigError: It is none.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"not the name of a {kind}", value=name, hint="use lower-case letters, digits, - and _")
    return name
