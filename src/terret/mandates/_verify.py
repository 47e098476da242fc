"""Is a mandate genuine, in time and meant for this call?"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection
from typing import NamedTuple

from terret.errors import InputError
from terret.journal import verify_signature
from terret.mandates._mandate import Mandate, signed_bytes

REMEMBERED_ROOTS = 4096
"""Signatures found good that need not be checked again."""

LONGEST_S = 86_400.0
"""Default bound on a mandate's lifetime, seconds."""


class Refused(NamedTuple):
    """Why a mandate does not authorise a call: a stable slug and one sentence."""

    slug: str
    reason: str


EXPIRED = Refused("expired", "the mandate has expired")


class Verifier:
    """Checks mandates in a fixed order: shape, signer, signature, time, context. Spending is the registry's.

    Args:
        trusted: Public keys (64 hex digits) whose mandates count.
        longest_s: A mandate with a longer lifetime is refused: the registry has to remember it until it expires.
        skew_s: By how much an issuer's clock may be ahead of this one.
        check_binding: Off only to measure what the binding is worth.
    """

    def __init__(
        self,
        trusted: Collection[str],
        *,
        longest_s: float = LONGEST_S,
        skew_s: float = 1.0,
        check_binding: bool = True,
    ) -> None:
        self._trusted = frozenset(trusted)
        self._longest_ms = int(longest_s * 1000)
        self._skew_ms = int(skew_s * 1000)
        self._check_binding = check_binding
        self._good: OrderedDict[tuple[str, str, bytes], None] = OrderedDict()
        self._lock = threading.Lock()

    def refusal(self, mandate: Mandate, binding: str, now_ms: int) -> Refused | None:
        """Why the mandate does not authorise the call of that live binding at ``now_ms``; ``None`` when it does."""
        if mandate.public_key not in self._trusted:
            return Refused("untrusted", "the mandate is signed with a key that is not trusted")
        try:
            root = mandate.root
        except InputError as error:
            return Refused("malformed", error.message)
        if not self._signed(mandate, root):
            return Refused("signature", "the mandate's signature is not good")
        return self._untimely(mandate, now_ms) or self._redirected(mandate, binding)

    def _untimely(self, mandate: Mandate, now_ms: int) -> Refused | None:
        if mandate.expires_ms - mandate.issued_ms > self._longest_ms:
            return Refused("lifetime", f"the mandate is valid for more than {self._longest_ms / 1000:g} s")
        if mandate.issued_ms > now_ms + self._skew_ms:
            return Refused("early", "the mandate is not valid yet")
        return EXPIRED if mandate.expires_ms <= now_ms else None

    def _redirected(self, mandate: Mandate, binding: str) -> Refused | None:
        if self._check_binding and mandate.binding != binding:
            return Refused("redirected", "the mandate was given for another call")
        return None

    def _signed(self, mandate: Mandate, root: bytes) -> bool:
        name = (mandate.public_key, mandate.signature, root)
        with self._lock:
            if name in self._good:
                self._good.move_to_end(name)
                return True
        if not verify_signature(mandate.public_key, signed_bytes(root), mandate.signature):
            return False
        with self._lock:
            self._good[name] = None
            if len(self._good) > REMEMBERED_ROOTS:
                self._good.popitem(last=False)
        return True
