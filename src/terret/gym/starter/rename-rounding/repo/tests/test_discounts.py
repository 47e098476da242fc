from decimal import Decimal

import pytest

from billing.discounts import coupon_discount, volume_discount


def test_volume():
    assert volume_discount(9, Decimal("90.00")) == Decimal("0.00")
    assert volume_discount(10, Decimal("10.50")) == Decimal("0.32")
    assert volume_discount(25, Decimal("0.60")) == Decimal("0.05")
    assert volume_discount(100, Decimal("1.00")) == Decimal("0.15")


def test_coupon():
    assert coupon_discount(Decimal("12.5"), Decimal("10.20")) == Decimal("1.28")
    with pytest.raises(ValueError):
        coupon_discount(Decimal(101), Decimal(1))
