from decimal import Decimal

from billing import Line, make_invoice

SEATS = Line("seats", 25, Decimal("4.30"), Decimal(19))
BOOK = Line("handbook", 1, Decimal("19.99"), Decimal(7))


def test_two_rates():
    invoice = make_invoice([SEATS, BOOK])
    assert invoice.net == Decimal("119.43")
    assert invoice.tax == {Decimal(7): Decimal("1.40"), Decimal(19): Decimal("18.89")}
    assert invoice.total == Decimal("139.72")


def test_coupon_comes_after_the_volume_discount():
    assert make_invoice([SEATS], coupon=Decimal(10)).net == Decimal("89.50")


def test_a_credit_note_mirrors_the_invoice():
    credit = make_invoice([Line("seats", -25, Decimal("4.30"), Decimal(19))])
    assert credit.total == -make_invoice([SEATS]).total


def test_nothing():
    assert make_invoice([]).total == Decimal("0.00")
