from datetime import date

from pennybook.entries import Entry
from pennybook.summary import in_month, of_category, totals

ENTRIES = [
    Entry(date(2026, 3, 2), 1000, "food", "market"),
    Entry(date(2026, 3, 3), 1000, "travel", "train"),
    Entry(date(2026, 3, 4), 1000, "books", "a novel"),
    Entry(date(2026, 4, 1), 500, "food", "bread"),
]


def test_largest_first_then_in_order_of_first_entry():
    assert totals(ENTRIES) == [("food", 1500), ("travel", 1000), ("books", 1000)]


def test_month():
    assert len(in_month(ENTRIES, "2026-03")) == 3


def test_category_however_it_is_spelt():
    assert len(of_category(ENTRIES, " FOOD ")) == 2
