"""What of a guard is switched on, and its lists."""

from __future__ import annotations

from typing import Literal

import msgspec

from terret.errors import ConfigError
from terret.guard._risk import TTL_S, RiskMode
from terret.guard._types import PARTS


class GuardConfig(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Settings of a guard, JSON-able.

    ``off`` names parts that are switched off. ``taint`` decides about values that come from untrusted prose:
    ``balanced`` objects when that prose also gives an instruction, ``strict`` always. ``allow_domains`` are never
    risky nor private, ``block_domains`` never reached; both hold for everything below them. ``allow_paths`` are exact
    paths that no tier objects to.
    """

    off: tuple[str, ...] = ()
    taint: Literal["balanced", "strict"] = "balanced"
    risk: RiskMode = "ttl_reset"
    ttl_s: float = TTL_S
    allow_domains: tuple[str, ...] = ()
    block_domains: tuple[str, ...] = ()
    allow_paths: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted(set(self.off) - set(PARTS))
        if unknown:
            raise ConfigError("unknown part of the guard", value=unknown, hint="the parts are " + ", ".join(PARTS))
