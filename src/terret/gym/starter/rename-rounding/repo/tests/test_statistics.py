from decimal import Decimal

from billing.invoice import Invoice
from billing.statistics import average_total


def invoices(*totals):
    return [Invoice(Decimal(total), {}, Decimal(total)) for total in totals]


def test_average():
    assert average_total(invoices("10.00", "20.00", "30.01")) == Decimal("20.00")
    assert average_total([]) == Decimal("0.00")


def test_half_a_cent_goes_to_the_even_side():
    assert average_total(invoices("1.00", "1.01")) == Decimal("1.00")
    assert average_total(invoices("1.01", "1.02")) == Decimal("1.02")
