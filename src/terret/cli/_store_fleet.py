"""The episodes of a fleet of machines, as ``ps`` shows those below a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from terret.errors import ConfigError, EpisodeNotFound, JournalError
from terret.fleet import Fleet, QueuedEpisode
from terret.journal import Event, Journal
from terret.operate import EpisodeFacts, Signalled, Tally, facts_of

if TYPE_CHECKING:
    from terret.operate import SignalKind, State

STATES: dict[str, State] = {
    "queued": "queued",
    "running": "running",
    "finished": "finished",
    "cancelled": "paused",
    "failed": "suspended",
}
"""What the queue says, in the words of episodes on one machine: each can go on as one of that state can."""


class StoreFleet:
    """Implements :class:`terret.operate.Fleet` over a fleet's queue and journals.

    Args:
        fleet: The fleet.
        last: How many of the newest episodes are looked at.
    """

    def __init__(self, fleet: Fleet, *, last: int = 200) -> None:
        self._fleet = fleet
        self._last = last

    def episodes(self) -> list[EpisodeFacts]:
        """The newest, oldest first."""
        return [facts for facts, _ in self.tallies()]

    def tallies(self) -> list[tuple[EpisodeFacts, Tally]]:
        """The same with the sums of their events; a dropped journal has none."""
        return [self._look(row) for row in reversed(self._fleet.episodes(limit=self._last))]

    def find(self, name: str) -> EpisodeFacts:
        """One of them; raises EpisodeNotFound."""
        return self._look(self._fleet.episode(name))[0]

    def events(self, name: str, after: int = -1) -> list[Event]:
        """The durable events above ``after``; raises EpisodeNotFound, JournalError."""
        row = self._fleet.episode(name)
        return Journal.read(Path(row.id), after, store=self._fleet.database.url, episode=row.id)

    def signal(self, name: str, signal: SignalKind, *, reason: str = "", force: bool = False) -> Signalled:
        """Take an episode out of the queue or off its worker; to be put back by ``terret submit --again``."""
        if signal == "stop":
            raise ConfigError("an episode of a fleet cannot be stopped and judged", value=name, hint="terret cancel ID")
        row = self._fleet.cancel(name)
        return Signalled(name=row.id, signal=signal, outcome="done", detail="go on: terret submit --again ID")

    def _look(self, row: QueuedEpisode) -> tuple[EpisodeFacts, Tally]:
        try:
            tally = Tally(self.events(row.id)) if row.started is not None else Tally()
        except (EpisodeNotFound, JournalError):
            tally = Tally()
        delivery = row.delivery
        facts = facts_of(
            tally,
            name=row.id,
            place=f"tenant {row.tenant}",
            state=STATES[row.state],
            owner=row.worker or "" if row.state == "running" else "",
            note=row.error or ("cancelled" if row.state == "cancelled" else ""),
        )
        # The queue knows how an episode ended when its journal was dropped, and nothing else of an end.
        facts = msgspec.structs.replace(
            facts,
            id=row.id,
            turn=delivery.turns if delivery else facts.turn,
            events=delivery.events if delivery else facts.events,
            began=facts.began or row.submitted,
            latest=facts.latest or row.submitted,
            label=delivery.label if delivery else None,
            stop_reason=delivery.stop_reason if delivery else None,
        )
        return facts, tally
