"""Who is next: fair between tenants by weight, and by priority within each, without starving anybody."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Mapping
from typing import Final, Generic, TypeVar

import msgspec

from terret.errors import InputError

PLACES: Final = 64
"""How many places in its tenant's line one step of priority is worth."""

Item = TypeVar("Item")


class Share(msgspec.Struct, frozen=True):
    """What a tenant gets: turns in proportion to its ``weight``, and no more than ``effects`` under way at once."""

    weight: float = 1.0
    effects: int | None = None


class _Tenant(Generic[Item]):
    __slots__ = ("busy", "line", "queued", "served", "share", "spent")

    def __init__(self, share: Share) -> None:
        self.share = share
        self.line: list[tuple[int, int, Item]] = []
        self.spent = 0.0
        self.served = 0
        self.busy = 0
        self.queued = False
        """Whether it stands in the line of tenants."""


class FairLine(Generic[Item]):
    """A line in which tenants take turns: next is the one that got least for its weight.

    A tenant that comes back after it had nothing to do starts level with the others: what it did not use is gone.

    Args:
        shares: What tenants get; others get a plain :class:`Share`.
    """

    def __init__(self, shares: Mapping[str, Share] | None = None) -> None:
        for name, share in (shares or {}).items():
            if not share.weight > 0 or (share.effects is not None and share.effects < 1):
                raise InputError("a share needs a weight above 0 and at least one effect", value=share, where=name)
        self._shares = dict(shares or {})
        self._tenants: dict[str, _Tenant[Item]] = {}
        self._order: list[tuple[float, int, str]] = []
        self._count = itertools.count()
        self._now = 0.0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, item: Item, tenant: str, priority: int = 0) -> None:
        """Add something; a step of priority is worth :data:`PLACES` places."""
        serial = next(self._count)
        who = self._tenant(tenant)
        heapq.heappush(who.line, (serial - priority * PLACES, serial, item))
        self._size += 1
        self._enter(tenant, who)

    def peek(self) -> Item | None:
        """What is next; nothing when all tenants are at their limits or nobody waits."""
        return self._tenants[self._order[0][2]].line[0][2] if self._order else None

    def take(self, cost: float = 1.0) -> Item:
        """Take what is next, and charge its tenant; :meth:`done` when its effect has ended."""
        _, _, tenant = heapq.heappop(self._order)
        who = self._tenants[tenant]
        who.queued = False
        self._now = who.spent
        item = heapq.heappop(who.line)[2]
        self._size -= 1
        self._charge(who, cost)
        self._enter(tenant, who)
        return item

    def pass_by(self, tenant: str, cost: float = 1.0) -> bool:
        """Charge a tenant for something that need not stand in line, because nobody does; whether it may begin."""
        who = self._tenant(tenant)
        if self._size or (who.share.effects is not None and who.busy >= who.share.effects):
            return False
        who.spent = max(who.spent, self._now)
        self._now = who.spent
        self._charge(who, cost)
        return True

    def done(self, tenant: str) -> None:
        """An effect of the tenant has ended."""
        who = self._tenants[tenant]
        who.busy -= 1
        self._enter(tenant, who)

    def drop(self, item: Item, tenant: str) -> None:
        """Take something out that will never be served."""
        who = self._tenants.get(tenant)
        if who is None:
            return
        kept = [entry for entry in who.line if entry[2] is not item]
        self._size -= len(who.line) - len(kept)
        who.line = kept
        heapq.heapify(kept)
        if not kept and who.queued:
            who.queued = False
            self._order = [entry for entry in self._order if entry[2] != tenant]
            heapq.heapify(self._order)

    def served(self) -> dict[str, int]:
        """How often each tenant was served."""
        return {name: who.served for name, who in self._tenants.items()}

    def _tenant(self, name: str) -> _Tenant[Item]:
        who = self._tenants.get(name)
        if who is None:
            who = self._tenants[name] = _Tenant(self._shares.get(name, Share()))
        return who

    def _charge(self, who: _Tenant[Item], cost: float) -> None:
        who.spent += cost / who.share.weight
        who.served += 1
        who.busy += 1

    def _enter(self, name: str, who: _Tenant[Item]) -> None:
        full = who.share.effects is not None and who.busy >= who.share.effects
        if who.queued or not who.line or full:
            return
        who.spent = max(who.spent, self._now)
        who.queued = True
        heapq.heappush(self._order, (who.spent, next(self._count), name))
