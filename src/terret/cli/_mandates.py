"""What the commands share about mandates: the gate of an episode, and how a mandate stands."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terret.errors import ConfigError

if TYPE_CHECKING:
    from terret.mandates import MandateGate, Registry, Slip

REVOKED = "revoked"
"""What a mandate was spent on that was taken back."""


@contextmanager
def gate_of(
    files: Sequence[Path], mandated: Sequence[str], trusted: Sequence[str]
) -> Generator[MandateGate, None, None]:
    """A gate over the mandates in these files, one's own key trusted and those given.

    Raises:
        ConfigError: A file holds no mandate, or a key is none.
    """
    from terret.journal import SigningKey, default_key_path
    from terret.mandates import MandateGate, Registry, Wallet, read_slip, registry_file

    for key in trusted:
        if len(key) != 64 or any(digit not in "0123456789abcdef" for digit in key):
            raise ConfigError("a public key is 64 lower-case hex digits", value=key)
    own = SigningKey.load_or_create(default_key_path()).public_hex
    wallet = Wallet([read_slip(file).mandate for file in files])
    with Registry(registry_file()) as registry:
        yield MandateGate(registry, {own, *trusted}, wallet, primitives=mandated)


@contextmanager
def gate_again(files: Sequence[Path], declared: dict[str, Any] | None) -> Generator[MandateGate | None, None, None]:
    """The gate an episode was opened with, over the mandates in these files; ``None`` when it had none.

    Raises:
        ConfigError: As :func:`gate_of`; or there are mandates and it had no gate.
    """
    if declared is None:
        if files:
            raise ConfigError("the episode was begun without mandates", value=str(files[0]), hint="leave --mandate out")
        yield None
        return
    with gate_of(files, declared["primitives"], declared["trusted"]) as gate:
        yield gate


@contextmanager
def own_registry() -> Generator[tuple[Registry | None, set[str]], None, None]:
    """The registry of spent mandates, if there is one yet, and one's own public key."""
    from terret.journal import SigningKey, default_key_path
    from terret.mandates import Registry, registry_file

    own = {SigningKey.load_or_create(default_key_path()).public_hex}
    if not registry_file().exists():
        yield None, own
        return
    with Registry(registry_file()) as registry:
        yield registry, own


def state_of(slip: Slip, registry: Registry | None, trusted: set[str]) -> tuple[str, str]:
    """How a mandate stands in one word, and in a sentence: ``unspent`` is the only good one."""
    from terret.mandates import Claim, Verifier

    mandate = slip.mandate
    claim = Claim(mandate.id, "", mandate.binding, mandate.expires_ms)
    spent = registry.spent_on(claim) if registry is not None else None
    if spent is not None and spent.startswith(f"{REVOKED}:"):
        return "revoked", "it was taken back"
    if spent is not None:
        return "spent", f"it was spent on {spent}"
    if wrong := slip.check():
        return "redirected", wrong
    refused = Verifier(trusted).refusal(mandate, slip.context.binding, int(time.time() * 1000))
    return ("unspent", "it can be spent") if refused is None else (refused.slug, refused.reason)
