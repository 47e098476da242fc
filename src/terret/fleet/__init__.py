"""Many machines: episodes in a durable queue on PostgreSQL, and the workers that run them."""

from __future__ import annotations

from terret.fleet._attempt import Equipment
from terret.fleet._client import Fleet
from terret.fleet._parcel import unwrap, wrap
from terret.fleet._values import Delivery, QueuedEpisode, Submission, WorkerRow
from terret.fleet._worker import News, Worker, WorkerLost

__all__ = [
    "Delivery",
    "Equipment",
    "Fleet",
    "News",
    "QueuedEpisode",
    "Submission",
    "Worker",
    "WorkerLost",
    "WorkerRow",
    "unwrap",
    "wrap",
]
