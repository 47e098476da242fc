"""How long a model call may take and how often it is tried."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds: to connect, until the first token, between two tokens, and for the whole attempt."""

    connect: float = 10.0
    first_token: float = 300.0
    stall: float = 60.0
    total: float = 1800.0


class Retries(msgspec.Struct, frozen=True):
    """How often and how patiently 429, 5xx and lost connections are tried again.

    The wait before retry ``n`` (from 0) is drawn from the upper half of ``base_s * 2**n``, at most ``cap_s``, and is
    never shorter than the server asks for; a server that asks for more than ``patience_s`` ends the call.
    """

    limit: int = 4
    base_s: float = 0.5
    cap_s: float = 30.0
    patience_s: float = 120.0

    def wait_s(self, retry: int, asked_s: float | None, draw: float) -> float | None:
        """Seconds to wait before retry number ``retry``, or ``None`` to give up; ``draw`` is uniform in [0, 1)."""
        asked = asked_s or 0.0
        if retry >= self.limit or asked > self.patience_s:
            return None
        step: float = min(self.cap_s, self.base_s * 2**retry)
        return max(asked, step * (0.5 + draw / 2))


class Watch:
    """Moves the deadline of an attempt: first token, then stall, never beyond the total."""

    def __init__(self, timeouts: Timeouts, deadline: asyncio.Timeout, now: Callable[[], float]) -> None:
        self._timeouts, self._deadline, self._now = timeouts, deadline, now
        self._end = now() + timeouts.total
        self._begun = False
        self._allow(timeouts.first_token)

    @property
    def phase(self) -> str:
        """What took too long."""
        if self._now() >= self._end:
            return f"did not finish within {self._timeouts.total:g} s"
        if self._begun:
            return f"stalled for {self._timeouts.stall:g} s"
        return f"gave no token within {self._timeouts.first_token:g} s"

    def alive(self) -> None:
        """Content came in: the stall limit starts anew."""
        self._begun = True
        self._allow(self._timeouts.stall)

    def _allow(self, seconds: float) -> None:
        self._deadline.reschedule(min(self._end, self._now() + seconds))
