"""The registry: which mandates are spent, by whom, and what came of it; one SQLite file for any number of processes.

A mandate is spent by the insertion of a row whose key is its expiry and id, both signed, in a transaction that took the
write lock when it began, so of all threads and processes that try, one inserts. Rows lie in the order of their expiry:
what is removed lies at one end. The file is in WAL mode: a commit is one append and one
sync, against two or three with a rollback journal, and readers never wait. ``synchronous`` is FULL by default, unlike
in the journal: with NORMAL a loss of power may undo the latest commits, and an undone commit is a mandate that can be
spent again. The price of the sync is shared: whoever gets the lock commits for everybody who waits (group commit).

A row may be removed only when its mandate can never be spent again. That is decided by ``horizon``, not by the clock:
removing a row raises the horizon to the row's expiry in the same transaction, and a mandate that expires at or before
the horizon is refused whatever a clock says later. So a clock that goes back brings no spent mandate to life.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from terret.errors import InputError, JournalBusy, JournalCorrupt, JournalError, JournalWriteFailed
from terret.journal import Durability
from terret.mandates._mandate import Clock

APPLICATION_ID = 0x7465726D
"""Marks the SQLite file as a registry of terret's (``term``)."""

SCHEMA_VERSION = 1

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE spent (
    expires_ms INTEGER NOT NULL,
    id BLOB NOT NULL,
    identity TEXT NOT NULL UNIQUE,
    binding BLOB NOT NULL,
    spent_ms INTEGER NOT NULL,
    outcome BLOB,
    PRIMARY KEY (expires_ms, id)
) WITHOUT ROWID;
CREATE TABLE horizon (expires_ms INTEGER NOT NULL);
INSERT INTO horizon VALUES (-1);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

RETAIN_S = 3600.0
"""For how long after its expiry a spent mandate's outcome is kept by default, seconds."""

_CHECKPOINT_PAGES = 4096
"""16 MB of log: the pause of a checkpoint comes rarely, and the log stays bounded."""

_SYNCHRONOUS = {"normal": "NORMAL", "full": "FULL"}
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_LIMIT = 1 << 63
_INSERT = "INSERT OR IGNORE INTO spent VALUES (?, ?, ?, ?, ?, NULL)"
_COLUMNS = "SELECT id, binding, outcome FROM spent WHERE"

_AGAIN = "try again: the same effect gets its record if its mandate was spent"

T = TypeVar("T")

_Row = tuple[int, bytes, str, bytes]
"""A claim as it is stored: expiry, mandate, identity, binding."""

State = Literal["fresh", "pending", "stored", "replayed", "reused", "expired"]


class Claim(NamedTuple):
    """The wish to spend a mandate.

    ``identity`` names the effect it is spent on; the same effect tried again has the same identity. ``binding`` is that
    of the live call. ``id`` and ``binding`` are hex.
    """

    id: str
    identity: str
    binding: str
    expires_ms: int


class Spent(NamedTuple):
    """What the registry says to a claim.

    ``fresh``: spent just now, go ahead. ``stored``: this identity spent a mandate before, and ``outcome`` came of it.
    ``pending``: it did, and what came of it is not known. ``replayed``: the mandate was spent by another identity.
    ``reused``: the identity was used for another call. ``expired``: too late. ``mandate`` is the id of the spent one.
    """

    state: State
    mandate: str
    outcome: bytes | None = None


