"""Monthly figures for the board."""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from billing.invoice import Invoice


def average_total(invoices: Sequence[Invoice]) -> Decimal:
    """The mean total of ``invoices``, to the cent; zero when there are none."""
    if not invoices:
        return Decimal("0.00")
    mean = sum((invoice.total for invoice in invoices), Decimal(0)) / len(invoices)
    return mean.quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)
