"""What a capability is, and when a copy of it is no wider."""

from __future__ import annotations

import math
from typing import Any, Final, Literal

import msgspec

from terret.errors import InputError
from terret.permissions._constraints import widened
from terret.permissions._decision import Decision
from terret.permissions._resource import Pattern

Effect = Literal["allow", "deny", "ask"]

RIGHTS: Final = frozenset(
    {"read", "list", "write", "delete", "link", "execute", "connect", "call", "spawn", "signal", "ask"}
)
"""Every right there is; a capability names some, a decision is about one."""

EFFECTS: Final = ("allow", "ask", "deny")
"""From the loosest to the strictest."""


class Capability(msgspec.Struct, frozen=True):
    """One piece of authority, as it was granted.

    ``resource`` is a pattern. ``expires_at`` is in unix seconds. ``uses`` is how often it may be used, ``lease_s`` how
    long it lives without being renewed; nothing means without limit. ``depth`` is how many times it may be handed on
    in a row. ``arguments`` is the hash of the only arguments it is for (see :func:`terret.permissions.arguments_hash`).
    An ``approval`` answers an ``ask``.
    """

    id: str
    holder: str
    resource: str
    rights: frozenset[str]
    effect: Effect = "allow"
    expires_at: float | None = None
    uses: int | None = None
    lease_s: float | None = None
    constraints: dict[str, Any] = {}
    depth: int = 0
    arguments: str | None = None
    approval: bool = False
    parent: str | None = None
    issuer: str = "host"
    reason: str = ""


class Reservation(msgspec.Struct, frozen=True):
    """A decision whose uses are set aside until it is committed or released.

    ``held`` are the capabilities that lost one use each: the deciding one and those it was delegated from.
    """

    id: int
    decision: Decision
    held: tuple[str, ...] = ()


def validate(capability: Capability) -> None:
    """Refuse a capability that means nothing.

    Raises:
        InputError: Unknown right or effect, no right, or a limit that is no positive number.
    """
    if unknown := sorted(capability.rights - RIGHTS):
        raise InputError("unknown right", value=unknown[0], hint="use some of " + ", ".join(sorted(RIGHTS)))
    if not capability.rights:
        raise InputError("a capability needs a right", value=capability.resource)
    if capability.effect not in EFFECTS:
        raise InputError("unknown effect", value=capability.effect, hint="use allow, ask or deny")
    if capability.uses is not None and (capability.uses < 1 or capability.effect != "allow"):
        raise InputError("only an allow has uses, and at least one", value=capability.uses)
    for name in ("expires_at", "lease_s"):
        number = getattr(capability, name)
        if number is not None and not (math.isfinite(number) and number > 0):
            raise InputError(f"{name} is no number above zero", value=number)
    if capability.depth < 0:
        raise InputError("depth is below zero", value=capability.depth)


def refuse_widening(child: Capability, parent: Capability, left: int | None) -> None:
    """Make sure that a delegation gives no more than its parent has; ``left`` is the parent's remaining uses.

    Raises:
        InputError: The field that would be wider, with its value.
    """
    wider: dict[str, bool] = {
        "depth": child.depth > parent.depth - 1,
        "effect": EFFECTS.index(child.effect) < EFFECTS.index(parent.effect) or child.effect == "deny",
        "resource": not Pattern.parse(parent.resource).covers(Pattern.parse(child.resource)),
        "rights": not child.rights <= parent.rights,
        "expires_at": _longer(child.expires_at, parent.expires_at),
        "uses": child.effect == "allow" and _longer(child.uses, left),
        "lease_s": _longer(child.lease_s, parent.lease_s),
        "arguments": parent.arguments is not None and child.arguments != parent.arguments,
        "constraints": widened(child.constraints, parent.constraints) is not None,
    }
    for name, refused in wider.items():
        if refused:
            raise InputError(
                f"a delegation may only narrow, and its {name} would be wider",
                value=getattr(child, name),
                where=parent.id,
                hint="delegate at most what the capability has",
            )


def _longer(child: float | None, parent: float | None) -> bool:
    return parent is not None and (child is None or child > parent)
