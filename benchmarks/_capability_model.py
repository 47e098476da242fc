"""What capabilities mean, said as slowly and plainly as possible, and a driver that holds the real table to it.

The model keeps a list of records and goes through all of it for every question. It has no index, no cache, no compiled
pattern, and it never trusts a delegation to be narrower: a delegated capability counts only where every capability
that it was delegated from counts too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from random import Random
from typing import Any

from terret.errors import InputError
from terret.permissions import Capability, CapabilityTable, Reservation

NAMES = ("src", "src2", "docs", "a.py")
SIGHTS = ("read", "write", "execute")
PATTERNS = ("src/*", "src/**", "src2/*", "*", "**", "**", "*/a.py", "src/a.py", "docs/**", "src", "src/docs/*")
ARGUMENTS: tuple[dict[str, Any] | None, ...] = (
    None,
    {},
    {"size": 5},
    {"size": 50},
    {"size": True},
    {"size": 5, "mode": "x"},
    {"mode": "y", "size": 5},
    {"mode": 1},
    {"mode": 1.0},
    {"mode": float("nan")},
)
CONSTRAINTS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {},
    {"max_bytes": 10},
    {"max_bytes": 100},
    {"equals": {"mode": "x"}},
    {"equals": {"mode": 1}},
    {"one_of": {"mode": ["x", "y"]}},
    {"one_of": {"mode": ["x"]}},
    {"phase_of_the_moon": "full"},
)


class Disagreement(AssertionError):
    """The table and the model gave different answers."""


class Record:
    """One capability of the model, with everything that changes about it."""

    def __init__(self, capability: Capability, parent: Record | None, now: float) -> None:
        self.capability = capability
        self.parent = parent
        self.revoked = False
        self.left = capability.uses
        self.ends = None if capability.lease_s is None else now + capability.lease_s

    def alive(self, now: float) -> bool:
        own = self.capability
        if self.revoked or self.left == 0:
            return False
        if own.expires_at is not None and own.expires_at <= now:
            return False
        if self.ends is not None and self.ends <= now:
            return False
        return self.parent is None or self.parent.alive(now)

    def line(self) -> list[Record]:
        return [self, *(self.parent.line() if self.parent else [])]


def same_json(one: object, other: object) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def matches(pattern: list[str], segments: list[str]) -> bool:
    if not pattern or not segments:
        return not pattern and not segments
    if pattern == ["**"]:
        return True
    return pattern[0] in ("*", segments[0]) and matches(pattern[1:], segments[1:])


def condition(name: str, wanted: Any, args: dict[str, Any]) -> bool | None:
    """True, False, or None for "cannot be told"."""
    if name == "max_bytes":
        size = args.get("size")
        return None if isinstance(size, bool) or not isinstance(size, int) else size <= wanted
    if name in ("equals", "one_of"):
        verdicts: list[bool | None] = []
        for key, value in wanted.items():
            if key not in args or args[key] != args[key]:
                verdicts.append(None)
            else:
                choices = [value] if name == "equals" else value
                verdicts.append(any(same_json(args[key], choice) for choice in choices))
        return False if False in verdicts else (None if None in verdicts else True)
    return None


def digest(args: dict[str, Any] | None) -> str | None:
    if args is None or any(value != value for value in args.values()):
        return None
    return sha256(json.dumps(args, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def counts(record: Record, path: str, right: str, args: dict[str, Any] | None) -> bool:
    """Whether one capability, taken for itself, is about this question."""
    own = record.capability
    if right not in own.rights or not matches(own.resource.split(":")[1].split("/"), path.split("/")):
        return False
    verdicts = [condition(name, wanted, args or {}) for name, wanted in own.constraints.items()]
    if own.arguments is not None:
        given = digest(args)
        verdicts.append(None if given is None else given == own.arguments)
    if own.effect == "allow":
        return all(verdict is True for verdict in verdicts)
    return not any(verdict is False for verdict in verdicts)


class Driver:
    """Random operations on a tree of processes, each done on the table and on the model; ``steps`` counts them."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.latest = 1000.0
        self.root = CapabilityTable("root", clock=lambda: self.time)
        self.tables = [self.root]
        self.parents: dict[str, str | None] = {"root": None}
        self.records: list[Record] = []
        self.open: list[tuple[CapabilityTable, Reservation, list[Record]]] = []
        self.steps = 0
        self.allowed = 0
        self.root.decide("fs:clock", "read")

    def step(self, random: Random) -> None:
        """Do one operation, drawn with ``random``."""
        self.steps += 1
        kinds: tuple[Callable[[Random], None], ...] = (
            self.decide,
            self.decide,
            self.decide,
            self.decide,
            self.reserve,
            self.grant,
            self.grant,
            self.delegate,
            self.settle,
            self.manage,
            self.pass_time,
        )
        random.choice(kinds)(random)

    # what the model says

    def now(self) -> float:
        self.latest = max(self.latest, self.time)
        return self.latest

    def answer(self, holder: str, path: str, right: str, args: dict[str, Any] | None) -> tuple[str, str | None]:
        """The effect, and the id of the capability behind it."""
        now = self.now()
        lineage: list[str] = []
        at: str | None = holder
        while at is not None:
            lineage.append(at)
            at = self.parents[at]
        about = [
            record
            for holder_at in lineage
            for record in self.records
            if record.capability.holder == holder_at and record.alive(now) and counts(record, path, right, args)
        ]
        for found in about:
            if found.capability.effect == "deny":
                return "deny", found.capability.id
        mine = [record for record in about if record.capability.holder == holder]
        for found in mine:
            if found.capability.approval:
                return "allow", found.capability.id
        for found in about:
            if found.capability.effect == "ask":
                return "ask", found.capability.id
        # Every ancestor of an allow must itself allow, or at least be an allow that is about this.
        free = [found for found in mine if all(counts(part, path, right, args) for part in found.line())]
        if len(free) != len([found for found in mine if found.capability.effect == "allow"]):
            raise Disagreement(f"a delegation is wider than its origin: {[r.capability for r in mine]}")
        for counted in (False, True):
            for found in free:
                if any(part.left is not None for part in found.line()) == counted:
                    return "allow", found.capability.id
        return "deny", None

    # operations

    def decide(self, random: Random) -> None:
        table, path, right, args = self.question(random)
        self.compare(table.decide(f"fs:{path}", right, args), table, path, right, args)

    def reserve(self, random: Random) -> None:
        table, path, right, args = self.question(random)
        expected, behind = self.answer(table.holder, path, right, args)
        reservation = table.reserve(f"fs:{path}", right, args)
        held = []
        if expected == "allow":
            record = next(record for record in self.records if record.capability.id == behind)
            held = [part for part in record.line() if part.left is not None]
        self.check(reservation.decision.effect == expected, "reserve", reservation, expected)
        self.check(list(reservation.held) == [part.capability.id for part in held], "held", reservation, behind)
        for part in held:
            assert part.left is not None
            part.left -= 1
        self.open.append((table, reservation, held))

    def settle(self, random: Random) -> None:
        if not self.open:
            return
        table, reservation, held = self.open.pop(random.randrange(len(self.open)))
        if random.random() < 0.5:
            table.commit(reservation)
        else:
            table.release(reservation)
            for part in held:
                assert part.left is not None
                part.left += 1
        self.check(refused(lambda: table.commit(reservation)), "settled twice", reservation, None)

    def grant(self, random: Random) -> None:
        table = random.choice(self.tables)
        if random.random() < 0.2:
            _, path, right, args = self.question(random)
            if digest(args) is not None:
                assert args is not None
                ttl = random.choice((None, 5.0))
                self.keep(table.approve(f"fs:{path}", right, args, ttl_s=ttl), None)
            return
        effect = random.choices(("allow", "ask", "deny"), (12, 2, 1))[0]
        given = table.grant(
            f"fs:{random.choice(PATTERNS)}",
            random.sample(SIGHTS, random.randint(1, 3)),
            effect,
            expires_at=random.choice((None, None, self.now() + random.randint(1, 30))),
            uses=random.choice((None, 1, 3)) if effect == "allow" else None,
            lease_s=random.choice((None, None, 7.0)),
            constraints=random.choice(CONSTRAINTS),
            depth=random.randint(0, 3),
            arguments=random.choice((None, None, None, None, digest({"size": 5}))),
        )
        self.keep(given, None)

    def delegate(self, random: Random) -> None:
        if not self.records:
            return
        record = random.choice(self.records)
        own = record.capability
        source = next(table for table in self.tables if table.holder == own.holder)
        target = random.choice(self.tables)
        wanted: dict[str, Any] = {}
        if random.random() < 0.5:
            wanted["resource"] = f"fs:{random.choice(PATTERNS)}"
        if random.random() < 0.3:
            wanted["rights"] = random.sample(SIGHTS, random.randint(1, 3))
        if random.random() < 0.2:
            wanted["effect"] = random.choice(("allow", "ask", "deny"))
        if random.random() < 0.2:
            wanted["uses"] = random.choice((None, 1, 5))
        if random.random() < 0.2:
            wanted["expires_at"] = random.choice((None, self.now() + 10))
        if random.random() < 0.2:
            wanted["constraints"] = random.choice(CONSTRAINTS)
        try:
            given = source.delegate(own.id, target, **wanted)
        except InputError:
            plain = not wanted and own.effect != "deny" and not own.approval and own.depth > 0
            self.check(not (plain and record.alive(self.now())), "refused a plain delegation", own, target.holder)
            return
        self.check(record.alive(self.now()), "delegated what is not in force", own, given)
        self.keep(given, record)

    def manage(self, random: Random) -> None:
        """Revoke, renew, look at the state, or add a process."""
        if random.random() < 0.15 and len(self.tables) < 5:
            parent = random.choice(self.tables)
            child = parent.child(f"p{len(self.tables)}")
            self.tables.append(child)
            self.parents[child.holder] = parent.holder
        if not self.records:
            return
        record = random.choice(self.records)
        own = record.capability
        table = next(table for table in self.tables if table.holder == own.holder)
        self.check((table.status(own.id) == "active") == record.alive(self.now()), "status", own, record.left)
        draw = random.random()
        if draw < 0.3:
            taken = table.revoke(own.id)
            fallen = [one for one in self.records if record in one.line() and not one.revoked]
            for one in fallen:
                one.revoked = True
            self.check(set(taken) == {one.capability.id for one in fallen}, "revoke", taken, own)
        elif draw < 0.6:
            can = own.lease_s is not None and record.alive(self.now())
            done = not refused(lambda: table.renew(own.id))
            self.check(done == can, "renew", own, can)
            if done and own.lease_s is not None:
                record.ends = self.now() + own.lease_s

    def pass_time(self, random: Random) -> None:
        """The clock goes on, and now and then back, which must not bring anything back; one question spans it."""
        table, path, right, args = self.question(random)
        self.compare(table.decide(f"fs:{path}", right, args), table, path, right, args)
        self.time += random.choice((0.5, 1.0, 3.0, -2.0))
        # Both see every moment; otherwise only one of them might know how late it has been.
        self.now()
        self.root.decide("fs:clock", "read")
        self.compare(table.decide(f"fs:{path}", right, args), table, path, right, args)

    # helpers

    def question(self, random: Random) -> tuple[CapabilityTable, str, str, dict[str, Any] | None]:
        path = "/".join(random.choice(NAMES) for _ in range(random.randint(1, 3)))
        return random.choice(self.tables), path, random.choice(SIGHTS), random.choice(ARGUMENTS)

    def compare(self, decision: Any, table: CapabilityTable, path: str, right: str, args: Any) -> None:
        effect, behind = self.answer(table.holder, path, right, args)
        rule = f"capability:{behind or 'none'}"
        self.check((decision.effect, decision.rule) == (effect, rule), f"{path} {right} {args}", decision, rule)
        self.check(bool(decision.reason), "no reason", decision, rule)
        self.allowed += effect == "allow"

    def keep(self, capability: Capability, parent: Record | None) -> None:
        self.records.append(Record(capability, parent, self.now()))

    def check(self, fine: bool, what: str, got: object, wanted: object) -> None:
        if not fine:
            raise Disagreement(f"step {self.steps}, {what}: the table gave {got}, the model {wanted}")


def refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except InputError:
        return True
    return False


def operations(count: int, seed: int) -> int:
    """Do ``count`` random operations in trees of 150 each; returns how many were decided as allowed.

    Raises:
        Disagreement: The table and the model differ.
    """
    random = Random(seed)
    allowed = done = 0
    while done < count:
        driver = Driver()
        for _ in range(min(150, count - done)):
            driver.step(random)
            done += 1
        allowed += driver.allowed
    return allowed