class Registry:
    """Spent mandates; safe between threads and between processes.

    Args:
        path: The file; created when missing, with its folder.
        durability: ``full`` survives the loss of power, ``normal`` only the death of the process.
        clock: Unix seconds; read inside every transaction.
        retain_s: For how long after its expiry a spent mandate is kept, so that late retries get their outcome.

    Raises:
        JournalCorrupt: The file is not a sound registry.
        JournalError: Another version wrote it.
        JournalWriteFailed: It cannot be created.
    """

    def __init__(
        self,
        path: Path,
        *,
        durability: Durability = "full",
        clock: Clock = time.time,
        retain_s: float = RETAIN_S,
    ) -> None:
        self.path = path
        self._clock = clock
        self._retain_ms = int(retain_s * 1000)
        self._writer = threading.Lock()
        self._waiting: deque[_Ticket[Any]] = deque()
        try:
            if not path.exists():
                _create(path)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
        except (sqlite3.Error, OSError) as error:
            raise _mend(error, path) from None
        try:
            self._prepare(durability)
        except sqlite3.Error as error:
            self._db.close()
            raise _mend(error, path) from None
        except JournalError:
            self._db.close()
            raise

    def _prepare(self, durability: Durability) -> None:
        if self._value("PRAGMA application_id") != APPLICATION_ID:
            raise JournalCorrupt("the file is not a mandate registry", where=str(self.path))
        version = self._value("PRAGMA user_version")
        if version != SCHEMA_VERSION:
            raise JournalError("another terret wrote the mandate registry", value=version, where=str(self.path))
        self._db.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")

    def spend(self, claim: Claim) -> Spent:
        """Spend one mandate; durable when it returns.

        Raises:
            JournalWriteFailed: The registry cannot be written; nothing was spent.
            JournalBusy: Other processes hold the write lock for too long; nothing was spent.
        """
        return self.spend_many([claim])[0]

    def spend_many(self, claims: Sequence[Claim], outcomes: Sequence[tuple[str, bytes]] = ()) -> list[Spent]:
        """Keep outcomes and spend mandates, in order and in one transaction.

        Raises what :meth:`spend` raises, and InputError for a claim that cannot be stored.
        """
        # Checked before it is queued: a bad claim must not fail the transaction it would share with others.
        rows = [_row(claim) for claim in claims]
        settled = [(outcome, _text(identity)) for identity, outcome in outcomes]
        return self._commit(lambda now: self._exchange(settled, rows, now))

    def settle(self, identity: str, outcome: bytes) -> bool:
        """Keep what came of an effect; the first outcome stays. False when there is no such effect, or it has one."""
        settled = [(outcome, _text(identity))]
        return self._commit(lambda now: self._settle(settled)) == 1

    def find(self, identity: str, binding: str) -> Spent | None:
        """What an effect's retry gets, without spending anything; ``None`` for an effect that spent nothing yet."""
        with self._writer:
            try:
                return self._earlier(_text(identity), binding)
            except sqlite3.Error as error:
                raise _mend(error, self.path) from None

    def spent_on(self, claim: Claim) -> str | None:
        """The identity of the effect that a mandate was spent on; ``None`` for one that was not, or is forgotten."""
        row = _row(claim)
        with self._writer:
            try:
                query = "SELECT identity FROM spent WHERE expires_ms = ? AND id = ?"
                found = self._db.execute(query, row[:2]).fetchone()
            except sqlite3.Error as error:
                raise _mend(error, self.path) from None
        return None if found is None else str(found[0])

    def prune(self) -> int:
        """Remove all entries that are out of date; every transaction removes some. Returns how many were removed."""
        return self._commit(lambda now: self._remove(now, -1))

    def __len__(self) -> int:
        """Entries held."""
        with self._writer:
            try:
                return self._value("SELECT count(*) FROM spent")
            except sqlite3.Error as error:
                raise _mend(error, self.path) from None

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        self._db.close()

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # inside a transaction

    def _exchange(self, settled: Sequence[tuple[bytes, str]], rows: Sequence[_Row], now: int) -> list[Spent]:
        self._settle(settled)
        return self._spend(rows, now)

    def _settle(self, settled: Sequence[tuple[bytes, str]]) -> int:
        update = "UPDATE spent SET outcome = ? WHERE identity = ? AND outcome IS NULL"
        return self._db.executemany(update, settled).rowcount if settled else 0

    def _spend(self, rows: Sequence[_Row], now: int) -> list[Spent]:
        # What is removed here raises the horizon, which the claims that follow are judged by.
        self._remove(now, 2 * len(rows) + 16)
        limit = max(now, self._value("SELECT expires_ms FROM horizon"))
        return [self._spend_one(row, now, row[0] <= limit) for row in rows]

    def _spend_one(self, row: _Row, now: int, late: bool) -> Spent:
        _, mandate, identity, binding = row
        if not late and self._db.execute(_INSERT, (*row, now)).rowcount == 1:
            return Spent("fresh", mandate.hex())
        earlier = self._earlier(identity, binding.hex())
        return earlier or Spent("expired" if late else "replayed", mandate.hex())

    def _earlier(self, identity: str, binding: str) -> Spent | None:
        row = self._db.execute(f"{_COLUMNS} identity = ?", (identity,)).fetchone()
        if row is None:
            return None
        mandate = bytes(row[0]).hex()
        if bytes(row[1]).hex() != binding:
            return Spent("reused", mandate)
        return Spent("pending", mandate) if row[2] is None else Spent("stored", mandate, bytes(row[2]))

    def _remove(self, now: int, most: int) -> int:
        """Remove what is out of date, the oldest ``most`` (and what expires with the last of them); negative: all."""
        due = now - self._retain_ms
        query = "SELECT expires_ms FROM spent WHERE expires_ms <= ? ORDER BY expires_ms LIMIT 1 OFFSET ?"
        cut = self._db.execute(query, (due, most)).fetchone() if most >= 0 else None
        until = due if cut is None else int(cut[0])
        newest = self._db.execute("SELECT max(expires_ms) FROM spent WHERE expires_ms <= ?", (until,)).fetchone()[0]
        if newest is None:
            return 0
        self._db.execute("UPDATE horizon SET expires_ms = max(expires_ms, ?)", (newest,))
        return self._db.execute("DELETE FROM spent WHERE expires_ms <= ?", (until,)).rowcount

    # group commit

    def _commit(self, work: Callable[[int], T]) -> T:
        """Run ``work`` in a transaction shared with everybody who waits; returns when it is durable."""
        ticket = _Ticket(work)
        self._waiting.append(ticket)
        with self._writer:
            if not ticket.done:
                self._serve()
        return ticket.result()

    def _serve(self) -> None:
        batch: list[_Ticket[Any]] = []
        while self._waiting:
            batch.append(self._waiting.popleft())
        failure: Exception | None = None
        try:
            self._db.execute("BEGIN IMMEDIATE")
            now = int(self._clock() * 1000)
            for ticket in batch:
                ticket.value = ticket.work(now)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            failure = _mend(error, self.path)
        except BaseException:
            failure = JournalError("writing the mandate registry was interrupted", where=str(self.path), hint=_AGAIN)
            raise
        finally:
            if self._db.in_transaction:
                self._db.rollback()
            for ticket in batch:
                ticket.failure, ticket.done = failure, True

    def _value(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])


