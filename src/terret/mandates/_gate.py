"""The hook of the effect path: spend a mandate before the intent is journalled, keep the outcome after it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, Literal, NamedTuple

import msgspec

from terret.errors import ConfigError, InputError
from terret.mandates._context import Context
from terret.mandates._mandate import Clock, Mandate
from terret.mandates._registry import Claim, Registry, Spent
from terret.mandates._verify import EXPIRED, LONGEST_S, Refused, Verifier

ABLATIONS: Final = ("binding", "once")
"""What can be switched off to measure what it is worth: the check of the context, and the registry."""

_SPENT: Final = {
    "replayed": Refused("replayed", "the mandate was spent on another effect"),
    "reused": Refused("reused", "this effect spent a mandate on another call before"),
    "expired": EXPIRED,
}
_MISSING: Final = Refused("missing", "this call needs a mandate and there is none for it")


class Grant(msgspec.Struct, frozen=True):
    """The gate's answer.

    ``fresh``: carry the effect out. ``stored``: it was carried out before, ``outcome`` came of it. ``pending``: its
    mandate is spent and whether it was carried out is not known. ``refused``: it must not happen. ``rule`` is
    ``mandate:SLUG``; ``mandate`` is the id of the mandate that was spent, or empty.
    """

    state: Literal["fresh", "stored", "pending", "refused"]
    rule: str
    reason: str
    mandate: str = ""
    outcome: dict[str, Any] | None = None


class Call(NamedTuple):
    """One call at the gate; ``identity`` is the same whenever the same effect is tried."""

    identity: str
    context: Context
    mandate: Mandate | None


class Wallet:
    """Mandates at hand, each given out once; usable as ``find`` of a gate, from any thread."""

    def __init__(self, mandates: Sequence[Mandate] = ()) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, list[Mandate]] = {}
        for mandate in mandates:
            self.add(mandate)

    def add(self, mandate: Mandate) -> None:
        """Put a mandate in."""
        with self._lock:
            self._held.setdefault(mandate.binding, []).append(mandate)

    def __call__(self, context: Context) -> Mandate | None:
        """Take out the mandate for a call that expires first, one for any process last; ``None`` when there is none."""
        with self._lock:
            for binding in (context.binding, context.anywhere.binding):
                held = self._held.get(binding)
                if held:
                    first = min(held, key=lambda mandate: mandate.expires_ms)
                    held.remove(first)
                    if not held:
                        del self._held[binding]
                    return first
            return None


class MandateGate:
    """Decides which effects need a mandate, and spends it.

    Args:
        registry: Where spent mandates are kept; shared by everybody who trusts the same keys.
        trusted: Public keys (64 hex digits) whose mandates count.
        find: Gives a mandate for a call, or ``None``; a :class:`Wallet`, or a question to a person.
        primitives: Patterns (``shell.*``) of primitives that need a mandate whatever their class.
        clock: Unix seconds.
        longest_s: A mandate with a longer lifetime is refused.
        skew_s: By how much an issuer's clock may be ahead.
        ablate: Names out of :data:`ABLATIONS`, for measurements only.

    Raises:
        ConfigError: An unknown ablation.
    """

    def __init__(
        self,
        registry: Registry,
        trusted: Collection[str],
        find: Callable[[Context], Mandate | None],
        *,
        primitives: Sequence[str] = (),
        clock: Clock = time.time,
        longest_s: float = LONGEST_S,
        skew_s: float = 1.0,
        ablate: Collection[str] = (),
    ) -> None:
        if set(ablate) - set(ABLATIONS):
            raise ConfigError("unknown ablation", value=sorted(ablate), hint="use " + " or ".join(ABLATIONS))
        self._registry = registry
        self._verifier = Verifier(trusted, longest_s=longest_s, skew_s=skew_s, check_binding="binding" not in ablate)
        self._find = find
        self._primitives = tuple(primitives)
        self._clock = clock
        self._once = "once" not in ablate
        self._ablated = sorted(ablate)
        self._trusted = sorted(trusted)

    def declare(self) -> dict[str, Any]:
        """What is in force, as JSON."""
        return {"trusted": self._trusted, "primitives": list(self._primitives), "ablated": self._ablated}

    def requires(self, primitive: str, effect_class: str) -> bool:
        """Whether an effect needs a mandate: it is ``external``, or a pattern names its primitive.

        Asking a person is never held up: people are where authority comes from.
        """
        if effect_class == "external" and not primitive.startswith("human."):
            return True
        return any(fnmatchcase(primitive, pattern) for pattern in self._primitives)

    def consume(self, identity: str, context: Context) -> Grant:
        """Find a mandate for the call and spend it; an effect that spent one before gets its record instead.

        One that is for any process of the task is as good as one for this process.

        Raises:
            JournalError: The registry failed; nothing was spent and the effect must not happen.
        """
        anywhere = context.anywhere
        if self._once:
            earlier = self._registry.find(identity, context.binding)
            if earlier is not None and earlier.state == "reused":
                earlier = self._registry.find(identity, anywhere.binding)
            if earlier is not None:
                return _grant(earlier)
        mandate = self._find(context)
        meant = anywhere if mandate is not None and mandate.binding == anywhere.binding else context
        return self.consume_many([Call(identity, meant, mandate)])[0]

    def consume_many(
        self, calls: Sequence[Call], outcomes: Sequence[tuple[str, Mapping[str, Any]]] = ()
    ) -> list[Grant]:
        """Verify and spend the mandates of several calls with one commit; raises what :meth:`consume` raises.

        ``outcomes`` of earlier effects, by identity, are stored with the same commit.

        The order for each: signer, signature, time, context of the live call, then spending. A retry of an effect is
        recognised by its identity, also when its mandate has expired since.
        """
        now = int(self._clock() * 1000)
        grants: list[Grant | None] = []
        claims: list[Claim] = []
        for call in calls:
            mandate, binding = call.mandate, call.context.binding
            refused = _MISSING if mandate is None else self._verifier.refusal(mandate, binding, now)
            if mandate is None or (refused is not None and refused is not EXPIRED):
                grants.append(_refusal(refused or _MISSING))
            elif not self._once:
                grants.append(_grant(Spent("fresh", mandate.id)) if refused is None else _refusal(refused))
            else:
                # An expired one is offered all the same, as long past: the effect may have spent one before.
                claims.append(Claim(mandate.id, call.identity, binding, -1 if refused else mandate.expires_ms))
                grants.append(None)
        settled = [(identity, _encode(outcome)) for identity, outcome in outcomes] if self._once else []
        spent = iter(self._registry.spend_many(claims, settled) if claims or settled else ())
        return [grant if grant is not None else _grant(next(spent)) for grant in grants]

    def store(self, identity: str, outcome: Mapping[str, Any]) -> None:
        """Keep the outcome of an effect for its retries; the first one stays.

        Raises:
            JournalError: The registry failed; the outcome stays unknown there.
        """
        if self._once:
            self._registry.settle(identity, _encode(outcome))


def _encode(outcome: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(outcome, order="sorted")
    except (TypeError, UnicodeEncodeError) as error:
        raise InputError("the outcome is not plain JSON", hint=str(error)) from None


def _refusal(refused: Refused) -> Grant:
    return Grant("refused", f"mandate:{refused.slug}", refused.reason)


def _grant(spent: Spent) -> Grant:
    refused = _SPENT.get(spent.state)
    if refused is not None:
        return msgspec.structs.replace(_refusal(refused), mandate=spent.mandate)
    if spent.state == "stored":
        outcome = msgspec.json.decode(spent.outcome or b"{}", type=dict[str, Any])
        return Grant("stored", "mandate:stored", "this effect was carried out before", spent.mandate, outcome)
    if spent.state == "pending":
        reason = "the mandate is spent; whether the effect happened is not known"
        return Grant("pending", "mandate:pending", reason, spent.mandate)
    return Grant("fresh", "mandate:spent", "a mandate was spent on this call", spent.mandate)
