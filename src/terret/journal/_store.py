"""The store: one SQLite file in WAL mode, one writer, any number of episodes and readers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from terret.errors import EpisodeNotFound, JournalCorrupt, JournalError, JournalWriteFailed
from terret.journal._blobs import Durability
from terret.journal._head import Anchor
from terret.journal._stores import Lease, Row, fenced, hold

APPLICATION_ID = 0x74657272
"""Marks the SQLite file as terret's (``terr``)."""

SCHEMA_VERSION = 2

_LEASE = "CREATE TABLE lease (episode INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, owner TEXT NOT NULL);"
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE episode (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, public_key TEXT NOT NULL);
CREATE TABLE event (id INTEGER PRIMARY KEY, line BLOB NOT NULL);
CREATE TABLE anchor (id INTEGER PRIMARY KEY, hash TEXT NOT NULL, signature TEXT NOT NULL);
CREATE TABLE set_aside (moved_at REAL NOT NULL, reason TEXT NOT NULL, id INTEGER NOT NULL, line BLOB NOT NULL);
{_LEASE}
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

_UPGRADE = f"BEGIN IMMEDIATE; {_LEASE} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
"""Version 1 had no leases."""

_SHIFT = 32
"""A row's id is ``episode number << 32 | seq``: one B-tree, appended to at its end."""
_LAST = (1 << _SHIFT) - 1

_ROWS = 250
"""Lines in one statement; SQLite allows 32,766 values."""
_FENCE = " WHERE EXISTS (SELECT 1 FROM lease WHERE episode = ? AND epoch = ?)"

_PAGE_BYTES = 8192
"""Of a new file; with the usual 4096 a step's events fill a page at every other commit, which then writes four."""

_CHECKPOINT_PAGES = 8192
"""64 MB of log; a checkpoint syncs, which costs more than a thousand commits, and closing makes one anyway."""

_RESTORE = "restore it from a copy; it was not changed"
_SYNCHRONOUS = {"normal": "NORMAL", "full": "FULL"}
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}


