"""One attempt at an episode: from the queue's submission, or from the journal, to the package on the shelf."""

from __future__ import annotations

import asyncio
import random
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from terret.errors import Diverged, InfrastructureError, JournalBusy, JournalCorrupt, JournalError, TerretError
from terret.fleet._database import Database
from terret.fleet._parcel import wrap
from terret.fleet._records import has_begun
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
        connect: A model for the episode of that id, which closes it.
        folder: Where episodes live while they run.
        key: Signs the packages.
        retries_s: Waits before tries after an infrastructure fault.
    """

    connect: Callable[[str], Model]
    folder: Path
    key: SigningKey
    tier: Tier | None = None
    allow_none: bool = False
    scrubber: Scrubber | None = None
    retries_s: tuple[float, ...] = RETRIES_S


class Attempt:
    """Runs an episode, or goes on with it from its journal, in a folder of its own."""

    def __init__(self, name: str, submission: Submission, equipment: Equipment, database: Database) -> None:
        self._name = name
        self._submission = submission
        self._equipment = equipment
        self._database = database
        self._shelf = Shelf(database)

    async def run(self) -> dict[str, Any]:
        """The :class:`Delivery` of the finished episode, plain.

        Raises:
            CancelledError: It is another worker's by now, or nobody's.
            InfrastructureError: The endpoint, the sandbox or the store failed for too long; the episode is resumable.
            TerretError: The episode cannot be run.
        """
        for wait in (*self._equipment.retries_s, None):
            folder = self._equipment.folder / secrets.token_hex(4) / self._name
            try:
                ended = await self._once(folder)
                if ended.status == "finished":
                    delivery = await asyncio.to_thread(self._deliver, ended)
                    return msgspec.to_builtins(delivery)
                fault = ended.fault or {}
                failure: TerretError = InfrastructureError(
                    f"the episode is suspended: {fault.get('message', '')}", value=fault.get("code")
                )
            except JournalBusy:
                raise asyncio.CancelledError from None
            except (JournalCorrupt, Diverged):
                raise
            except (JournalError, InfrastructureError) as error:
                failure = error
            finally:
                await asyncio.to_thread(shutil.rmtree, folder.parent, ignore_errors=True)
            if wait is None:
                raise failure
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))
        raise AssertionError

    async def _once(self, folder: Path) -> Episode:
        equipment, asked = self._equipment, self._submission
        if await asyncio.to_thread(has_begun, self._database, self._name):
            return await resume_episode(
                folder,
                store=self._database.url,
                key=equipment.key,
                connect=lambda spec: equipment.connect(self._name),
                durability=asked.durability,
                scrubber=equipment.scrubber,
                take_over=True,
            )
        task = decode_task(await asyncio.to_thread(self._shelf.get, asked.task))
        archive = await asyncio.to_thread(self._shelf.get, asked.archive)
        model = equipment.connect(self._name)
        try:
            return await run_episode(
                task,
                model=model,
                folder=folder,
                store=self._database.url,
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
        parcel = wrap(ended.folder)
        head = Head.from_json((ended.folder / "head.json").read_bytes())
        events = read_journal_jsonl((ended.folder / "journal.jsonl").read_bytes())
        return Delivery(
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
