from slots import Interval, merge_intervals


def test_nothing():
    assert merge_intervals([]) == []


def test_apart():
    assert merge_intervals([Interval(5, 6), Interval(1, 2)]) == [Interval(1, 2), Interval(5, 6)]


def test_touching():
    assert merge_intervals([Interval(1, 3), Interval(3, 5)]) == [Interval(1, 5)]


def test_overlapping():
    assert merge_intervals([Interval(1, 4), Interval(2, 6)]) == [Interval(1, 6)]


def test_inside_another():
    assert merge_intervals([Interval(1, 10), Interval(2, 3)]) == [Interval(1, 10)]
