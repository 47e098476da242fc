"""What a process may see of what lies below a folder, and whether anything there is kept from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from terret.permissions import BELOW, CapabilityTable, Pattern, Resource, Wanted


def readable(table: CapabilityTable, right: str) -> Callable[[str], bool]:
    """Tells of a path whether the right to it is allowed outright."""

    def may(path: str) -> bool:
        return table.decide(Resource.of("fs", *path.split("/")), right).effect == "allow"

    return may


def kept_from(table: CapabilityTable, rights: tuple[str, ...]) -> Wanted | None:
    """Something in the workspace that a process is denied or must ask for, itself or by an ancestor; or nothing.

    Whoever runs a command in the workspace can reach all of it, so a command takes the right to this as well.
    """
    for owner in _line(table):
        for capability in owner.capabilities():
            touched = sorted(capability.rights.intersection(rights))
            if capability.effect == "allow" or not touched or owner.status(capability.id) != "active":
                continue
            pattern = Pattern.parse(capability.resource)
            if pattern.kind == "fs":
                segments = tuple(BELOW if part is None else part for part in pattern.segments)
                return Wanted(Resource("fs", (*segments, *([BELOW] if pattern.deep else []))), touched[0])
    return None


def _line(table: CapabilityTable | None) -> Iterator[CapabilityTable]:
    while table is not None:
        yield table
        table = table.parent
