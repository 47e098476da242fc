from datetime import UTC, datetime

import pytest

from timelog.times import parse_moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-02T09:00:00Z", datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("2026-03-02T09:00+01:00", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("2026-03-02T09:00", datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("2026-03-02", datetime(2026, 3, 2, tzinfo=UTC)),
        ("20260302T0900Z", datetime(2026, 3, 2, 9, tzinfo=UTC)),
    ],
)
def test_moments(text, moment):
    assert parse_moment(text) == moment


def test_refused():
    with pytest.raises(ValueError):
        parse_moment("yesterday")
