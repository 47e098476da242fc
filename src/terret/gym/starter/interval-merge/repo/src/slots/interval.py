"""Half-open intervals of minutes since midnight, and their textual form."""

from typing import NamedTuple

MINUTES_PER_DAY = 24 * 60


class Interval(NamedTuple):
    """From ``start`` up to, but not including, ``end``."""

    start: int
    end: int

    @property
    def minutes(self) -> int:
        return self.end - self.start

    def __str__(self) -> str:
        return f"{format_time(self.start)}-{format_time(self.end)}"


def format_time(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def parse_time(text: str) -> int:
    """Minutes since midnight of ``HH:MM``; 24:00 is the end of the day."""
    hours, separator, minutes = text.partition(":")
    if not separator or not hours.isdigit() or not minutes.isdigit() or int(minutes) > 59:
        raise ValueError(f"not a time: {text!r}")
    total = int(hours) * 60 + int(minutes)
    if total > MINUTES_PER_DAY:
        raise ValueError(f"not a time of the day: {text!r}")
    return total


def parse_interval(text: str) -> Interval:
    """The interval written as ``HH:MM-HH:MM``."""
    start, separator, end = text.partition("-")
    if not separator:
        raise ValueError(f"not an interval: {text!r}")
    interval = Interval(parse_time(start), parse_time(end))
    if interval.minutes <= 0:
        raise ValueError(f"an interval must end after it starts: {text!r}")
    return interval
