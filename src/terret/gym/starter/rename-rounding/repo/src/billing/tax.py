"""Tax per rate."""

import decimal
from collections.abc import Iterable
from decimal import Decimal

CENT = Decimal("0.01")


def to_cents(amount: Decimal) -> Decimal:
    """``amount`` rounded to the cent, half a cent away from zero."""
    return amount.quantize(CENT, decimal.ROUND_HALF_UP)


def tax_by_rate(amounts: Iterable[tuple[Decimal, Decimal]]) -> dict[Decimal, Decimal]:
    """The tax of each rate (in percent) over pairs of rate and net amount, rounded once a rate."""
    nets: dict[Decimal, Decimal] = {}
    for rate, net in amounts:
        nets[rate] = nets.get(rate, Decimal(0)) + net
    return {rate: to_cents(net * rate / 100) for rate, net in sorted(nets.items())}
