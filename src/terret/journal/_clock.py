"""The clock of a journal: Unix time that never jumps while a process runs."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Unix time in seconds."""


class SteadyClock:
    """Unix time when it was made, carried on by the monotonic clock.

    Setting the machine's clock, in either direction, and suspending the machine change nothing: they neither use up
    a time budget nor put events out of order.
    """

    def __init__(self, wall: Clock = time.time, steady: Clock = time.monotonic) -> None:
        self._steady = steady
        self._base = wall() - steady()

    def __call__(self) -> float:
        """The time."""
        return self._base + self._steady()
