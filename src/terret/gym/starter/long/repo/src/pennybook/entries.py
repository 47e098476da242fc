"""The entries of a book."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from pennybook.dates import parse_day
from pennybook.money import parse_amount


class BookError(ValueError):
    """A line that cannot be used."""


@dataclass(frozen=True)
class Entry:
    """One line of a book; ``cents`` is negative when money came back."""

    day: date
    cents: int
    category: str
    note: str


def read_entries(text: str) -> Iterator[Entry]:
    """The entries of a book, in the order of its lines.

    Raises:
        BookError: A line is no entry.
    """
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(maxsplit=3)
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 3:
            raise BookError(f"line {number}: date, amount and category are needed")
        try:
            day, cents = parse_day(words[0]), parse_amount(words[1])
        except ValueError as error:
            raise BookError(f"line {number}: {error}") from None
        category = " ".join(words[2].casefold().replace("_", " ").split())
        yield Entry(day, cents, category, words[3] if len(words) > 3 else "")
