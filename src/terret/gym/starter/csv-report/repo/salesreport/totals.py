"""Adds records up."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Total:
    customer: str
    orders: int
    amount: Decimal


def totals_by_customer(records):
    """One total a customer, the largest amount first, then by name."""
    amounts = {}
    orders = {}
    for record in records:
        amounts[record.customer] = amounts.get(record.customer, Decimal(0)) + record.amount
        orders[record.customer] = orders.get(record.customer, 0) + 1
    totals = [Total(customer, orders[customer], amount) for customer, amount in amounts.items()]
    return sorted(totals, key=lambda total: (-total.amount, total.customer))
