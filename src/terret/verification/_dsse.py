"""DSSE envelopes: a payload and its type, signed together."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Protocol, cast

from terret.errors import PackageError, SignatureInvalid

PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""The media type of an in-toto statement."""


class Signer(Protocol):
    """What :func:`dsse` needs of a signing key."""

    @property
    def public_hex(self) -> str:
        """The public key, 64 hex digits."""
        ...

    def sign(self, message: bytes) -> str:
        """The signature over a message, in hex."""
        ...


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes a DSSE signature covers: type and payload, each with its length."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def dsse(statement: dict[str, Any], key: Signer) -> dict[str, Any]:
    """An envelope around ``statement``, signed with an Ed25519 key; ``keyid`` is the public key in hex."""
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    signature = bytes.fromhex(key.sign(pae(PAYLOAD_TYPE, payload)))
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key.public_hex, "sig": base64.b64encode(signature).decode()}],
    }


def verify_dsse(envelope: dict[str, Any], public_key: str) -> dict[str, Any]:
    """The statement of an envelope of which at least one signature is by ``public_key`` (64 hex digits).

    Raises:
        PackageError: The envelope is malformed, or carries something other than an in-toto statement.
        SignatureInvalid: No signature is by that key.
    """
    from terret.journal import verify_signature

    kind, payload, signatures = _opened(envelope)
    if kind != PAYLOAD_TYPE:
        raise PackageError("the envelope does not carry an in-toto statement", value=kind, where="envelope")
    message = pae(kind, payload)
    if not any(verify_signature(public_key, message, signature.hex()) for signature in signatures):
        raise SignatureInvalid(
            "no signature of the envelope is by the given key", value=public_key, hint="ask the signer for their key"
        )
    try:
        statement = json.loads(payload)
    except ValueError as error:
        raise PackageError(f"the signed payload is not JSON: {error}", where="envelope") from None
    if not isinstance(statement, dict):
        raise PackageError("the signed payload is not a statement", where="envelope")
    return cast(dict[str, Any], statement)


def _opened(envelope: Any) -> tuple[str, bytes, list[bytes]]:
    try:
        kind = envelope["payloadType"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [base64.b64decode(item["sig"], validate=True) for item in envelope["signatures"]]
        if not isinstance(kind, str):
            raise TypeError("payloadType is not text")
    except KeyError as error:
        raise PackageError(f"the envelope has no {error.args[0]}", where="envelope") from None
    except (TypeError, AttributeError, IndexError, binascii.Error, ValueError) as error:
        raise PackageError(f"the envelope cannot be read: {error}", where="envelope") from None
    return kind, payload, signatures
