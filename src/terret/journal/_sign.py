"""Ed25519 signatures over journal heads and anchors."""

from __future__ import annotations

import os
import stat
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from terret.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SEED_BYTES = 32
"""Length of an Ed25519 seed (RFC 8032)."""


def default_key_path() -> Path:
    """``$XDG_CONFIG_HOME/terret/signing.key``, or below ``~/.config``."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "terret" / "signing.key"


class SigningKey:
    """A private key; the file holds the raw seed in hex and is readable by its owner only.

    Args:
        seed: 32 bytes.
    """

    def __init__(self, seed: bytes) -> None:
        self._seed = seed

    @classmethod
    def generate(cls) -> SigningKey:
        """A new random key."""
        return cls(os.urandom(SEED_BYTES))

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Read a key file.

        Raises:
            ConfigError: The file is missing, unreadable, readable by others, or no seed.
        """
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = path.read_text("ascii", errors="replace").strip()
        except OSError as error:
            raise ConfigError(f"the signing key cannot be read: {error.strerror}", where=str(path)) from None
        if mode & 0o077:
            raise ConfigError(
                "the signing key is readable by others", value=f"{mode:04o}", where=str(path), hint=f"chmod 600 {path}"
            )
        try:
            seed = bytes.fromhex(text)
        except ValueError:
            seed = b""
        if len(seed) != SEED_BYTES:
            raise ConfigError(
                "the signing key is not 64 hex digits", where=str(path), hint="move the file away to get a new key"
            )
        return cls(seed)

    @classmethod
    def load_or_create(cls, path: Path) -> SigningKey:
        """Read a key file, or write a new one; two processes racing here end up with the same key.

        Raises:
            ConfigError: The file exists but is unusable, or cannot be written.
        """
        if path.exists():
            return cls.load(path)
        key = cls.generate()
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(key._seed.hex() + "\n")
            try:
                os.link(partial, path)
            except FileExistsError:
                return cls.load(path)
            finally:
                partial.unlink()
        except OSError as error:
            raise ConfigError(
                f"the signing key cannot be written: {error.strerror}", where=str(path), hint="set XDG_CONFIG_HOME"
            ) from None
        return key

    @cached_property
    def _private(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self._seed)

    @cached_property
    def public_hex(self) -> str:
        """The public key, 64 hex digits."""
        return self._private.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> str:
        """The signature over ``message``, 128 hex digits."""
        return self._private.sign(message).hex()


def verify_signature(public_hex: str, message: bytes, signature_hex: str) -> bool:
    """Whether the signature is good; malformed keys and signatures are not."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_hex)).verify(bytes.fromhex(signature_hex), message)
    except (ValueError, InvalidSignature):
        return False
    return True
