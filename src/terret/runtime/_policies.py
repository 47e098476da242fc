"""The authorities of an episode, recorded when it opens: they decide the same when it is repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from terret.guard import Hooks
from terret.journal import BlobStore, EpisodeOpened
from terret.mandates import MandateGate
from terret.norms import Charter, Decider, NormPolicy, Strictest
from terret.permissions import (
    Approvals,
    Approved,
    CapabilityTable,
    GrantSpec,
    Layer,
    LayeredPolicy,
    Policy,
    capabilities_of,
    parse_policy,
)
from terret.task import Task


def recorded(
    layers: Sequence[Layer], approvals: Approvals | None, norms: Charter | None, blobs: BlobStore
) -> dict[str, Any]:
    """What the opening of an episode says about its policy files, whose texts become blobs, and its charter."""
    found: dict[str, Any] = {}
    if layers:
        found["policy"] = [
            {"scope": layer.scope, "file": layer.policy.name, "blob": blobs.put(layer.policy.text.encode())}
            for layer in layers
        ]
    if layers and approvals is not None and approvals.in_force:
        found["approved"] = msgspec.to_builtins(approvals.in_force)
    if norms is not None:
        found["norms"] = msgspec.to_builtins(norms)
    return found


def declared(
    mandates: MandateGate | None,
    hooks: Hooks | None,
    capabilities: CapabilityTable | Sequence[GrantSpec] | None,
    now: float,
) -> dict[str, Any]:
    """What the opening says about the other authorities that an episode was given.

    Raises:
        InputError: A grant means nothing.
    """
    found: dict[str, Any] = {}
    if mandates is not None:
        found["mandates"] = mandates.declare()
    if hooks is not None:
        found["hooks"] = hooks.declare()
    if capabilities is not None:
        given = capabilities_of(capabilities, now)
        found["granted"] = [msgspec.to_builtins(one) | {"rights": sorted(one.rights)} for one in given]
    return found


def policy_of(task: Task, level: str, opened: EpisodeOpened, blobs: BlobStore) -> Decider:
    """The policy that an episode was opened with; where it has a charter, the stricter of both answers counts."""
    permitted = _permitted(task, level, opened, blobs)
    charter = opened.enforcement.get("norms")
    return Strictest(permitted, NormPolicy(msgspec.convert(charter, Charter))) if charter else permitted


def _permitted(task: Task, level: str, opened: EpisodeOpened, blobs: BlobStore) -> Policy:
    files = opened.enforcement.get("policy")
    if not files:
        return Policy.for_task(task.permissions, level)
    layers = [Layer(one["scope"], parse_policy(blobs.get(one["blob"]).decode(), one["file"])) for one in files]
    approved = msgspec.convert(opened.enforcement.get("approved", []), list[Approved])
    return LayeredPolicy(task.permissions, level, layers, Approvals.of(approved))
