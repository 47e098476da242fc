"""Entries of the log."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta


class LogError(ValueError):
    """A line that cannot be used."""


@dataclass(frozen=True)
class Entry:
    start: datetime
    end: datetime
    project: str

    @property
    def duration(self) -> timedelta:
        return self.end - self.start


def read_entries(text: str) -> Iterator[Entry]:
    """The entries of a log; blank lines and lines starting with ``#`` are skipped."""
    from timelog.times import parse_moment  # here, because the parser is slow to import

    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(maxsplit=2)
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 3:
            raise LogError(f"line {number}: expected start, end and project")
        try:
            start, end = parse_moment(words[0]), parse_moment(words[1])
        except ValueError as error:
            raise LogError(f"line {number}: {error}") from None
        if end < start:
            raise LogError(f"line {number}: the end is before the start")
        yield Entry(start, end, words[2].strip())
