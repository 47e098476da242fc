"""Mandates: one signed permission for one call, and who issues them.

One signature covers a batch of any size: the mandates of a batch are the leaves of a hash tree, the root is signed, and
each mandate carries the siblings on its way to the root. A mandate issued alone is a tree of one leaf.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Sequence
from hashlib import sha256

import msgspec

from terret.errors import InputError
from terret.journal import SigningKey
from terret.mandates._context import Context
from terret.mandates._fields import fields

LEAF = "terret.mandate.leaf/1"
NODE = "terret.mandate.node/1"
ROOT = "terret.mandate.root/1"

_LEAF_HEAD = fields(LEAF, b"", b"", b"", b"")[:-16]
_LEAF_REST = struct.Struct(">I16sI32sIqIq").pack
_NODE_HEAD = fields(NODE, bytes(32), b"")[:-36]
_NODE_MIDDLE = (32).to_bytes(4, "big")

_STEP = 33
"""Bytes of one step of a path."""

MOST_SIBLINGS = 32
"""A longer path is refused: no batch has 2**32 mandates."""

Clock = Callable[[], float]
"""Unix seconds."""


class Mandate(msgspec.Struct, frozen=True, tag_field="kind", tag="mandate/1", forbid_unknown_fields=True, gc=False):
    """A permission that can be spent once, before ``expires_ms``, on the one call its ``binding`` stands for.

    ``id`` is 32 hex digits: 6 bytes of Unix milliseconds, so that the registry grows at one end, then 10 random bytes.
    ``issued_ms`` and ``expires_ms`` are Unix milliseconds. ``path`` are the siblings up to the signed root, nearest
    first, in hex: for each the side it is on (``00`` left, ``01`` right) and its 32 bytes.
    """

    id: str
    binding: str
    issued_ms: int
    expires_ms: int
    public_key: str
    signature: str
    path: str = ""

    @property
    def root(self) -> bytes:
        """The root that the path leads to; it is worth what its signature is worth.

        Raises:
            InputError: A field is not what it should be.
        """
        _hex(self.signature, 64)
        node = _leaf(self.id, self.binding, self.issued_ms, self.expires_ms)
        if not self.path:
            return node
        steps = len(self.path) // (2 * _STEP)
        if steps > MOST_SIBLINGS:
            raise InputError("the mandate's path is too long", value=steps)
        raw = _hex(self.path, steps * _STEP)
        for at in range(0, len(raw), _STEP):
            side, sibling = raw[at], raw[at + 1 : at + _STEP]
            if side > 1:
                raise InputError("a step of the mandate's path has no side", value=side)
            node = _node(node, sibling) if side else _node(sibling, node)
        return node

    def encode(self) -> bytes:
        """Canonical JSON."""
        return _encoder.encode(self)

    @classmethod
    def decode(cls, raw: bytes) -> Mandate:
        """The mandate of its JSON.

        Raises:
            InputError: The bytes are no mandate.
        """
        try:
            return _decoder.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InputError("the bytes are no mandate", value=raw[:80], hint=str(error)) from None


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(Mandate)


class Issuer:
    """Signs mandates.

    Args:
        key: Whoever trusts its public half accepts what is signed here.
        clock: Unix seconds.
    """

    def __init__(self, key: SigningKey, clock: Clock = time.time) -> None:
        self._key = key
        self._clock = clock

    @property
    def public_key(self) -> str:
        """The key a verifier has to trust, 64 hex digits."""
        return self._key.public_hex

    def issue(self, context: Context, lifetime_s: float) -> Mandate:
        """One mandate, valid from now on for ``lifetime_s`` seconds.

        Raises:
            InputError: ``lifetime_s`` is not positive.
        """
        return self.issue_many([context], lifetime_s)[0]

    def issue_many(self, contexts: Sequence[Context], lifetime_s: float) -> list[Mandate]:
        """One mandate for each context, all under one signature; raises what :meth:`issue` raises."""
        if not 0 < lifetime_s < float("inf"):
            raise InputError("a mandate's lifetime is a positive number of seconds", value=lifetime_s)
        issued = int(self._clock() * 1000)
        expires = issued + max(1, int(lifetime_s * 1000))
        names = [(issued.to_bytes(6, "big") + os.urandom(10)).hex() for _ in contexts]
        bindings = [context.binding for context in contexts]
        leaves = [_leaf(name, binding, issued, expires) for name, binding in zip(names, bindings, strict=True)]
        if not leaves:
            return []
        root, paths = _tree(leaves)
        signature = self._key.sign(signed_bytes(root))
        return [
            Mandate(name, binding, issued, expires, self.public_key, signature, path)
            for name, binding, path in zip(names, bindings, paths, strict=True)
        ]


def signed_bytes(root: bytes) -> bytes:
    """What a signature over a root covers."""
    return fields(ROOT, root)


def _leaf(name: str, binding: str, issued_ms: int, expires_ms: int) -> bytes:
    """The hash of ``fields(LEAF, id, binding, issued_ms, expires_ms)``, put together faster: all sizes are fixed."""
    raw = _hex(name + binding, 48) if len(name) == 32 else _hex(name, 16)
    try:
        return sha256(_LEAF_HEAD + _LEAF_REST(16, raw[:16], 32, raw[16:], 8, issued_ms, 8, expires_ms)).digest()
    except struct.error:
        raise InputError("a time of the mandate does not fit into 64 bits", value=(issued_ms, expires_ms)) from None


def _node(left: bytes, right: bytes) -> bytes:
    """The hash of ``fields(NODE, left, right)``, put together faster: both are 32 bytes."""
    return sha256(_NODE_HEAD + left + _NODE_MIDDLE + right).digest()


def _hex(text: str, size: int) -> bytes:
    """``size`` bytes; only lower-case digits, so that one value has one spelling."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != size or raw.hex() != text:
        raise InputError(f"a field of the mandate is not {2 * size} lower-case hex digits", value=text)
    return raw


def _tree(leaves: Sequence[bytes]) -> tuple[bytes, list[str]]:
    """The root, and every leaf's path; a node without a sibling moves up as it is."""
    paths = [""] * len(leaves)
    row = list(leaves)
    below = [[number] for number in range(len(leaves))]
    while len(row) > 1:
        upper: list[bytes] = []
        held: list[list[int]] = []
        for at in range(0, len(row) - 1, 2):
            left, right = row[at], row[at + 1]
            for leaf in below[at]:
                paths[leaf] += "01" + right.hex()
            for leaf in below[at + 1]:
                paths[leaf] += "00" + left.hex()
            upper.append(_node(left, right))
            held.append(below[at] + below[at + 1])
        if len(row) % 2:
            upper.append(row[-1])
            held.append(below[-1])
        row, below = upper, held
    return row[0], paths
