from slots import Interval, free_intervals

OPENING = Interval(480, 1080)


def test_no_bookings():
    assert free_intervals(OPENING, []) == [OPENING]


def test_between_bookings():
    busy = [Interval(840, 900), Interval(540, 660)]
    assert free_intervals(OPENING, busy) == [Interval(480, 540), Interval(660, 840), Interval(900, 1080)]


def test_bookings_across_the_edges():
    assert free_intervals(OPENING, [Interval(400, 500), Interval(1000, 1200)]) == [Interval(500, 1000)]


def test_booked_out():
    assert free_intervals(OPENING, [Interval(480, 780), Interval(780, 1080)]) == []
