"""What authority an effect of an episode takes: what :func:`wanted` says, and what that means for all below a folder.

| effect | takes beyond ``wanted`` |
| --- | --- |
| anything about all below a folder | an allow of all of it, and no denial of any of it |
| ``fs.delete`` | no denial of anything below, when it is a folder |
| a program given by its path | no denial of its base name |
| a command that cannot be told | no denial of any program |
| ``workspace.restore`` | ``write`` on ``workspace:restore`` |
| ``net.NAME`` with a ``url`` | as ``net.request`` |
| what a person gives unasked, and asking for approval | nothing: it is no act of the agent's |
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from terret.permissions._capability import EFFECTS
from terret.permissions._decision import Decision
from terret.permissions._resource import Resource
from terret.permissions._table import CapabilityTable
from terret.permissions._wanted import BELOW, OPAQUE, Wanted, wanted

_DEPTH: Final = 64
"""Levels below a folder that only a ``**`` reaches."""

NONE: Final = "capability:none"
"""The rule under which nothing allows an effect."""

_PEOPLE: Final = frozenset({"human.hear", "workspace.apply"})


class Demand(NamedTuple):
    """A right that an effect takes on a resource.

    ``below`` is about everything below the resource: an allow has to reach all of it, and what restricts any of it
    counts. Of a ``restricted`` one only what denies or asks counts; nothing has to allow it.
    """

    resource: Resource
    right: str
    below: bool = False
    restricted: bool = False

    @property
    def probe(self) -> Resource:
        """The resource to ask about; below a folder one that only a pattern over all of it covers."""
        if not self.below:
            return self.resource
        return Resource(self.resource.kind, self.resource.segments + (BELOW,) * _DEPTH)


def demands_of(primitive: str, args: Mapping[str, Any]) -> tuple[Demand, ...]:
    """Every right that an effect takes, each once; ``args["name"]`` names the model of ``model.complete``.

    Raises:
        InputError: The primitive is unknown, or an argument is missing, mistyped or outside what can be granted.
    """
    if primitive in _PEOPLE or (primitive == "human.ask" and args.get("form") == "approval"):
        return ()
    if primitive == "workspace.restore":
        return (Demand(Resource("workspace", ("restore",)), "write"),)
    if primitive.startswith("net.") and "url" in args:
        primitive = "net.request"
    if primitive == "fs.search" and "path" not in args:
        args = {**args, "path": _searched(args.get("command"))}
    return tuple(dict.fromkeys(one for want in wanted(primitive, args) for one in _of(primitive, want)))


def judge(table: CapabilityTable, demand: Demand, args: Mapping[str, Any] | None) -> Decision:
    """What a table says of a demand; nothing is consumed. ``capability:unneeded`` where nothing restricts it."""
    decision = table.decide(demand.probe, demand.right, args)
    found = table.below(demand.resource, demand.right, args) if demand.below else None
    if found is not None and EFFECTS.index(found.effect) >= EFFECTS.index(decision.effect):
        return msgspec.structs.replace(found, reason=f"{found.reason}, and the effect could reach it")
    if decision.rule != NONE:
        return decision
    if demand.restricted:
        return Decision("allow", "capability:unneeded", "nothing restricts it")
    whole = {"fs": "the whole workspace", "shell": "every program"}
    kind = demand.resource.kind
    where = f"everything below {demand.resource}" if demand.resource.segments else whole.get(kind, f"every {kind}")
    return Decision("deny", NONE, f"no capability allows {demand.right} on {where}") if demand.below else decision


def _of(primitive: str, want: Wanted) -> Iterator[Demand]:
    (kind, segments), right = want.resource, want.right
    if segments[-1] == BELOW:
        yield Demand(Resource(kind, segments[:-1]), right, below=True)
        return
    yield Demand(want.resource, right)
    if primitive == "fs.delete":
        yield Demand(want.resource, right, below=True, restricted=True)
    if kind == "shell" and segments == (OPAQUE,):
        yield Demand(Resource(kind, ()), right, below=True, restricted=True)
    elif kind == "shell" and "/" in segments[0]:
        yield Demand(Resource(kind, (segments[0].rpartition("/")[2] or OPAQUE,)), right, restricted=True)


def _searched(command: object) -> str | None:
    """The path of a search, which is the last word of its command."""
    try:
        return shlex.split(command)[-1] if isinstance(command, str) else None
    except (ValueError, IndexError):
        return None
