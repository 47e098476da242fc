"""Weights being put together: a partial file that survives a kill and is hashed while it grows."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO

from terret.errors import DigestMismatch, DownloadError
from terret.models._catalogue._entry import CatalogueEntry, Part

CHUNK = 1 << 20
"""Bytes read at a time."""


class Assembly:
    """The partial file of one entry.

    ``length`` counts the bytes in it. Used as a context manager; leaving it keeps what was written for a later resume.
    """

    def __init__(self, path: Path, entry: CatalogueEntry, on_bytes: Callable[[int], None]) -> None:
        self.path = path
        self.length = 0
        self._entry = entry
        self._on_bytes = on_bytes
        self._digest = sha256()
        path.touch()
        self._file = path.open("r+b")

    def __enter__(self) -> Assembly:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        empty = os.fstat(self._file.fileno()).st_size == 0
        self._file.close()
        if empty:
            self.path.unlink(missing_ok=True)

    def keep_all(self) -> int:
        """Take over everything an earlier pull left; the bytes taken over."""
        self._rewind()
        for chunk in chunks(self._file):
            self._digest.update(chunk)
            self.length += len(chunk)
        if self.length > self._entry.size:
            self.restart()
        self._on_bytes(self.length)
        return self.length

    def keep_parts(self, parts: Sequence[Part]) -> int:
        """Take over the leading parts that are complete and have their digest; the number of parts taken over."""
        self._rewind()
        kept = 0
        for part in parts:
            own, whole, left = sha256(), self._digest.copy(), part.size
            while left and (chunk := self._file.read(min(CHUNK, left))):
                own.update(chunk)
                whole.update(chunk)
                left -= len(chunk)
            if left or own.hexdigest() != part.sha256:
                break
            self._digest, kept, self.length = whole, kept + 1, self.length + part.size
            self._on_bytes(self.length)
        self._cut()
        return kept

    def restart(self) -> None:
        """Forget everything written so far."""
        self._rewind()
        self._cut()

    def write(self, chunk: bytes) -> None:
        """Append bytes.

        Raises:
            DownloadError: More bytes than the entry has.
        """
        if self.length + len(chunk) > self._entry.size:
            raise DownloadError("the file is longer than the catalogue says", value=self._entry.size)
        self._file.write(chunk)
        self._digest.update(chunk)
        self.length += len(chunk)
        self._on_bytes(self.length)

    @contextmanager
    def part(self, part: Part) -> Generator[Callable[[bytes], None], None, None]:
        """Append one part through the yielded function; nothing of it stays unless it has its size and digest.

        Raises:
            DigestMismatch: The part is not what the catalogue says.
        """
        own, start, before = sha256(), self.length, self._digest.copy()

        def write(chunk: bytes) -> None:
            own.update(chunk)
            self.write(chunk)

        try:
            yield write
            if own.hexdigest() != part.sha256:
                raise DigestMismatch("a part does not have its digest", value=own.hexdigest(), where=part.member)
        except Exception:
            self.length, self._digest = start, before
            self._cut()
            raise
        self._file.flush()

    def finish(self, target: Path) -> None:
        """Check size and digest and move the file to ``target``.

        Raises:
            DownloadError: Bytes are missing; they can still be appended by a later pull.
            DigestMismatch: The bytes are wrong; the partial file is gone.
        """
        if self.length < self._entry.size:
            raise DownloadError("the file ends early", value=self.length, hint=f"{self._entry.size} bytes expected")
        actual = self._digest.hexdigest()
        if actual != self._entry.sha256:
            self.path.unlink()
            raise DigestMismatch("the weights do not have the catalogue's digest", value=actual)
        self._file.flush()
        os.fsync(self._file.fileno())
        self.path.replace(target)

    def _rewind(self) -> None:
        self._file.seek(0)
        self.length = 0
        self._digest = sha256()

    def _cut(self) -> None:
        self._file.flush()
        self._file.seek(self.length)
        self._file.truncate()


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of a binary file in pieces."""
    while chunk := file.read(CHUNK):
        yield chunk
