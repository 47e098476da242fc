"""Busy and free time of meeting rooms."""

from slots.gaps import free_intervals
from slots.interval import Interval
from slots.merge import merge_intervals

__all__ = ["Interval", "free_intervals", "merge_intervals"]
