"""Archives and packages by the hash of their content, in the journals' own blob table: nothing is stored twice."""

from __future__ import annotations

from hashlib import sha256

from terret.errors import BlobMismatch, ConfigError
from terret.fleet._database import Database

MOST_BYTES = 512 << 20
"""PostgreSQL holds less than 1 GB in one value, and a worker holds it in memory."""


class Shelf:
    """Blobs in a fleet's PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, content: bytes) -> str:
        """Store ``content`` and return its digest (64 hex digits); storing twice is free.

        Raises:
            ConfigError: It is too large.
            InfrastructureError: PostgreSQL stayed away.
        """
        if len(content) > MOST_BYTES:
            hint = f"the most is {MOST_BYTES >> 20} MB; leave generated files out of the repository"
            raise ConfigError("too large for the fleet's store", value=f"{len(content) >> 20} MB", hint=hint)
        digest = sha256(content).hexdigest()
        if not self.has(digest):
            insert = "INSERT INTO terret.blob (digest, content) VALUES (%s, %s) ON CONFLICT DO NOTHING"
            self._database.rows(insert, (digest, content))
        return digest

    def has(self, digest: str) -> bool:
        """Whether a blob of that name is stored."""
        return bool(self._database.rows("SELECT 1 FROM terret.blob WHERE digest = %s", (digest,)))

    def get(self, digest: str) -> bytes:
        """The content of a blob.

        Raises:
            BlobMismatch: There is no such blob, or its content does not have that digest.
            InfrastructureError: PostgreSQL stayed away.
        """
        found = self._database.rows("SELECT content FROM terret.blob WHERE digest = %s", (digest,))
        if not found:
            raise BlobMismatch("a blob is missing in the fleet's store", value=digest)
        content = bytes(found[0][0])
        actual = sha256(content).hexdigest()
        if actual != digest:
            raise BlobMismatch("a blob's content does not have its name", value=actual, where=digest)
        return content
