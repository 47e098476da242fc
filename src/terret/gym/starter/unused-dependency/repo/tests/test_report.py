from datetime import UTC, datetime, timedelta

from timelog.entries import Entry
from timelog.report import format_hours, hours_by_project, render


def entry(hour, minutes, project):
    start = datetime(2026, 3, 2, hour, tzinfo=UTC)
    return Entry(start, start + timedelta(minutes=minutes), project)


def test_longest_first():
    sums = hours_by_project([entry(8, 30, "a"), entry(9, 90, "b"), entry(11, 15, "a")])
    assert list(sums.items()) == [("b", timedelta(minutes=90)), ("a", timedelta(minutes=45))]


def test_hours():
    assert format_hours(timedelta(hours=30, minutes=5, seconds=59)) == "30:05"


def test_render():
    text = render({"b": timedelta(minutes=90), "a": timedelta(minutes=45)})
    assert text == "    1:30  b\n    0:45  a\n    2:15  total"
