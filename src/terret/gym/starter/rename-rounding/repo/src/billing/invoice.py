"""An invoice from its lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from billing.discounts import coupon_discount, volume_discount
from billing.tax import tax_by_rate


@dataclass(frozen=True)
class Line:
    """``quantity`` pieces at ``price`` each, taxed at ``rate`` percent; a credit note has negative quantities."""

    text: str
    quantity: int
    price: Decimal
    rate: Decimal


@dataclass(frozen=True)
class Invoice:
    net: Decimal
    tax: dict[Decimal, Decimal]
    total: Decimal


def half_up(x: Decimal, places: int = 2) -> Decimal:
    exponent = Decimal(1).scaleb(-places)
    return x.quantize(exponent, rounding=ROUND_HALF_UP)


def net_of(line: Line, coupon: Decimal = Decimal(0)) -> Decimal:
    """The net amount of a line after the volume discount and then the coupon (in percent)."""
    amount = half_up(line.quantity * line.price)
    amount -= volume_discount(line.quantity, amount)
    return amount - coupon_discount(coupon, amount)


def make_invoice(lines: Sequence[Line], coupon: Decimal = Decimal(0)) -> Invoice:
    nets = [(line.rate, net_of(line, coupon)) for line in lines]
    tax = tax_by_rate(nets)
    net = sum((net for _, net in nets), Decimal("0.00"))
    return Invoice(net, tax, half_up(net + sum(tax.values())))
