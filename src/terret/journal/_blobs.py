"""Content-addressed storage for everything too large to live inside an event."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Literal

from terret.errors import BlobMismatch, JournalWriteFailed
from terret.journal._codec import well_formed
from terret.journal._events import INLINE_LIMIT, Text

Durability = Literal["normal", "full"]
"""``normal`` survives the death of the process, ``full`` also the loss of power."""

HEAD_LIMIT = 200
"""Characters of a blob's first line kept inside the event."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PARTIAL = re.compile(r"\.[0-9a-f]{64}\.\d+\.\d+")
_serial = count()


class BlobStore:
    """A flat folder of files named by the SHA-256 of their content.

    Args:
        root: The folder; created on the first write.
        durability: ``full`` syncs every new blob and the folder before :meth:`put` returns.
        faults: Told of every blob before and after it gets its name.
    """

    def __init__(
        self, root: Path, *, durability: Durability = "normal", faults: Callable[[str], None] | None = None
    ) -> None:
        self.root = root
        self.faults = faults
        self._full = durability == "full"

    def put(self, content: bytes) -> str:
        """Store ``content`` atomically and return its digest (64 hex digits); storing twice is free.

        Raises:
            JournalWriteFailed: The folder cannot be written.
        """
        digest = sha256(content).hexdigest()
        target = self.root / digest
        try:
            # A blob of another size is the remains of a power loss and is written again.
            if not (target.is_file() and target.stat().st_size == len(content)):
                self._write(target, content)
        except OSError as error:
            raise JournalWriteFailed(
                f"a blob cannot be written: {error.strerror}", where=str(target), hint="free disk space or check rights"
            ) from None
        return digest

    def get(self, digest: str) -> bytes:
        """The content of a blob.

        Raises:
            BlobMismatch: There is no such blob, or its content does not have that digest.
        """
        if not _DIGEST.fullmatch(digest):
            raise BlobMismatch("not a blob digest", value=digest, hint="a digest is 64 hex digits")
        path = self.root / digest
        try:
            content = path.read_bytes() if path.is_file() else None
        except OSError as error:
            raise BlobMismatch(f"a blob cannot be read: {error.strerror}", where=str(path)) from None
        if content is None:
            raise BlobMismatch("a blob is missing", where=str(path))
        actual = sha256(content).hexdigest()
        if actual != digest:
            raise BlobMismatch("a blob's content does not have its name", value=actual, where=str(path))
        return content

    def has(self, digest: str) -> bool:
        """Whether a blob of that name is stored; its content is not read."""
        return bool(_DIGEST.fullmatch(digest)) and (self.root / digest).is_file()

    def path(self, digest: str) -> Path:
        """The file of a blob.

        Raises:
            BlobMismatch: There is none.
        """
        if not BlobStore.has(self, digest):
            raise BlobMismatch("a blob is missing", where=str(self.root / digest))
        return self.root / digest

    @staticmethod
    def is_digest(name: str) -> bool:
        """Whether a text has the form of a blob's name."""
        return bool(_DIGEST.fullmatch(name))

    def sweep(self) -> None:
        """Remove what a crash left of blobs that were being written; only the store's owner may."""
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(self.root)):
                if _PARTIAL.fullmatch(entry.name):
                    Path(entry.path).unlink(missing_ok=True)

    def digests(self) -> list[str]:
        """The names of all stored blobs, sorted."""
        return sorted(self._names())

    def _names(self) -> Iterator[str]:
        if self.root.is_dir():
            for entry in os.scandir(self.root):
                if _DIGEST.fullmatch(entry.name):
                    yield entry.name

    def _write(self, target: Path, content: bytes) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        partial = self.root / f".{target.name}.{os.getpid()}.{next(_serial)}"
        try:
            with partial.open("wb") as file:
                file.write(content)
                if self._full:
                    file.flush()
                    os.fsync(file.fileno())
            if self.faults is not None:
                self.faults("blob.before")
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        if self._full:
            sync_folder(self.root)
        if self.faults is not None:
            self.faults("blob.after")


def sync_folder(folder: Path) -> None:
    """Make the names inside a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def store_text(text: str, blobs: BlobStore, limit: int = INLINE_LIMIT) -> Text:
    """Keep a text of at most ``limit`` characters inline, a longer one as a blob.

    Raises:
        JournalWriteFailed: The blob cannot be written.
    """
    text = well_formed(text)
    content = text.encode()
    if len(text) <= limit:
        return Text(size=len(content), inline=text)
    first = text[:HEAD_LIMIT].split("\n", 1)[0]
    return Text(size=len(content), blob=blobs.put(content), head=first)


def load_text(text: Text, blobs: BlobStore) -> str:
    """The whole text, wherever it lives.

    Raises:
        BlobMismatch: The text lives in a blob that is missing, damaged or not UTF-8.
    """
    if text.inline is not None:
        return text.inline
    if text.blob is None:
        raise BlobMismatch("a text has neither content nor blob", value=text)
    try:
        return blobs.get(text.blob).decode()
    except UnicodeDecodeError:
        raise BlobMismatch("a text blob is not UTF-8", value=text.blob) from None
