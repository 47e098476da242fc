from datetime import date

import pytest

from pennybook.entries import BookError, Entry, read_entries


def test_entries():
    text = "# March\n\n2026-03-02  12.40  Food  market on Monday\n2026-03-09 640 housing\n"
    assert list(read_entries(text)) == [
        Entry(date(2026, 3, 2), 1240, "food", "market on Monday"),
        Entry(date(2026, 3, 9), 64000, "housing", ""),
    ]


@pytest.mark.parametrize("line", ["2026-03-02 12.40", "2026-13-02 1 food", "2026-03-02 one food"])
def test_bad_line(line):
    with pytest.raises(BookError, match="line 1"):
        list(read_entries(line))