class Store:
    """Stored lines and anchors of episodes.

    Args:
        path: The file; created unless ``read_only``.
        durability: ``normal`` survives the death of the process, ``full`` also the loss of power.
        read_only: Never write; safe beside a live writer.

    Raises:
        JournalCorrupt: The file is not a sound SQLite database of terret's.
        JournalError: The file cannot be opened, or a newer terret wrote it.
    """

    def __init__(self, path: Path, durability: Durability = "normal", *, read_only: bool = False) -> None:
        self.path = path
        self.faults: Callable[[str], None] | None = None
        """Told of every commit before and after it."""
        self._numbers: dict[str, int] = {}
        blame = _read_error if read_only or path.exists() else _write_error
        from urllib.parse import quote

        uri = f"file:{quote(str(path.absolute()))}?mode={'ro' if read_only else 'rwc'}"
        try:
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)
        except sqlite3.Error as error:
            raise blame(error, path) from None
        try:
            self._prepare(durability, read_only)
        except sqlite3.Error as error:
            self._db.close()
            raise blame(error, path) from None
        except (EpisodeNotFound, JournalError):
            self._db.close()
            raise

    def _prepare(self, durability: Durability, read_only: bool) -> None:
        version = self._value("PRAGMA user_version")
        if version == 0 and self._value("SELECT count(*) FROM sqlite_schema") == 0:
            if read_only:
                raise EpisodeNotFound(
                    "the episode never began: its journal is empty",
                    where=str(self.path),
                    hint="remove the folder and run again",
                )
            self._db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(_SCHEMA)
        elif self._value("PRAGMA application_id") != APPLICATION_ID:
            raise JournalCorrupt("the file is not a terret journal", where=str(self.path))
        elif version == 1 and not read_only:
            self._db.executescript(_UPGRADE)
        elif version not in (1, SCHEMA_VERSION):
            raise JournalError(
                "the journal was written by another terret", value=version, hint="use the version that wrote it"
            )
        self._db.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")

    @property
    def place(self) -> str:
        """The path of the file."""
        return str(self.path)

    def add_episode(self, name: str, public_key: str) -> None:
        """Begin an episode.

        Raises:
            JournalError: There is one of that name already.
            JournalWriteFailed: The file cannot be written.
        """
        if self._find(name) is not None:
            raise JournalError("the journal holds an episode of that name", value=name, where=str(self.path))
        self._transact([("INSERT INTO episode (name, public_key) VALUES (?, ?)", [(name, public_key)])])

    def claim(self, episode: str, owner: str) -> int:
        """Make a new owner the only one that may write an episode; its epoch, the fencing token.

        Raises:
            JournalError: There is no such episode.
            JournalWriteFailed: The file cannot be written; the owner is the same as before.
        """
        number = self._number(episode)
        self._transact(
            [
                (
                    "INSERT INTO lease (episode, epoch, owner) VALUES (?, 1, ?)"
                    " ON CONFLICT (episode) DO UPDATE SET epoch = epoch + 1, owner = excluded.owner",
                    [(number, owner)],
                )
            ]
        )
        lease = self.lease(episode)
        if lease is None or lease.owner != owner:
            raise fenced(lease, self.place)
        return lease.epoch

    def lease(self, episode: str) -> Lease | None:
        """Who owns an episode; ``None`` when nobody ever did. Raises what :meth:`lines` raises."""
        found = self._select("SELECT epoch, owner FROM lease WHERE episode = ?", self._number(episode))
        return Lease(int(found[0][0]), str(found[0][1])) if found else None

    def hold(self, episode: str, epoch: int) -> None:
        """Make sure that an epoch is the present one.

        Raises:
            JournalBusy: Another process has taken the episode over.
            JournalError: The file cannot be read.
        """
        hold(self.lease(episode), epoch, self.place)

    def write(
        self, episode: str, rows: Sequence[Row], anchors: Sequence[Anchor] = (), epoch: int | None = None
    ) -> None:
        """Append at least one line, and anchors, in one transaction: all or none.

        With an ``epoch`` only if it is the present one.

        Raises:
            JournalBusy: Another process has taken the episode over; nothing was written.
            JournalError: There is no such episode.
            JournalWriteFailed: The file cannot be written; nothing was.
        """
        number = self._number(episode)
        base = number << _SHIFT
        try:
            if self.faults is not None:
                self.faults("commit.before")
            if anchors or len(rows) > _ROWS:
                signed = [(base | anchor.seq, anchor.hash, anchor.signature) for anchor in anchors]
                insert = "INSERT INTO anchor (id, hash, signature) VALUES (?, ?, ?)"
                self._transact([(insert, signed)], lambda: self._append(number, rows, epoch))
            else:
                self._append(number, rows, epoch)
            if self.faults is not None:
                self.faults("commit.after")
        except sqlite3.Error as error:
            raise _write_error(error, self.path) from None

    def _append(self, number: int, rows: Sequence[Row], epoch: int | None) -> None:
        """Append lines, with an ``epoch`` only if it is the present one; up to ``_ROWS`` are one transaction."""
        base = number << _SHIFT
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS]
            values: list[object] = []
            for seq, line in part:
                values += (base | seq, line)
            if epoch is None:
                self._db.execute(_insert(len(part)), values)
                continue
            # The check and the write are one statement, hence one transaction.
            if self._db.execute(_insert(len(part)) + _FENCE, [*values, number, epoch]).rowcount < 1:
                found = self._db.execute("SELECT epoch, owner FROM lease WHERE episode = ?", (number,)).fetchone()
                raise fenced(Lease(*found) if found else None, self.place)

    def set_aside(self, episode: str, first: int, reason: str, now: float) -> None:
        """Take the events from ``first`` on out of the chain; their bytes stay in table ``set_aside``.

        Raises:
            JournalWriteFailed: The file cannot be written; nothing was.
        """
        base = self._number(episode) << _SHIFT
        span = (base | first, base | _LAST)
        copy = "INSERT INTO set_aside SELECT ?, ?, id, line FROM event WHERE id BETWEEN ? AND ?"
        self._transact(
            [(copy, [(now, reason, *span)]), ("DELETE FROM event WHERE id BETWEEN ? AND ?", [span])],
        )

    def lines(self, episode: str, after: int = -1) -> list[bytes]:
        """The stored lines with a seq above ``after``, in order; none for an unknown episode.

        Raises:
            JournalCorrupt: The file is damaged.
        """
        return [line for _, line in self.rows(episode, after)]

    def rows(self, episode: str, after: int = -1) -> list[Row]:
        """The seqs and stored lines above ``after``, in order; raises what :meth:`lines` raises."""
        number = self._find(episode)
        if number is None:
            return []
        base = number << _SHIFT
        rows: list[Row] = []
        try:
            query = "SELECT id, line FROM event WHERE id BETWEEN ? AND ? ORDER BY id"
            for key, line in self._db.execute(query, (base | after + 1, base | _LAST)):
                rows.append((key & _LAST, bytes(line)))
        except (sqlite3.Error, TypeError, ValueError) as error:
            where = f"{self.path}, event {after + 1 + len(rows)}"
            raise JournalCorrupt(f"the journal file is damaged: {error}", where=where, hint=_RESTORE) from None
        return rows

    def anchors(self, episode: str) -> list[Anchor]:
        """The episode's anchors, in order; raises what :meth:`lines` raises."""
        number = self._find(episode)
        if number is None:
            return []
        query = "SELECT id, hash, signature FROM anchor WHERE id BETWEEN ? AND ? ORDER BY id"
        return [
            Anchor(seq=int(key) & _LAST, hash=str(digest), signature=str(signature))
            for key, digest, signature in self._select(query, number << _SHIFT, number << _SHIFT | _LAST)
        ]

    def episodes(self) -> list[str]:
        """The names of all episodes, oldest first; raises what :meth:`lines` raises."""
        return [str(name) for (name,) in self._select("SELECT name FROM episode ORDER BY number")]

    def public_key(self, episode: str) -> str:
        """The key an episode was begun with; raises what :meth:`lines` raises, and JournalError when unknown."""
        self._number(episode)
        return str(self._select("SELECT public_key FROM episode WHERE name = ?", episode)[0][0])

    def log_frames(self) -> int:
        """Sound frames in the write-ahead log; moves them into the database as a side effect.

        Raises:
            JournalCorrupt: The file is damaged.
        """
        return max(0, int(self._select("PRAGMA wal_checkpoint(PASSIVE)")[0][1]))

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _find(self, episode: str) -> int | None:
        number = self._numbers.get(episode)
        if number is None:
            found = self._select("SELECT number FROM episode WHERE name = ?", episode)
            if not found:
                return None
            number = self._numbers[episode] = int(found[0][0])
        return number

    def _number(self, episode: str) -> int:
        number = self._find(episode)
        if number is None:
            raise JournalError("the journal holds no such episode", value=episode, where=str(self.path))
        return number

    def _value(self, query: str) -> Any:
        return self._db.execute(query).fetchone()[0]

    def _select(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise _read_error(error, self.path) from None

    def _transact(
        self, steps: Iterable[tuple[str, Sequence[tuple[Any, ...]]]], first: Callable[[], None] | None = None
    ) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if first is not None:
                first()
            for statement, values in steps:
                if values:
                    self._db.executemany(statement, values)
            self._db.execute("COMMIT")
        except (sqlite3.Error, JournalError) as error:
            if self._db.in_transaction:
                self._db.rollback()
            if isinstance(error, JournalError):
                raise
            raise _write_error(error, self.path) from None


@cache
def _insert(count: int) -> str:
    return f"INSERT INTO event (id, line) SELECT column1, column2 FROM (VALUES {', '.join(['(?, ?)'] * count)})"


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(code, int) and code & 0xFF in _DAMAGE


def _read_error(error: sqlite3.Error, path: Path) -> JournalError:
    if _is_damage(error):
        return JournalCorrupt(f"the journal file is damaged: {error}", where=str(path), hint=_RESTORE)
    return JournalError(f"the journal file cannot be read: {error}", where=str(path))


def _write_error(error: sqlite3.Error, path: Path) -> JournalError:
    if _is_damage(error):
        return _read_error(error, path)
    busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    cure = "end the process that holds it locked" if busy else "free disk space or check rights"
    return JournalWriteFailed(
        f"the journal cannot be written: {error}", where=str(path), hint=f"{cure}, then commit again; no event is lost"
    )