class _Ticket(Generic[T]):
    """One caller's part of a transaction."""

    __slots__ = ("done", "failure", "value", "work")

    def __init__(self, work: Callable[[int], T]) -> None:
        self.work = work
        self.value: T | None = None
        self.failure: Exception | None = None
        self.done = False

    def result(self) -> T:
        if self.failure is not None:
            raise self.failure
        return self.value  # type: ignore[return-value]


def _row(claim: Claim) -> _Row:
    try:
        mandate, binding = bytes.fromhex(claim.id), bytes.fromhex(claim.binding)
    except ValueError:
        raise InputError("the mandate's id or binding is not hex", value=claim.id) from None
    if not -_LIMIT <= claim.expires_ms < _LIMIT:
        raise InputError("the mandate's expiry does not fit into 64 bits", value=claim.expires_ms)
    return claim.expires_ms, mandate, _text(claim.identity), binding


def _text(identity: str) -> str:
    try:
        identity.encode()
    except UnicodeEncodeError:
        raise InputError("the effect's identity is not well-formed text", value=identity) from None
    return identity


def _create(path: Path) -> None:
    """Make an empty registry beside its place and link it there: a process that races finds all of it or nothing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        db = sqlite3.connect(partial, isolation_level=None)
        try:
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(_SCHEMA)
        finally:
            db.close()
        partial.chmod(0o600)
        try:
            os.link(partial, path)
        except FileExistsError:
            return
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        partial.unlink(missing_ok=True)


def _mend(error: sqlite3.Error | OSError, path: Path) -> JournalError:
    """The error of terret's tree that says the same."""
    code = getattr(error, "sqlite_errorcode", None)
    kind = code & 0xFF if isinstance(code, int) else None
    if kind in _DAMAGE:
        return JournalCorrupt(
            f"the mandate registry is damaged: {error}",
            where=str(path),
            hint="spend no mandate issued before now: trust a new signing key and move the file away",
        )
    if kind in _LOCKED:
        return JournalBusy("other processes hold the mandate registry", where=str(path), hint="try again")
    return JournalWriteFailed(
        f"the mandate registry cannot be used: {error}",
        where=str(path),
        hint="nothing was spent; free disk space or check rights, then try again",
    )
