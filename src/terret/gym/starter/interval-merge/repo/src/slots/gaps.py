"""The time that is left between intervals."""

from collections.abc import Iterable

from slots.interval import Interval
from slots.merge import merge_intervals


def free_intervals(opening: Interval, busy: Iterable[Interval]) -> list[Interval]:
    """What of ``opening`` no interval of ``busy`` covers, in order."""
    free: list[Interval] = []
    start = opening.start
    for interval in merge_intervals(busy):
        if interval.end <= opening.start or interval.start >= opening.end:
            continue
        if interval.start > start:
            free.append(Interval(start, interval.start))
        start = interval.end
    if start < opening.end:
        free.append(Interval(start, opening.end))
    return free
