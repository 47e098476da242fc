"""One attempt at an episode: from the queue's submission, or from the journal, to the package on the shelf."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from terret.errors import InfrastructureError, JournalBusy, JournalWriteFailed
from terret.fleet._parcel import wrap
from terret.fleet._shelf import Shelf
from terret.fleet._values import Delivery, Submission
from terret.journal import EpisodeResumed, Head, Scrubber, SigningKey, read_journal_jsonl
from terret.models import Model, Sampling
from terret.runtime import Episode, Fetched, resume_episode, run_episode
from terret.sandbox import Tier
from terret.task import decode_task

RETRIES_S = (1.0, 5.0, 20.0, 60.0, 120.0)
"""How long to wait before an episode that an infrastructure fault suspended is tried again."""


class Equipment(NamedTuple):
    """What a worker brings to every episode.

    Attributes:
        connect: A model for one episode, which closes it.
        folder: Where episodes live while they run.
        key: Signs the packages.
        retries_s: Waits before tries after an infrastructure fault.
    """

    connect: Callable[[], Model]
    folder: Path
    key: SigningKey
    tier: Tier | None = None
    allow_none: bool = False
    scrubber: Scrubber | None = None
    retries_s: tuple[float, ...] = RETRIES_S


class Attempt:
    """Runs or resumes one episode."""

    def __init__(self, name: str, submission: Submission, equipment: Equipment, shelf: Shelf) -> None:
        self._name = name
        self._submission = submission
        self._equipment = equipment
        self._shelf = shelf
        self._folder = equipment.folder / name

    async def run(self) -> dict[str, Any]:
        """The :class:`Delivery` of the finished episode, plain.

        Raises:
            InfrastructureError: The endpoint, the sandbox or the store failed for too long; the episode is resumable.
            TerretError: The episode cannot be run.
        """
        for wait in (*self._equipment.retries_s, None):
            try:
                ended = await self._once()
            except JournalBusy:
                raise asyncio.CancelledError from None
            except (JournalWriteFailed, InfrastructureError):
                if wait is None:
                    raise
            else:
                if ended.status == "finished":
                    return msgspec.to_builtins(await asyncio.to_thread(self._deliver, ended))
                if wait is None:
                    fault = ended.fault or {}
                    raise InfrastructureError(
                        f"the episode is suspended: {fault.get('message', '')}", value=fault.get("code")
                    )
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))
        raise AssertionError

    async def _once(self) -> Episode:
        equipment, asked = self._equipment, self._submission
        live = self._folder / "live"
        if (live / "journal.db").exists() or (self._folder / "episode.json").exists():
            return await resume_episode(
                self._folder,
                key=equipment.key,
                connect=lambda spec: equipment.connect(),
                durability=asked.durability,
                scrubber=equipment.scrubber,
                take_over=True,
            )
        shutil.rmtree(live, ignore_errors=True)
        task = decode_task(await asyncio.to_thread(self._shelf.get, asked.task))
        archive = await asyncio.to_thread(self._shelf.get, asked.archive)
        model = equipment.connect()
        try:
            return await run_episode(
                task,
                model=model,
                folder=self._folder,
                key=equipment.key,
                level=asked.level,
                fetched=Fetched(archive, asked.source, asked.commit),
                seed=asked.seed,
                durability=asked.durability,
                tier=equipment.tier,
                allow_none=equipment.allow_none,
                image=asked.image,
                dialect_name=asked.dialect,
                sampling=msgspec.convert(asked.sampling, Sampling) if asked.sampling else None,
                scrubber=equipment.scrubber,
                ablate=frozenset(asked.ablations),
            )
        finally:
            await model.aclose()

    def _deliver(self, ended: Episode) -> Delivery:
        parcel = wrap(self._folder)
        head = Head.from_json((self._folder / "head.json").read_bytes())
        events = read_journal_jsonl((self._folder / "journal.jsonl").read_bytes())
        delivery = Delivery(
            package=self._shelf.put(parcel),
            size=len(parcel),
            events=head.count,
            head=head.last,
            label=ended.label,
            failure_code=ended.failure_code,
            stop_reason=ended.stop_reason,
            turns=ended.turns,
            owners=1 + sum(isinstance(event.data, EpisodeResumed) for event in events),
        )
        shutil.rmtree(self._folder, ignore_errors=True)
        return delivery
