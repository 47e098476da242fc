"""How authority goes from a process to its child, and how it is recorded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from terret.permissions import CapabilityTable


def hand_on(giver: CapabilityTable, taker: CapabilityTable, keep: Iterable[str] | None) -> None:
    """Delegate the capabilities named, or everything that may be handed on.

    Denials and questions need no handing on: a child is bound by those of its ancestors anyway.

    Raises:
        InputError: One that was named is not held, not in force or may not be handed on.
    """
    if keep is None:
        keep = [
            capability.id
            for capability in giver.capabilities()
            if capability.depth > 0
            and capability.effect == "allow"
            and not capability.approval
            and giver.status(capability.id) == "active"
        ]
    for capability in keep:
        giver.delegate(capability, taker)


def listed(table: CapabilityTable) -> list[dict[str, Any]]:
    """The capabilities of a process as plain JSON."""
    return [
        {
            "id": capability.id,
            "resource": capability.resource,
            "rights": sorted(capability.rights),
            "effect": capability.effect,
            "uses": capability.uses,
            "expires_at": capability.expires_at,
            "depth": capability.depth,
            "parent": capability.parent,
        }
        for capability in table.capabilities()
    ]
