"""How suspicious a conversation has become."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Literal

RiskMode = Literal["ttl_reset", "decay"]
"""``ttl_reset``: every bump renews the life of the whole score, which falls to 0 when it ends. ``decay``: every bump
lives on its own and fades evenly over the same time."""

TTL_S: Final = 180.0
WARN: Final = 10
BLOCK: Final = 20
BLOCK_SPAWN: Final = 25

BUMPS: Final[dict[str, int]] = {
    "message_suspicious": 10,
    "prompt_suspicious": 10,
    "risky_domain": 15,
    "result_suspicious": 15,
    "result_malicious": 30,
    "scanner_failed": 10,
}
"""Points for each kind of event."""


class Risk:
    """Scores by conversation.

    Args:
        mode: How a score ages.
        ttl_s: Seconds until it is gone.
        clock: Seconds; in an episode the time of the journal, so that a resumed one computes the same.
    """

    def __init__(
        self, mode: RiskMode = "ttl_reset", ttl_s: float = TTL_S, clock: Callable[[], float] = time.time
    ) -> None:
        self.mode: RiskMode = mode
        self.ttl_s = ttl_s
        self.clock = clock
        self._bumps: dict[str, list[tuple[float, float]]] = {}

    def bump(self, conversation: str, points: float) -> float:
        """Add points; returns the new score."""
        now = self.clock()
        kept = self._alive(conversation, now)
        kept.append((now, points))
        self._bumps[conversation] = kept
        return self.score(conversation)

    def score(self, conversation: str) -> float:
        """The score now."""
        now = self.clock()
        alive = self._alive(conversation, now)
        if self.mode == "ttl_reset":
            return sum(points for _, points in alive)
        return sum(points * max(0.0, 1 - (now - at) / self.ttl_s) for at, points in alive)

    def forget(self, conversation: str) -> None:
        """Drop a conversation."""
        self._bumps.pop(conversation, None)

    def sweep(self) -> int:
        """Drop every conversation whose score is gone; returns how many."""
        now = self.clock()
        gone = [name for name in self._bumps if not self._alive(name, now)]
        for name in gone:
            del self._bumps[name]
        return len(gone)

    def _alive(self, conversation: str, now: float) -> list[tuple[float, float]]:
        bumps = self._bumps.get(conversation, [])
        if self.mode == "ttl_reset":
            return list(bumps) if bumps and now - bumps[-1][0] < self.ttl_s else []
        return [(at, points) for at, points in bumps if now - at < self.ttl_s]
