"""The signed summary of a journal: how many events, the last hash, and the anchors on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from terret.errors import PackageError
from terret.journal._codec import canonical
from terret.journal._sign import SigningKey, verify_signature

if TYPE_CHECKING:
    from terret.journal._journal import Journal

ANCHOR_EVERY = 50
"""Events between two anchors: the events 49, 99, ... are anchored."""


class Anchor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signature over the hash of one event, made when that event became durable."""

    seq: int
    hash: str
    signature: str


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the owner of the key vouches for.

    ``count`` events, the last of which has the hash ``last``; ``signature`` covers every other field.
    """

    episode: str
    count: int
    last: str
    anchors: list[Anchor]
    public_key: str
    signature: str

    def message(self) -> bytes:
        """The bytes the signature covers: the canonical head without it."""
        fields = msgspec.to_builtins(self)
        del fields["signature"]
        return canonical(fields)

    def to_json(self) -> bytes:
        """The content of ``head.json``."""
        return canonical(self) + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> Head:
        """Read ``head.json``.

        Raises:
            PackageError: The content is not a head.
        """
        try:
            return msgspec.json.decode(content, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PackageError(f"the head cannot be read: {error}", where="head.json") from None


def anchor_message(episode: str, seq: int, digest: str) -> bytes:
    """The bytes an anchor's signature covers."""
    return canonical({"episode": episode, "seq": seq, "hash": digest})


def sign_anchor(key: SigningKey, episode: str, seq: int, digest: str) -> Anchor:
    """Vouch for one event."""
    return Anchor(seq=seq, hash=digest, signature=key.sign(anchor_message(episode, seq, digest)))


def anchor_is_signed(head: Head, anchor: Anchor) -> bool:
    """Whether an anchor's signature is by the head's key."""
    return verify_signature(head.public_key, anchor_message(head.episode, anchor.seq, anchor.hash), anchor.signature)


def sign_head(key: SigningKey, episode: str, count: int, last: str, anchors: list[Anchor]) -> Head:
    """Vouch for a whole journal."""
    unsigned = Head(episode=episode, count=count, last=last, anchors=anchors, public_key=key.public_hex, signature="")
    return msgspec.structs.replace(unsigned, signature=key.sign(unsigned.message()))


def seal(journal: Journal) -> Head:
    """Make everything appended durable and sign it.

    Raises:
        JournalWriteFailed: The last events could not be made durable.
    """
    journal.commit()
    count, last = journal.head
    return sign_head(journal.key, journal.episode, count, last, journal.anchors())
