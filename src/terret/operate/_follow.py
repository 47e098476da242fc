"""The events of an episode as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from terret.journal import EpisodeClosed, Event
from terret.operate._facts import Fleet

POLL_S = 0.5
"""Seconds between two looks at a running episode."""


def follow(
    fleet: Fleet, name: str, after: int = -1, *, poll_s: float = POLL_S, wait: Callable[[float], object] = time.sleep
) -> Iterator[Event]:
    """The events above ``after``, then each new one, until the episode is over or nothing drives it any more."""
    over = False
    while not over:
        # Asked before reading: what came in between is read once more.
        over = fleet.find(name).state not in ("running", "queued")
        for event in fleet.events(name, after):
            after = event.seq
            over = over or isinstance(event.data, EpisodeClosed)
            yield event
        if not over:
            wait(poll_s)
