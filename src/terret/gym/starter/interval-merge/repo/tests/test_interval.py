import pytest

from slots.interval import Interval, parse_interval, parse_time


def test_parse_and_format():
    assert parse_interval("09:00-10:30") == Interval(540, 630)
    assert str(Interval(540, 630)) == "09:00-10:30"
    assert parse_time("24:00") == 1440


@pytest.mark.parametrize("text", ["", "9", "09:00", "09:00-09:00", "10:00-09:00", "09:60-10:00", "23:00-25:00"])
def test_refused(text):
    with pytest.raises(ValueError):
        parse_interval(text)
