"""Budgets of a tree of processes: whoever spends, spends what all its ancestors have."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Final

from terret.errors import BudgetExhausted, InputError

_UNIT: Final = 1_000_000
"""Amounts are counted in millionths, as whole numbers: sums are exact in any order."""


class Hold:
    """An amount set aside; settle it with :meth:`Account.commit` or :meth:`Account.release`."""

    __slots__ = ("account", "units")

    def __init__(self, account: Account, amounts: dict[str, int]) -> None:
        self.account = account
        self.units = amounts

    @property
    def amounts(self) -> dict[str, float]:
        """What is set aside; nothing once it is settled."""
        return {name: amount / _UNIT for name, amount in self.units.items()}


class Account:
    """What a process may spend. A limit bounds the process and all its descendants together; there is no reset.

    Safe to share between threads. ``used + reserved <= limit`` holds for every resource at any time, in every account
    of the tree. What was spent beyond a hold is counted apart, as :meth:`overrun`, and leaves so much less.

    Args:
        limits: The most of each resource; a resource that is not here is not limited by this account.
        parent: Whose budget this is a share of.

    Raises:
        InputError: A limit is no number from 0 up, or wider than the parent's.
    """

    __slots__ = ("_holds", "_limits", "_lock", "_over", "_own", "_reserved", "_used", "parent")

    def __init__(self, limits: Mapping[str, float] | None = None, parent: Account | None = None) -> None:
        self.parent = parent
        self._lock: threading.RLock = threading.RLock() if parent is None else parent._lock
        self._limits = {name: _units(amount, name) for name, amount in (limits or {}).items()}
        self._used: dict[str, int] = {}
        self._reserved: dict[str, int] = {}
        self._over: dict[str, int] = {}
        self._own: dict[str, int] = {}
        self._holds: set[Hold] = set()
        for name, limit in self._limits.items():
            bound = None if parent is None else parent._bound(name)
            if bound is not None and limit > bound:
                raise InputError(
                    f"a process cannot have more {name} than its parent",
                    value=limit / _UNIT,
                    hint=f"give it at most {bound / _UNIT:g}",
                )

    # spending

    def reserve(self, **amounts: float) -> Hold:
        """Set amounts aside, here and in every ancestor: all or nothing.

        Raises:
            BudgetExhausted: One does not fit somewhere up the tree.
            InputError: An amount is no number from 0 up.
        """
        asked = {name: _units(amount, name) for name, amount in amounts.items() if amount}
        with self._lock:
            for account in self._line():
                for name, amount in asked.items():
                    account._refuse(name, amount)
            for account in self._line():
                for name, amount in asked.items():
                    account._reserved[name] = account._reserved.get(name, 0) + amount
            hold = Hold(self, asked)
            self._holds.add(hold)
            return hold

    def commit(self, hold: Hold, **spent: float) -> None:
        """The amounts were spent: give back the hold and book what it really came to; all of it when nothing is said.

        Raises:
            InputError: The hold is settled already or another account's, or an amount is no number from 0 up.
        """
        with self._lock:
            booked = {name: _units(amount, name) for name, amount in spent.items()} if spent else dict(hold.units)
            held = self._take(hold)
            for name, amount in booked.items():
                self._own[name] = self._own.get(name, 0) + amount
            for account in self._line():
                for name, amount in booked.items():
                    within = min(amount, held.get(name, 0))
                    account._used[name] = account._used.get(name, 0) + within
                    if amount > within:
                        account._over[name] = account._over.get(name, 0) + amount - within

    def release(self, hold: Hold) -> None:
        """Nothing was spent: give back the whole hold.

        Raises:
            InputError: The hold is settled already, or another account's.
        """
        with self._lock:
            self._take(hold)

    def spend(self, **amounts: float) -> None:
        """Reserve and commit at once; raises what :meth:`reserve` raises."""
        self.commit(self.reserve(**amounts))

    def settle(self) -> None:
        """Commit every open hold in full: what was under way may have been spent, and nobody is left to say."""
        with self._lock:
            for hold in list(self._holds):
                self.commit(hold)

    def inherit(self, usage: Mapping[str, float], own: Mapping[str, float]) -> None:
        """Take over what this process and its descendants spent, and itself alone, before a restart of the host.

        The ancestors have it in what they inherited themselves.
        """
        with self._lock:
            for name, amount in own.items():
                self._own[name] = self._own.get(name, 0) + _units(amount, name)
            for name, amount in usage.items():
                units, limit = _units(amount, name), self._limits.get(name)
                fits = units if limit is None else min(units, limit)
                self._used[name] = self._used.get(name, 0) + fits
                if units > fits:
                    self._over[name] = self._over.get(name, 0) + units - fits

    # looking

    def left(self, resource: str) -> float | None:
        """What can still be reserved, over the whole line of ancestors; nothing when it is not limited."""
        with self._lock:
            found = [
                account._limits[resource] - account._taken(resource)
                for account in self._line()
                if resource in account._limits
            ]
        return min(found) / _UNIT if found else None

    def limits(self) -> dict[str, float]:
        """Its own limits."""
        return {name: amount / _UNIT for name, amount in self._limits.items()}

    def used(self) -> dict[str, float]:
        """What this process and its descendants spent within their holds."""
        return {name: amount / _UNIT for name, amount in self._used.items()}

    def own(self) -> dict[str, float]:
        """What this process spent itself, overruns included, without its descendants."""
        return {name: amount / _UNIT for name, amount in self._own.items() if amount}

    def reserved(self) -> dict[str, float]:
        """What this process and its descendants have set aside."""
        return {name: amount / _UNIT for name, amount in self._reserved.items() if amount}

    def overrun(self) -> dict[str, float]:
        """What this process and its descendants spent beyond their holds."""
        return {name: amount / _UNIT for name, amount in self._over.items()}

    # the inside

    def _line(self) -> list[Account]:
        line: list[Account] = []
        account: Account | None = self
        while account is not None:
            line.append(account)
            account = account.parent
        return line

    def _taken(self, name: str) -> int:
        return self._used.get(name, 0) + self._reserved.get(name, 0) + self._over.get(name, 0)

    def _bound(self, name: str) -> int | None:
        return min((account._limits[name] for account in self._line() if name in account._limits), default=None)

    def _refuse(self, name: str, amount: int) -> None:
        limit = self._limits.get(name)
        if limit is not None and amount > limit - (taken := self._taken(name)):
            raise BudgetExhausted(name, limit=limit / _UNIT, used=taken / _UNIT, asked=amount / _UNIT)

    def _take(self, hold: Hold) -> dict[str, int]:
        if hold not in self._holds:
            raise InputError("the hold is settled already, or of another account")
        self._holds.discard(hold)
        held, hold.units = hold.units, {}
        for account in self._line():
            for name, amount in held.items():
                account._reserved[name] -= amount
        return held


def _units(amount: float, name: str) -> int:
    if isinstance(amount, bool) or not math.isfinite(amount) or amount < 0:
        raise InputError(f"an amount of {name} is no number from 0 up", value=amount)
    return math.ceil(round(amount * _UNIT, 3))
