"""A capability in force, and what the tables of related processes share."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from terret.errors import InputError
from terret.permissions._capability import Capability
from terret.permissions._constraints import arguments_hash, holds
from terret.permissions._decision import Decision
from terret.permissions._resource import Pattern, Resource

Status = Literal["active", "revoked", "expired", "lapsed", "exhausted"]

FOREVER: Final = float("inf")


class Entry:
    """A capability in force, with what changes about it."""

    __slots__ = (
        *("capability", "children", "conditional", "leased", "left", "parent", "pattern", "revoked", "serial"),
        "__weakref__",
    )

    def __init__(self, capability: Capability, parent: Entry | None, leased: float, serial: int) -> None:
        self.capability = capability
        self.serial = serial
        self.pattern = Pattern.parse(capability.resource)
        self.parent = parent
        self.children: weakref.WeakSet[Entry] | tuple[()] = ()
        """What was delegated from it, as long as somebody holds that."""
        self.left = capability.uses
        self.leased = leased
        self.revoked = False
        self.conditional = bool(capability.constraints) or capability.arguments is not None

    def gave(self, entry: Entry) -> None:
        """Note that another was delegated from it."""
        if not isinstance(self.children, weakref.WeakSet):
            self.children = weakref.WeakSet()
        self.children.add(entry)

    @property
    def first(self) -> str | None:
        """The first segment of what it is about; nothing when that may be any."""
        return self.pattern.segments[0] if self.pattern.segments else None

    def status(self, now: float) -> Status:
        """Its own state; that of what it was delegated from counts as well."""
        entry: Entry | None = self
        while entry is not None:
            if entry.revoked:
                return "revoked"
            if entry.capability.expires_at is not None and now >= entry.capability.expires_at:
                return "expired"
            if now >= entry.leased:
                return "lapsed"
            if entry.left == 0:
                return "exhausted"
            entry = entry.parent
        return "active"

    def until(self) -> float:
        """When it stops by itself."""
        entry: Entry | None = self
        end = FOREVER
        while entry is not None:
            expires = entry.capability.expires_at
            end = min(end, entry.leased, FOREVER if expires is None else expires)
            entry = entry.parent
        return end

    def line(self) -> list[Entry]:
        """It and what it was delegated from, as far as uses are counted."""
        found: list[Entry] = []
        entry: Entry | None = self
        while entry is not None:
            if entry.left is not None:
                found.append(entry)
            entry = entry.parent
        return found

    def applies(self, args: Mapping[str, Any] | None) -> bool:
        """Whether its conditions hold; where that cannot be told, a restriction applies and an allow does not."""
        capability = self.capability
        verdict = holds(capability.constraints, args)
        if verdict is not False and capability.arguments is not None:
            try:
                bound = None if args is None else arguments_hash(args) == capability.arguments
            except InputError:
                bound = None
            verdict = False if bound is False else (verdict and bound)
        return verdict is True if capability.effect == "allow" else verdict is not False


class Tree:
    """What the tables of related processes share: lock, clock, numbering, and a counter of changes."""

    __slots__ = ("clock", "generation", "latest", "lock", "serial")

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.latest = -FOREVER
        self.generation = 0
        self.serial = 0

    def now(self) -> float:
        """The time; it never runs backwards, so what has expired stays so."""
        self.latest = max(self.latest, self.clock())
        return self.latest

    def next(self) -> int:
        self.serial += 1
        return self.serial


def restricting(
    entries: Iterable[Entry], folder: Resource, right: str, args: Mapping[str, Any] | None, now: float
) -> Decision | None:
    """The strictest of what denies, or asks about, a right on a folder or anything below it; nothing if nothing."""
    best: Entry | None = None
    for entry in entries:
        capability = entry.capability
        if capability.effect == "allow" or right not in capability.rights or not entry.pattern.reaches(folder):
            continue
        if entry.status(now) == "active" and entry.applies(args) and (best is None or rank(entry) > rank(best)):
            best = entry
    return None if best is None else decision_of(best, right, folder)


def taken(entry: Entry) -> Capability:
    """An active entry as a capability that stands alone; its uses, which may be shared, are taken out of it."""
    until = entry.until()
    line = entry.line()
    left = min((part.left for part in line if part.left is not None), default=None)
    for part in line:
        assert part.left is not None
        assert left is not None
        part.left -= left
    return msgspec.structs.replace(
        entry.capability, uses=left, expires_at=None if until == FOREVER else until, lease_s=None
    )


def rank(entry: Entry) -> int:
    """What beats what: a denial, an approval, an ask, an allow without uses, one with."""
    capability = entry.capability
    if capability.effect == "deny":
        return 4
    if capability.approval:
        return 3
    if capability.effect == "ask":
        return 2
    return 0 if entry.line() else 1


def decision_of(best: Entry | None, right: str, wanted: Resource) -> Decision:
    if best is None:
        return Decision("deny", "capability:none", f"no capability allows {right} on {wanted}")
    capability = best.capability
    verb = {"allow": "allows", "deny": "denies", "ask": "wants a person to decide on"}[capability.effect]
    reason = capability.reason or f"{capability.resource} {verb} {right}"
    return Decision(capability.effect, f"capability:{capability.id}", reason)
