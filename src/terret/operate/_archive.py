"""An archive: one file that holds finished episodes, each blob once, everything compressed, all of it verifiable.

Kept of a package are its journal and head byte for byte, and its blobs; what the journal yields is derived again when
the package is unpacked.
"""

from __future__ import annotations

import contextlib
import lzma
import sqlite3
from collections.abc import Generator
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from terret.errors import BlobMismatch, ConfigError, EpisodeNotFound, InfrastructureError, PackageError
from terret.journal import BlobStore, Event, project, read_journal_jsonl

ARCHIVE = "archive.db"
"""The name of an archive in its folder."""

APPLICATION_ID = 0x74657261
"""Marks the SQLite file as an archive of terret's (``tera``)."""

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE episode (
  id TEXT PRIMARY KEY, head BLOB NOT NULL, journal BLOB NOT NULL, ended REAL NOT NULL, label TEXT,
  bytes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE blob (
  number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, packed INTEGER NOT NULL, content BLOB NOT NULL
);
CREATE TABLE uses (episode TEXT NOT NULL, blob INTEGER NOT NULL, PRIMARY KEY (episode, blob)) WITHOUT ROWID;
CREATE INDEX used_by ON uses (blob);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = 1;
COMMIT;
"""

_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6}]


class ArchivedEpisode(msgspec.Struct, frozen=True):
    """One packed episode: when it ended (Unix seconds), its label, and the size of its files before."""

    id: str
    ended: float
    label: str | None
    bytes: int


class Archive:
    """Packed episodes in one SQLite file; every change is one transaction.

    Args:
        path: The file.
        create: Make it when it is not there; otherwise it is only read.

    Raises:
        PackageError: The file is no archive, or is damaged.
        EpisodeNotFound: There is no such file.
        InfrastructureError: It cannot be written.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        if not create and not path.is_file():
            raise EpisodeNotFound("there is no such archive", where=str(path))
        from urllib.parse import quote

        uri = f"file:{quote(str(path.absolute()))}?mode={'rwc' if create else 'ro'}"
        with self._reading():
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5.0, check_same_thread=False)
        try:
            self._prepare(create)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, create: bool) -> None:
        with self._reading():
            empty = not self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            if create and empty:
                self._db.executescript(_SCHEMA)
            marks = [self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
        if marks != [APPLICATION_ID, 1]:
            raise PackageError("the file is no archive of episodes", where=str(self.path))

    def episodes(self) -> list[ArchivedEpisode]:
        """All packed episodes, oldest first."""
        with self._reading():
            rows = self._db.execute("SELECT id, ended, label, bytes FROM episode ORDER BY ended, id").fetchall()
        return [ArchivedEpisode(*row) for row in rows]

    def head(self, episode: str) -> bytes:
        """An episode's ``head.json``; raises EpisodeNotFound."""
        return self._row(episode)[0]

    def journal(self, episode: str) -> bytes:
        """An episode's ``journal.jsonl``; raises EpisodeNotFound, PackageError when it cannot be unpacked."""
        return _unpack(self._row(episode)[1], f"{self.path}, {episode}")

    def events(self, episode: str) -> list[Event]:
        """An episode's events, each hash checked."""
        return read_journal_jsonl(self.journal(episode))

    def blob(self, digest: str) -> bytes:
        """The content of a blob, its digest checked; raises BlobMismatch."""
        with self._reading():
            name = bytes.fromhex(digest)
            row = self._db.execute("SELECT packed, content FROM blob WHERE digest = ?", (name,)).fetchone()
        if row is None:
            raise BlobMismatch("a blob is missing", value=digest, where=str(self.path))
        content = _unpack(row[1], f"{self.path}, blob {digest}") if row[0] else bytes(row[1])
        if sha256(content).hexdigest() != digest:
            raise BlobMismatch("a blob's content does not have its name", value=digest, where=str(self.path))
        return content

    def digests(self, episode: str) -> list[str]:
        """The blobs of an episode."""
        query = "SELECT hex(digest) FROM uses JOIN blob ON number = blob WHERE episode = ? ORDER BY 1"
        with self._reading():
            return [str(row[0]).lower() for row in self._db.execute(query, (episode,))]

    def add(
        self,
        episode: str,
        head: bytes,
        journal: bytes,
        blobs: dict[str, bytes],
        *,
        ended: float,
        label: str | None,
        size: int,
    ) -> None:
        """Pack an episode that is proved already; it is read back and compared before the transaction ends.

        Raises:
            ConfigError: Another episode of that id is here.
            PackageError: What was written does not read back.
        """
        with self._writing():
            kept = self._db.execute("SELECT head FROM episode WHERE id = ?", (episode,)).fetchone()
            if kept is not None:
                if bytes(kept[0]) == head:
                    return
                raise ConfigError("the archive holds another episode of that id", value=episode, where=str(self.path))
            insert = "INSERT INTO episode VALUES (?, ?, ?, ?, ?, ?)"
            self._db.execute(insert, (episode, head, _pack(journal), ended, label, size))
            for digest, content in blobs.items():
                self._keep(bytes.fromhex(digest), content)
                use = "INSERT INTO uses SELECT ?, number FROM blob WHERE digest = ?"
                self._db.execute(use, (episode, bytes.fromhex(digest)))
            if self.journal(episode) != journal or any(self.blob(digest) != blobs[digest] for digest in blobs):
                raise PackageError("what was packed does not read back", value=episode, where=str(self.path))

    def remove(self, episode: str) -> None:
        """Take an episode out, with the blobs that no other uses; raises EpisodeNotFound."""
        self._row(episode)
        with self._writing():
            own = "SELECT blob FROM uses WHERE episode = ?1"
            shared = "SELECT blob FROM uses WHERE episode <> ?1"
            self._db.execute(f"DELETE FROM blob WHERE number IN ({own}) AND number NOT IN ({shared})", (episode,))
            self._db.execute("DELETE FROM uses WHERE episode = ?", (episode,))
            self._db.execute("DELETE FROM episode WHERE id = ?", (episode,))

    def shrink(self) -> None:
        """Give the room of what was removed back to the disk."""
        with self._reading():
            self._db.execute("VACUUM")

    def unpack(self, episode: str, folder: Path) -> None:
        """Write an episode's package into a new folder, what the journal yields derived again.

        Nothing is proved by unpacking; :func:`terret.journal.check_package` does that.

        Raises:
            EpisodeNotFound: It is not here.
            PackageError: A part is damaged; BlobMismatch for a blob.
            InfrastructureError: The folder cannot be written.
        """
        head, journal = self.head(episode), self.journal(episode)
        blobs = {digest: self.blob(digest) for digest in self.digests(episode)}
        try:
            store = BlobStore(folder / "blobs")
            store.root.mkdir(parents=True)
            for content in blobs.values():
                store.put(content)
            for name, content in {"journal.jsonl": journal, **project(read_journal_jsonl(journal), store)}.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            (folder / "head.json").write_bytes(head)
        except OSError as error:
            raise InfrastructureError(
                f"the package cannot be written: {error.strerror}", where=str(folder), hint="free disk space"
            ) from None

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep(self, digest: bytes, content: bytes) -> None:
        if self._db.execute("SELECT 1 FROM blob WHERE digest = ?", (digest,)).fetchone() is None:
            packed = _pack(content)
            worth = len(packed) < len(content)
            insert = "INSERT INTO blob (digest, packed, content) VALUES (?, ?, ?)"
            self._db.execute(insert, (digest, worth, packed if worth else content))

    def _row(self, episode: str) -> tuple[bytes, bytes]:
        with self._reading():
            row: Any = self._db.execute("SELECT head, journal FROM episode WHERE id = ?", (episode,)).fetchone()
        if row is None:
            raise EpisodeNotFound("the archive does not hold the episode", value=episode, where=str(self.path))
        return bytes(row[0]), bytes(row[1])

    @contextlib.contextmanager
    def _reading(self) -> Generator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise InfrastructureError(f"the archive cannot be used: {error}", where=str(self.path)) from None
        except sqlite3.DatabaseError as error:
            raise PackageError(f"the archive is damaged: {error}", where=str(self.path)) from None

    @contextlib.contextmanager
    def _writing(self) -> Generator[None]:
        with self._reading():
            self._db.execute("BEGIN IMMEDIATE")
        try:
            with self._reading():
                yield
                self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.rollback()


class ArchivedBlobs(BlobStore):
    """The blobs of an archive, which is opened for each; none can be stored."""

    def get(self, digest: str) -> bytes:
        """The content of a blob; raises BlobMismatch."""
        with Archive(self.root) as archive:
            return archive.blob(digest)

    def has(self, digest: str) -> bool:
        """Whether the archive holds a blob."""
        with contextlib.suppress(BlobMismatch, ValueError):
            self.get(digest)
            return True
        return False


def _pack(content: bytes) -> bytes:
    return lzma.compress(content, lzma.FORMAT_XZ, filters=_FILTERS)


def _unpack(content: bytes, where: str) -> bytes:
    try:
        return lzma.decompress(content, lzma.FORMAT_XZ)
    except lzma.LZMAError as error:
        raise PackageError(f"a part of the archive cannot be unpacked: {error}", where=where) from None
