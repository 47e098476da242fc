"""What a process may see of what lies below a folder."""

from __future__ import annotations

from collections.abc import Callable

from terret.permissions import CapabilityTable, Resource


def readable(table: CapabilityTable, right: str) -> Callable[[str], bool]:
    """Tells of a path whether the right to it is allowed outright."""

    def may(path: str) -> bool:
        return table.decide(Resource.of("fs", *path.split("/")), right).effect == "allow"

    return may
