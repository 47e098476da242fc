import pytest

from pennybook.money import format_amount, parse_amount


@pytest.mark.parametrize(("text", "cents"), [("12.40", 1240), ("640", 64000), ("-3.50", -350), ("0.05", 5)])
def test_amounts(text, cents):
    assert parse_amount(text) == cents
    assert format_amount(abs(cents)) == f"{abs(float(text)):.2f}"


@pytest.mark.parametrize("text", ["", "x", "1.234", "1,50", "--1", "1."])
def test_no_amount(text):
    with pytest.raises(ValueError, match="not an amount"):
        parse_amount(text)
