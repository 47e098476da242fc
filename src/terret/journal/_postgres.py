"""The store in PostgreSQL: the same as the embedded one, shared by machines, with blobs and workspace states."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple

from terret.errors import EpisodeNotFound, JournalBusy, JournalError, JournalWriteFailed
from terret.journal._blobs import Durability
from terret.journal._head import Anchor
from terret.journal._postgres_session import Session
from terret.journal._postgres_sql import (
    ANY,
    APPEND,
    APPEND_ALL,
    CLAIM,
    LEASED,
    SCHEMA,
    SCHEMA_LOCK,
    SCHEMA_VERSION,
    SET_ASIDE,
)
from terret.journal._stores import Lease, Row, fenced, hold

_LARGE = 16 << 10
"""A blob of this size is not sent before it is known to be missing."""

_DYING_MS = 1000
"""How long to wait for the server to notice that the last owner died."""


class _Batch(NamedTuple):
    """What one commit writes; writing it twice changes nothing."""

    number: int
    epoch: int | None
    rows: list[Row]
    anchors: list[Anchor]
    blobs: dict[str, bytes]
    states: dict[str, bytes]


class _Sent:
    """A committed batch that the server may not have on its disk yet, and where in its log it ends at most."""

    def __init__(self, batch: _Batch) -> None:
        self.batch = batch
        self.end: int | None = None


class PostgresStore:
    """Stored lines, anchors, blobs and workspace states of episodes, in schema ``terret`` of a database.

    The schema is made when it is missing. Safe to use from several threads. When the server is gone it is waited for;
    commits that a crash of the server undid are written again.

    Args:
        url: ``postgresql://USER@HOST:PORT/DATABASE``; a direct connection or a pool of sessions, not of transactions.
        durability: ``normal`` survives the death of every process but the server, ``full`` also the server's.
        read_only: Never write.
        patience: Seconds to wait for a server that is gone.

    Raises:
        ConfigError: It is no such URL.
        MissingExtra: psycopg is not installed.
        EpisodeNotFound: Read only, and the database holds no journals.
        JournalError: The server cannot be reached, or a newer terret made the schema.
    """

    def __init__(
        self, url: str, durability: Durability = "normal", *, read_only: bool = False, patience: float
    ) -> None:
        self.faults: Callable[[str], None] | None = None
        self._flushes = durability == "full"
        self._session = Session(url, synchronous=self._flushes, read_only=read_only, patience=patience)
        self._numbers: dict[str, int] = {}
        self._blobs: dict[str, bytes] = {}
        self._states: dict[str, bytes] = {}
        self._sent: list[_Sent] = []
        self._generation = self._session.generation
        try:
            self._prepare(read_only)
        except BaseException:
            self._session.close()
            raise

    @property
    def place(self) -> str:
        """The URL without its password."""
        return self._session.place

    def add_episode(self, name: str, public_key: str) -> None:
        """Begin an episode, or one of that name and key again that never got an event.

        Raises:
            JournalError: There is another of that name already.
            JournalWriteFailed: The server cannot write.
        """
        insert = "INSERT INTO terret.episode (name, public_key) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING number"
        if not self._session.change(insert, name, public_key) and (
            self.public_key(name) != public_key or self.rows(name)
        ):
            raise JournalError("the journal holds an episode of that name", value=name, where=self.place)

    def claim(self, episode: str, owner: str) -> int:
        """Make a new owner the only one that may write an episode; its epoch, the fencing token.

        Durable even against a crash of the server, so that no earlier owner comes back.
        """
        return int(self._session.change(CLAIM, self._number(episode), owner)[0][0])

    def lease(self, episode: str) -> Lease | None:
        """Who owns an episode; ``None`` when nobody ever did."""
        found = self._session.ask("SELECT epoch, owner FROM terret.lease WHERE episode = %s", self._number(episode))
        return Lease(int(found[0][0]), str(found[0][1])) if found else None

    def hold(self, episode: str, epoch: int) -> None:
        """Make sure that an epoch is the present one.

        Raises:
            JournalBusy: Another process has taken the episode over.
            JournalError: The store cannot be read.
        """
        hold(self.lease(episode), epoch, self.place)

    def acquire(self, episode: str, *, take_over: bool = False) -> None:
        """Be the one that may open an episode; the server forgets it when this session ends.

        Raises:
            JournalBusy: A live session of another process has it, and ``take_over`` is not set.
        """
        number = self._number(episode)
        if take_over:
            self._session.end_holder(number)
        if not self._session.lock(number, _DYING_MS) and not take_over:
            lease = self.lease(episode)
            raise JournalBusy(
                "another process owns the episode",
                value=lease.owner if lease else None,
                where=self.place,
                hint="wait for it, or end it; if it is frozen or cut off, terret resume --take-over",
            )

    def write(
        self, episode: str, rows: Sequence[Row], anchors: Sequence[Anchor] = (), epoch: int | None = None
    ) -> None:
        """Append at least one line, anchors, and the blobs and states that wait, in one transaction: all or none.

        With an ``epoch`` only if it is the present one.

        Raises:
            JournalBusy: Another process has taken the episode over; nothing was written.
            JournalError: There is no such episode.
            JournalWriteFailed: The server cannot write; nothing is known to be written, and the same may be again.
        """
        number = self._number(episode)
        batch = _Batch(number, epoch, list(rows), list(anchors), dict(self._blobs), dict(self._states))
        try:
            if self.faults is not None:
                self.faults("commit.before")
            self._session.patiently(lambda: self._commit(batch))
            for waiting, written in ((self._blobs, batch.blobs), (self._states, batch.states)):
                for name in written:
                    del waiting[name]
            if self.faults is not None:
                self.faults("commit.after")
        except self._session.Error as error:
            raise self._session.write_error(error) from None

    def set_aside(self, episode: str, first: int, reason: str, now: float) -> None:
        """Take the events from ``first`` on out of the chain; their bytes stay in table ``terret.set_aside``."""
        self._session.change(SET_ASIDE, self._number(episode), first, now, reason)

    def lines(self, episode: str, after: int = -1) -> list[bytes]:
        """The stored lines with a seq above ``after``, in order; none for an unknown episode."""
        return [line for _, line in self.rows(episode, after)]

    def rows(self, episode: str, after: int = -1) -> list[Row]:
        """The seqs and stored lines above ``after``, in order."""
        query = "SELECT seq, line FROM terret.event WHERE episode = %s AND seq > %s ORDER BY seq"
        return [(int(seq), bytes(line)) for seq, line in self._of(episode, query, after)]

    def anchors(self, episode: str) -> list[Anchor]:
        """The episode's anchors, in order."""
        query = "SELECT seq, hash, signature FROM terret.anchor WHERE episode = %s ORDER BY seq"
        return [Anchor(int(seq), str(digest), str(signature)) for seq, digest, signature in self._of(episode, query)]

    def episodes(self) -> list[str]:
        """The names of all episodes, oldest first."""
        return [str(name) for (name,) in self._session.ask("SELECT name FROM terret.episode ORDER BY number")]

    def public_key(self, episode: str) -> str:
        """The key an episode was begun with; JournalError when it is unknown."""
        number = self._number(episode)
        return str(self._session.ask("SELECT public_key FROM terret.episode WHERE number = %s", number)[0][0])

    def put_blob(self, digest: str, content: bytes) -> None:
        """Keep a blob from the next :meth:`write` on, unless it is there already."""
        if digest in self._blobs:
            return
        # When the server is gone nothing is known; the next commit says so.
        with contextlib.suppress(JournalError):
            if len(content) >= _LARGE and self.has_blob(digest):
                return
        self._blobs[digest] = content

    def get_blob(self, digest: str) -> bytes | None:
        """The content of a blob; ``None`` when there is none."""
        waiting = self._blobs.get(digest)
        if waiting is not None:
            return waiting
        found = self._read("SELECT content FROM terret.blob WHERE digest = %s", digest)
        return bytes(found[0][0]) if found else None

    def has_blob(self, digest: str) -> bool:
        """Whether there is such a blob."""
        return digest in self._blobs or bool(self._read("SELECT 1 FROM terret.blob WHERE digest = %s", digest))

    def put_state(self, tree: str, pack: bytes) -> None:
        """Keep what a state of the workspace has that earlier ones have not, from the next :meth:`write` on."""
        self._states[tree] = pack

    def states(self, episode: str) -> dict[str, bytes]:
        """The kept states of an episode's workspace in order: tree id and pack."""
        query = "SELECT tree, pack FROM terret.state WHERE episode = %s ORDER BY position"
        return {str(tree): bytes(pack) for tree, pack in self._of(episode, query)}

    def close(self) -> None:
        """End the session; closing twice is allowed."""
        self._session.close()

    def __enter__(self) -> PostgresStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prepare(self, read_only: bool) -> None:
        if not self._session.ask("SELECT to_regclass('terret.format') IS NOT NULL")[0][0]:
            if read_only:
                raise EpisodeNotFound("the database holds no journals", where=self.place)
            # Several machines may begin at once.
            self._session.script(SCHEMA_LOCK, SCHEMA)
        version = self._session.ask("SELECT version FROM terret.format")
        if [row[0] for row in version] != [SCHEMA_VERSION]:
            raise JournalError(
                "the journal was written by another terret",
                value=version[0][0] if version else None,
                where=self.place,
                hint="use the version that wrote it",
            )

    def _commit(self, batch: _Batch) -> None:
        self._mend()
        inserted, flushed = self._append(batch)
        if self._flushes:
            return
        for sent in self._sent:
            sent.end = inserted if sent.end is None else sent.end
        self._sent = [sent for sent in self._sent if sent.end is None or sent.end > flushed]
        self._sent.append(_Sent(batch))

    def _mend(self) -> None:
        """After the connection was lost, write again what a crash of the server may have undone."""
        if self._generation != self._session.generation:
            for sent in self._sent:
                self._append(sent.batch)
            self._generation = self._session.generation

    def _append(self, batch: _Batch) -> tuple[int, int]:
        """Write a batch; how far the server's log reached before it, and how far it is on the disk."""
        own = ANY if batch.epoch is None else LEASED
        values: dict[str, Any] = {
            "number": batch.number,
            "epoch": batch.epoch,
            "seqs": [seq for seq, _ in batch.rows],
            "lines": [line for _, line in batch.rows],
        }
        query = APPEND
        if batch.anchors or batch.blobs or batch.states:
            query = APPEND_ALL
            # In one order everywhere, so that no two writers wait for each other.
            digests = sorted(batch.blobs)
            values |= {
                "anchored": [anchor.seq for anchor in batch.anchors],
                "hashes": [anchor.hash for anchor in batch.anchors],
                "signatures": [anchor.signature for anchor in batch.anchors],
                "digests": digests,
                "contents": [batch.blobs[digest] for digest in digests],
                "trees": list(batch.states),
                "packs": list(batch.states.values()),
            }
        try:
            owned, inserted, flushed = self._session.fetch(own + query, values)[0]
        except self._session.UniqueViolation:
            self._compare(batch)
            return 0, 0
        if not owned:
            found = self._session.fetch("SELECT epoch, owner FROM terret.lease WHERE episode = %s", [batch.number])
            raise fenced(Lease(*found[0]) if found else None, self.place)
        return int(inserted), int(flushed)

    def _compare(self, batch: _Batch) -> None:
        """Lines that are there already are fine when all are the same: the answer to their commit was lost."""
        query = "SELECT seq, line FROM terret.event WHERE episode = %s AND seq = ANY(%s)"
        stored = dict(self._session.fetch(query, [batch.number, [seq for seq, _ in batch.rows]]))
        for seq, line in batch.rows:
            if stored.get(seq) != line:
                raise JournalWriteFailed("the store holds another event of that number", value=seq, where=self.place)

    def _of(self, episode: str, query: str, *values: object) -> list[tuple[Any, ...]]:
        number = self._find(episode)
        return [] if number is None else self._read(query, number, *values)

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        def do() -> list[tuple[Any, ...]]:
            self._mend()
            return self._session.fetch(query, values)

        try:
            return self._session.patiently(do)
        except self._session.Error as error:
            raise self._session.read_error(error) from None

    def _find(self, episode: str) -> int | None:
        number = self._numbers.get(episode)
        if number is None:
            found = self._session.ask("SELECT number FROM terret.episode WHERE name = %s", episode)
            if not found:
                return None
            number = self._numbers[episode] = int(found[0][0])
        return number

    def _number(self, episode: str) -> int:
        number = self._find(episode)
        if number is None:
            raise JournalError("the journal holds no such episode", value=episode, where=self.place)
        return number
