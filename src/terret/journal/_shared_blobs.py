"""Blobs of an episode whose journal machines share: a folder of one's own before the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from terret.errors import BlobMismatch
from terret.journal._blobs import BlobStore, Durability
from terret.journal._stores import SharedStore


class SharedBlobs(BlobStore):
    """Writes to a folder and, with the next commit, to the store; reads from the store what the folder lacks."""

    def __init__(
        self,
        root: Path,
        store: SharedStore,
        *,
        durability: Durability = "normal",
        faults: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(root, durability=durability, faults=faults)
        self._store = store
        self._given: set[str] = set()

    def put(self, content: bytes) -> str:
        """Store ``content`` and return its digest; raises JournalWriteFailed."""
        digest = super().put(content)
        if digest not in self._given:
            self._store.put_blob(digest, content)
            self._given.add(digest)
        return digest

    def get(self, digest: str) -> bytes:
        """The content of a blob; raises BlobMismatch."""
        try:
            return super().get(digest)
        except BlobMismatch:
            self._fetch(digest)
        return super().get(digest)

    def has(self, digest: str) -> bool:
        """Whether a blob of that name is stored, here or there."""
        return super().has(digest) or (self.is_digest(digest) and self._store.has_blob(digest))

    def path(self, digest: str) -> Path:
        """The file of a blob, fetched when it is not here; raises BlobMismatch."""
        if not super().has(digest):
            self._fetch(digest)
        return super().path(digest)

    def _fetch(self, digest: str) -> None:
        content = self._store.get_blob(digest) if self.is_digest(digest) else None
        if content is not None:
            # A damaged one of the same size would not be written again.
            (self.root / digest).unlink(missing_ok=True)
            super().put(content)
