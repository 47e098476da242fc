from decimal import Decimal

from billing.tax import tax_by_rate


def test_rounded_once_a_rate():
    amounts = [(Decimal(19), Decimal("0.50")), (Decimal(7), Decimal("10.00")), (Decimal(19), Decimal("1.00"))]
    assert tax_by_rate(amounts) == {Decimal(7): Decimal("0.70"), Decimal(19): Decimal("0.29")}


def test_half_a_cent_goes_away_from_zero():
    assert tax_by_rate([(Decimal(5), Decimal("0.10"))]) == {Decimal(5): Decimal("0.01")}
    assert tax_by_rate([(Decimal(5), Decimal("-0.10"))]) == {Decimal(5): Decimal("-0.01")}
