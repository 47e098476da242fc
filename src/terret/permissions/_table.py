"""The capabilities of a process, and what they add up to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from terret.errors import InputError
from terret.journal import canonical
from terret.permissions._capability import RIGHTS, Capability, Effect, Reservation, refuse_widening, validate
from terret.permissions._constraints import arguments_hash, examine
from terret.permissions._decision import Decision
from terret.permissions._entry import FOREVER, Entry, Status, Tree, decision_of, rank, restricting, taken
from terret.permissions._resource import Pattern, Resource

_CACHED: Final = 4096
_UNSET: Final[Any] = object()


class CapabilityTable:
    """The authority of one process. Nothing is allowed that no capability allows, and a denial beats everything.

    A process is also bound by what its ancestors are denied or must ask for. Safe to share between threads.

    Args:
        holder: Who has the capabilities; for messages and records.
        clock: Unix seconds.
    """

    def __init__(self, holder: str, *, clock: Callable[[], float] = time.time) -> None:
        self.holder = holder
        self.parent: CapabilityTable | None = None
        self._tree = Tree(clock)
        self._entries: dict[str, Entry] = {}
        self._index: dict[tuple[str, str, str | None], list[Entry]] = {}
        # Under kind, right and first segment, so that a question meets few of many capabilities.
        self._cache: dict[tuple[str | Resource, str], tuple[int, float, Decision]] = {}
        self._open: dict[int, tuple[Entry, ...]] = {}

    def child(self, holder: str) -> CapabilityTable:
        """The empty table of a child process; fill it with :meth:`delegate`."""
        made = CapabilityTable(holder)
        made.parent = self
        made._tree = self._tree
        return made

    # giving and taking

    def grant(
        self,
        resource: str,
        rights: Iterable[str],
        effect: Effect = "allow",
        *,
        expires_at: float | None = None,
        uses: int | None = None,
        lease_s: float | None = None,
        constraints: Mapping[str, Any] | None = None,
        depth: int = 0,
        arguments: str | None = None,
        issuer: str = "host",
        reason: str = "",
    ) -> Capability:
        """Give the holder a capability; the host's act, not an agent's.

        Raises:
            InputError: The capability means nothing.
        """
        return self._grant(
            {
                "resource": str(Pattern.parse(resource)),
                "rights": frozenset(rights),
                "effect": effect,
                "expires_at": expires_at,
                "uses": uses,
                "lease_s": lease_s,
                "constraints": dict(constraints or {}),
                "depth": depth,
                "arguments": arguments,
                "issuer": issuer,
                "reason": reason,
            },
            None,
        )

    def approve(
        self,
        resource: str | Resource,
        right: str,
        args: Mapping[str, Any],
        *,
        ttl_s: float | None = None,
        by: str = "human",
        reason: str = "",
    ) -> Capability:
        """Answer an ``ask`` once, for exactly these arguments; it cannot be handed on, and beats no denial.

        Raises:
            InputError: The resource is malformed, the right unknown or the arguments are not plain JSON.
        """
        wanted = Resource.parse(resource) if isinstance(resource, str) else resource.checked()
        return self._grant(
            {
                "resource": str(wanted),
                "rights": frozenset({right}),
                "uses": 1,
                "expires_at": None if ttl_s is None else self._tree.now() + ttl_s,
                "arguments": arguments_hash(args),
                "approval": True,
                "issuer": by,
                "reason": reason,
            },
            None,
        )

    def delegate(
        self,
        capability: str,
        to: CapabilityTable,
        *,
        resource: str | None = None,
        rights: Iterable[str] | None = None,
        effect: Effect | None = None,
        expires_at: float | None = _UNSET,
        uses: int | None = _UNSET,
        lease_s: float | None = _UNSET,
        constraints: Mapping[str, Any] | None = None,
        depth: int | None = None,
        arguments: str | None = None,
        reason: str = "",
    ) -> Capability:
        """Hand a capability, or less, on to a related process; what is left out is as in the original.

        ``constraints`` come on top of the original's, and replace those of the same name when they are narrower. Uses
        are drawn from the original too, so that several delegations together never have more.

        Raises:
            InputError: It is not held or not in force, it may not be handed on, or something would be wider.
        """
        tree = self._tree
        with tree.lock:
            entry = self._find(capability)
            own = entry.capability
            if to._tree is not tree:
                raise InputError("the process is not of the same tree", value=to.holder)
            if (state := entry.status(tree.now())) != "active":
                raise InputError(f"the capability is {state}", value=capability)
            if own.approval:
                raise InputError("an approval cannot be handed on", value=capability)
            left = min((part.left for part in entry.line() if part.left is not None), default=None)
            strict: Effect = effect or own.effect
            fields: dict[str, Any] = {
                "resource": own.resource if resource is None else str(Pattern.parse(resource)),
                "rights": own.rights if rights is None else frozenset(rights),
                "effect": strict,
                "expires_at": own.expires_at if expires_at is _UNSET else expires_at,
                "uses": (left if strict == "allow" else None) if uses is _UNSET else uses,
                "lease_s": own.lease_s if lease_s is _UNSET else lease_s,
                "constraints": {**own.constraints, **(constraints or {})},
                "depth": own.depth - 1 if depth is None else depth,
                "arguments": arguments or own.arguments,
                "issuer": self.holder,
                "reason": reason or own.reason,
                "parent": capability,
            }
            examine(fields["constraints"])
            refuse_widening(Capability("", to.holder, **fields), own, left)
            return to._grant(fields, entry)

    def revoke(self, capability: str) -> list[str]:
        """Take a capability back, and everything delegated from it; returns the ids that were in force until now.

        Raises:
            InputError: It is not held.
        """
        tree = self._tree
        with tree.lock:
            pending, taken = [self._find(capability)], list[str]()
            while pending:
                entry = pending.pop()
                pending += entry.children
                if not entry.revoked:
                    entry.revoked = True
                    taken.append(entry.capability.id)
            tree.generation += 1
            return taken

    def renew(self, capability: str) -> float:
        """Prolong a lease to its full length from now; returns when it ends.

        Raises:
            InputError: It is not held, has no lease or is not in force: what has lapsed stays so.
        """
        tree = self._tree
        with tree.lock:
            entry = self._find(capability)
            now = tree.now()
            if entry.capability.lease_s is None:
                raise InputError("the capability has no lease", value=capability)
            if (state := entry.status(now)) != "active":
                raise InputError(f"the capability is {state}", value=capability, hint="grant it anew")
            entry.leased = now + entry.capability.lease_s
            tree.generation += 1
            return entry.until()

    # deciding

    def decide(self, resource: str | Resource, right: str, args: Mapping[str, Any] | None = None) -> Decision:
        """Whether the holder may exercise a right on a resource; nothing is consumed.

        A denial beats an approval, that beats an ``ask``, and that an ``allow``. ``rule`` is ``capability:ID``, or
        ``capability:none``, ``resource:malformed`` or ``right:unknown``.
        """
        tree = self._tree
        hit = self._cache.get((resource, right))
        if hit is not None and hit[0] == tree.generation and tree.now() < hit[1]:
            return hit[2]
        with tree.lock:
            return self._judge(resource, right, args)[0]

    def reserve(self, resource: str | Resource, right: str, args: Mapping[str, Any] | None = None) -> Reservation:
        """Decide, and set one use aside when the deciding capability counts them.

        Settle it with :meth:`commit`, or with :meth:`release` when the effect provably did not begin.
        """
        tree = self._tree
        with tree.lock:
            decision, entry = self._judge(resource, right, args)
            held = tuple(entry.line()) if entry is not None and decision.effect == "allow" else ()
            for part in held:
                assert part.left is not None
                part.left -= 1
            if any(part.left == 0 for part in held):
                tree.generation += 1
            number = tree.next()
            self._open[number] = held
            return Reservation(number, decision, tuple(part.capability.id for part in held))

    def commit(self, reservation: Reservation) -> None:
        """The effect began: its uses are spent.

        Raises:
            InputError: The reservation is settled already, or not of this table.
        """
        with self._tree.lock:
            self._settle(reservation)

    def release(self, reservation: Reservation) -> None:
        """The effect did not begin: its uses come back, except to what was revoked or expired meanwhile.

        Raises:
            InputError: The reservation is settled already, or not of this table.
        """
        with self._tree.lock:
            for entry in self._settle(reservation):
                assert entry.left is not None
                entry.left += 1
                self._tree.generation += 1

    def below(self, folder: Resource, right: str, args: Mapping[str, Any] | None = None) -> Decision | None:
        """The strictest of what denies, or asks about, a right on a folder or anything below it; nothing if nothing."""
        entries = [entry for table in self._line() for entry in table._entries.values()]
        with self._tree.lock:
            return restricting(entries, folder, right, args, self._tree.now())

    # moving

    def hand_over(self) -> list[Capability]:
        """What is in force, for a table elsewhere: nothing is leased there, and counted uses leave this one with it.

        What ancestors are denied or must ask for comes along.
        """
        with self._tree.lock:
            self._tree.generation += 1
            entries = [
                entry
                for table in self._line()
                for entry in table._entries.values()
                if table is self or entry.capability.effect != "allow"
            ]
            now = self._tree.now()
            return [taken(entry) for entry in sorted(entries, key=_serial) if entry.status(now) == "active"]

    def take_up(self, capabilities: Iterable[Capability]) -> None:
        """Put capabilities that were handed over, or recorded, into an empty table; they keep their ids.

        Raises:
            InputError: One of them means nothing.
        """
        for capability in capabilities:
            fields = msgspec.structs.asdict(capability)
            name = fields.pop("id")
            del fields["holder"]
            if not name[1:].isdecimal():
                raise InputError("a capability has a malformed id", value=name)
            with self._tree.lock:
                self._tree.serial = int(name[1:]) - 1
                self._grant(fields, None)

    # looking

    def capabilities(self) -> list[Capability]:
        """Everything that was ever given to the holder, in that order."""
        return [entry.capability for entry in self._entries.values()]

    def status(self, capability: str) -> Status:
        """Whether a capability is in force, and why not."""
        with self._tree.lock:
            return self._find(capability).status(self._tree.now())

    def left(self, capability: str) -> int | None:
        """How many uses remain; nothing when they are not counted."""
        with self._tree.lock:
            return min((part.left or 0 for part in self._find(capability).line()), default=None)

    # the inside

    def _line(self) -> list[CapabilityTable]:
        return [self, *(self.parent._line() if self.parent is not None else ())]

    def _find(self, capability: str) -> Entry:
        entry = self._entries.get(capability)
        if entry is None:
            raise InputError("no such capability", value=capability, where=self.holder)
        return entry

    def _grant(self, fields: dict[str, Any], parent: Entry | None) -> Capability:
        tree = self._tree
        examine(fields.get("constraints", {}))
        # A copy, so that the caller's mapping cannot change what was granted.
        fields["constraints"] = msgspec.json.decode(canonical(fields.get("constraints", {})))
        with tree.lock:
            serial = tree.next()
            capability = Capability(f"c{serial}", self.holder, **fields)
            validate(capability)
            lease = capability.lease_s
            entry = Entry(capability, parent, FOREVER if lease is None else tree.now() + lease, serial)
            self._entries[capability.id] = entry
            for right in capability.rights:
                self._index.setdefault((entry.pattern.kind, right, entry.first), []).append(entry)
            if parent is not None:
                parent.gave(entry)
            tree.generation += 1
            return capability

    def _settle(self, reservation: Reservation) -> tuple[Entry, ...]:
        held = self._open.pop(reservation.id, None)
        if held is None:
            raise InputError("the reservation is settled already, or not of this process", value=reservation.id)
        return held

    def _judge(
        self, resource: str | Resource, right: str, args: Mapping[str, Any] | None
    ) -> tuple[Decision, Entry | None]:
        if right not in RIGHTS:
            return Decision("deny", "right:unknown", f"there is no right {right}"), None
        try:
            wanted = Resource.parse(resource) if isinstance(resource, str) else resource.checked()
        except InputError as error:
            return Decision("deny", "resource:malformed", error.message), None
        now = self._tree.now()
        until, cacheable = FOREVER, True
        best: Entry | None = None
        highest = -1
        table: CapabilityTable | None = self
        while table is not None:
            for entry in table._about(wanted, right):
                if (table is not self and entry.capability.effect == "allow") or not entry.pattern.matches(wanted):
                    continue
                if entry.status(now) != "active":
                    continue
                until = min(until, entry.until())
                if entry.conditional:
                    cacheable = False
                    if not entry.applies(args):
                        continue
                if (found := rank(entry)) > highest:
                    best, highest = entry, found
            table = table.parent
        decision = decision_of(best, right, wanted)
        if cacheable:
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            self._cache[resource, right] = (self._tree.generation, until, decision)
        return decision, best

    def _about(self, wanted: Resource, right: str) -> Sequence[Entry]:
        """Own entries that may be about a question, in the order of their granting."""
        exact = self._index.get((wanted.kind, right, wanted.segments[0]), ())
        wide = self._index.get((wanted.kind, right, None), ())
        if exact and wide:
            return sorted((*exact, *wide), key=_serial)
        return exact or wide


def _serial(entry: Entry) -> int:
    return entry.serial
