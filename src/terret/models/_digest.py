"""The identity of a request: a chain over its messages, so that a growing conversation costs the same at every step."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from terret.models._types import Message, Request

GENESIS_DIGEST = "0" * 64
"""The digest of no messages."""

_encoder = msgspec.json.Encoder(order="sorted")


def chain_digest(previous: str, message: Message) -> str:
    """The digest of a conversation one message longer (64 hex digits)."""
    return sha256(previous.encode() + _encoder.encode(message)).hexdigest()


def request_digest(request: Request) -> str:
    """The digest of a request's messages; sampling and tools are recorded beside it."""
    digest = GENESIS_DIGEST
    for message in request.messages:
        digest = chain_digest(digest, message)
    return digest
