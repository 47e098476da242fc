"""Budgets: reserved before a call, settled after it, never exceeded by what was foreseen."""

from __future__ import annotations

from terret.errors import BudgetExhausted
from terret.task import Budget

RESOURCES = ("steps", "model_calls", "tokens", "wall", "cost")
"""What a budget counts: turns, model calls, tokens in and out, seconds, USD."""


class Ledger:
    """What an episode may still spend.

    Args:
        budget: The limits.
    """

    def __init__(self, budget: Budget) -> None:
        self.limits: dict[str, float] = {name: float(getattr(budget, name)) for name in RESOURCES}
        self.used: dict[str, float] = dict.fromkeys(RESOURCES, 0.0)
        self._reserved: dict[str, float] = dict.fromkeys(RESOURCES, 0.0)

    def left(self, resource: str) -> float:
        """What is neither used nor reserved."""
        return self.limits[resource] - self.used[resource] - self._reserved[resource]

    def reserve(self, **amounts: float) -> dict[str, float]:
        """Set amounts aside; give the result to :meth:`settle` afterwards.

        Raises:
            BudgetExhausted: One amount does not fit; nothing is reserved then.
        """
        for resource, amount in amounts.items():
            if amount > self.left(resource):
                used = self.used[resource] + self._reserved[resource]
                raise BudgetExhausted(resource, limit=self.limits[resource], used=used, asked=amount)
        for resource, amount in amounts.items():
            self._reserved[resource] += amount
        return amounts

    def settle(self, reservation: dict[str, float], **spent: float) -> None:
        """Release a reservation and book what was really spent."""
        for resource, amount in reservation.items():
            self._reserved[resource] -= amount
        for resource, amount in spent.items():
            self.used[resource] += amount

    def spend(self, **amounts: float) -> None:
        """Reserve and book at once; raises what :meth:`reserve` raises."""
        self.settle(self.reserve(**amounts), **amounts)

    def set_wall(self, seconds: float) -> None:
        """Book the wall time spent so far.

        Raises:
            BudgetExhausted: The time is over.
        """
        self.used["wall"] = seconds
        if seconds >= self.limits["wall"]:
            raise BudgetExhausted("wall", limit=self.limits["wall"], used=seconds, asked=0.0)
