"""What of a guard is switched on, and its lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

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


def load_guard(name: str | Path) -> GuardConfig:
    """The settings in a YAML or JSON file; ``default`` are those of a guard that was told nothing.

    Raises:
        ConfigError: The file cannot be read, or says something that no guard knows.
    """
    if str(name) == "default":
        return GuardConfig()
    import yaml

    hint = "write --guard default, or a file with " + ", ".join(GuardConfig.__struct_fields__)
    try:
        value = yaml.safe_load(Path(name).read_text("utf-8"))
        if isinstance(value, dict):
            # YAML takes the name ``off`` for a truth value.
            named = cast("dict[Any, Any]", value)
            value = {"off" if key is False else key: member for key, member in named.items()}
        return msgspec.convert({} if value is None else value, GuardConfig)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"the guard's configuration cannot be read: {reason}", where=str(name), hint=hint) from None
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"the guard's configuration is not YAML: {reason}", where=str(name)) from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"the guard's configuration is wrong: {error}", where=str(name), hint=hint) from None
