"""Waking at a time, with one alarm for all."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class Timers:
    """Calls things when their time has come. Nothing polls: an alarm is set for the earliest only.

    Args:
        clock: Unix seconds.
        alarm: Sees to it that :meth:`ring` is called after so many seconds.
    """

    def __init__(self, clock: Callable[[], float], alarm: Callable[[float], None]) -> None:
        self._clock = clock
        self._alarm = alarm
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._gone: set[int] = set()
        self._count = itertools.count()
        self.alarms = 0
        """How often an alarm was set."""

    def at(self, when: float, call: Callable[[], object]) -> int:
        """Call something at a time; returns a number for :meth:`cancel`."""
        first = self._heap[0][0] if self._heap else float("inf")
        number = next(self._count)
        heapq.heappush(self._heap, (when, number, call))
        if when < first:
            self._set(when)
        return number

    def cancel(self, number: int) -> None:
        """Do not call it; once is enough, and not after it was called."""
        self._gone.add(number)
        if 2 * len(self._gone) > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[1] not in self._gone]
            heapq.heapify(self._heap)
            self._gone.clear()

    def ring(self) -> int:
        """Call everything whose time has come; returns how many."""
        now, rung = self._clock(), 0
        while self._heap and self._heap[0][0] <= now:
            _, number, call = heapq.heappop(self._heap)
            if number in self._gone:
                self._gone.discard(number)
                continue
            call()
            rung += 1
        if self._heap:
            self._set(self._heap[0][0])
        return rung

    def __len__(self) -> int:
        return len(self._heap) - len(self._gone)

    def _set(self, when: float) -> None:
        self.alarms += 1
        self._alarm(max(0.0, when - self._clock()))
