"""Totals of entries."""

from collections.abc import Iterable

from pennybook.dates import month_of
from pennybook.entries import Entry


def clean_category(name: str) -> str:
    """The one spelling of a category."""
    return " ".join(name.casefold().replace("_", " ").split())


def in_month(entries: Iterable[Entry], month: str) -> list[Entry]:
    """The entries of a month such as ``2026-03``."""
    return [entry for entry in entries if month_of(entry.day) == month]


def of_category(entries: Iterable[Entry], category: str) -> list[Entry]:
    """The entries of a category, however it is spelt."""
    wanted = clean_category(category)
    return [entry for entry in entries if clean_category(entry.category) == wanted]


def totals(entries: Iterable[Entry]) -> list[tuple[str, int]]:
    """Category and cents, the largest total first."""
    entries = list(entries)
    names = {entry.category for entry in entries}
    sums = [(name, sum(entry.cents for entry in of_category(entries, name))) for name in names]
    return sorted(sums, key=lambda item: -item[1])
