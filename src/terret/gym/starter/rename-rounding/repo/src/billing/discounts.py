"""Volume and coupon discounts."""

from decimal import ROUND_HALF_UP, Decimal

VOLUME_STEPS = ((100, Decimal("0.15")), (25, Decimal("0.075")), (10, Decimal("0.03")))


def _round2(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def volume_discount(quantity: int, amount: Decimal) -> Decimal:
    """What is taken off ``amount`` for buying ``quantity`` pieces."""
    for threshold, share in VOLUME_STEPS:
        if abs(quantity) >= threshold:
            return _round2(amount * share)
    return Decimal("0.00")


def coupon_discount(percent: Decimal, amount: Decimal) -> Decimal:
    """What a coupon of ``percent`` takes off ``amount``."""
    if not 0 <= percent <= 100:
        raise ValueError(f"not a percentage: {percent}")
    return _round2(amount * percent / 100)
