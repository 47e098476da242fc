import pytest

from relay.kinds import duration, text, whole


@pytest.mark.parametrize(("value", "seconds"), [(5, 5.0), (0.25, 0.25), ("90s", 90.0), ("10m", 600.0), ("1h", 3600.0)])
def test_durations(value, seconds):
    assert duration(value) == seconds


@pytest.mark.parametrize("value", [0, -1, "0s", "-5s", "5", "s", "", "5d", "5 s", True, None, []])
def test_not_durations(value):
    with pytest.raises(ValueError):
        duration(value)


def test_whole_numbers_and_texts():
    assert whole(1, 3)(3) == 3
    assert text("a") == "a"
    for kind, value in [(whole(1, 3), 4), (whole(0, 1), True), (whole(1, 3), "2"), (text, ""), (text, 1)]:
        with pytest.raises(ValueError):
            kind(value)
