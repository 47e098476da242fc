"""What a process may see of what lies below a folder, and whether anything there is kept from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from terret.permissions import BELOW, CapabilityTable, Pattern, Resource


def readable(table: CapabilityTable, right: str) -> Callable[[str], bool]:
    """Tells of a path whether the right to it is allowed outright."""

    def may(path: str) -> bool:
        return table.decide(Resource.of("fs", *path.split("/")), right).effect == "allow"

    return may


def kept_from(table: CapabilityTable, rights: tuple[str, ...]) -> str | None:
    """A resource in the workspace that a process is denied or must ask for, itself or by an ancestor; or nothing.

    Whoever runs a command in the workspace can reach all of it, so such a process may run none.
    """
    for owner in _line(table):
        for capability in owner.capabilities():
            strict = capability.effect != "allow" and not capability.rights.isdisjoint(rights)
            if strict and owner.status(capability.id) == "active" and _of_files(capability.resource):
                return capability.resource
    return None


def _line(table: CapabilityTable | None) -> Iterator[CapabilityTable]:
    while table is not None:
        yield table
        table = table.parent


def _of_files(resource: str) -> bool:
    pattern = Pattern.parse(resource)
    return pattern.kind == "fs" and pattern.segments != (BELOW,)
