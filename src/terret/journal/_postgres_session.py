"""One session with a PostgreSQL server; a session that breaks is made again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from terret.errors import ConfigError, JournalCorrupt, JournalError, JournalWriteFailed, MissingExtra

if TYPE_CHECKING:
    import psycopg

_LOCK_CLASS = 0x74657272
"""First half of the advisory lock on an episode; the second is its number."""

_CONNECTION = {
    "client_encoding": "utf8",
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""What a URL does not set itself: a server that is cut off is noticed within half a minute."""

_DAMAGE = ("XX001", "XX002")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0

T = TypeVar("T")


class Session:
    """A connection in autocommit mode.

    Args:
        url: ``postgresql://USER@HOST:PORT/DATABASE``.
        synchronous: Whether a commit waits for the server's disk.
        read_only: Refuse to write.
        patience: Seconds to go on trying when the server is gone.

    Raises:
        ConfigError: It is no such URL.
        MissingExtra: psycopg is not installed.
        JournalError: The server cannot be reached.
    """

    def __init__(self, url: str, *, synchronous: bool, read_only: bool, patience: float) -> None:
        self.place = place_of(url)
        self.patience = patience
        self.generation = 0
        """Grows with every connection that had to be made."""
        self.owned: int | None = None
        """The episode whose advisory lock this session holds."""
        self._driver = _driver()
        self._settings = {
            "synchronous_commit": "on" if synchronous else "off",
            "default_transaction_read_only": "on" if read_only else "off",
            "tcp_keepalives_idle": "15",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
        }
        self._mutex = threading.RLock()
        self._db: psycopg.Connection[tuple[Any, ...]] | None = None
        self._closed = False
        self.Error: type[psycopg.Error] = self._driver.Error
        self.UniqueViolation: type[psycopg.Error] = self._driver.errors.UniqueViolation
        self._info = self._parse(url)
        try:
            self._connect()
        except self.Error as error:
            raise JournalError(
                f"the journal store cannot be reached: {_words(error)}",
                where=self.place,
                hint="start the server, or check the address and the password",
            ) from None

    def patiently(self, operation: Callable[[], T]) -> T:
        """Do something that may be done twice, again on a new connection as long as the old one is lost.

        Raises what ``operation`` raises, or the driver's error when the server stays away.
        """
        with self._mutex:
            give_up: float | None = None
            pause = _FIRST_PAUSE_S
            while True:
                try:
                    if self._closed:
                        raise JournalError("the journal store is closed", where=self.place)
                    if self._db is None:
                        self._connect()
                    return operation()
                except self._driver.OperationalError:
                    if self._db is not None and not self._db.closed:
                        raise
                    self._drop()
                    now = time.monotonic()
                    give_up = now + self.patience if give_up is None else give_up
                    if now >= give_up:
                        raise
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)

    def fetch(self, query: str, values: Sequence[object] | dict[str, object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement; to be called inside :meth:`patiently`."""
        if self._db is None:
            raise self._driver.OperationalError("there is no connection")
        cursor = self._db.execute(query.encode(), values, binary=True)
        return cursor.fetchall() if cursor.description else []

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement that reads.

        Raises:
            JournalCorrupt: The server reports damage.
            JournalError: It cannot be read.
        """
        try:
            return self.patiently(lambda: self.fetch(query, values))
        except self.Error as error:
            raise self.read_error(error) from None

    def change(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement that writes, durably whatever the durability is.

        Raises:
            JournalWriteFailed: It cannot be written.
        """

        def do() -> list[tuple[Any, ...]]:
            assert self._db is not None
            with self._db.transaction():
                self.fetch("SET LOCAL synchronous_commit = on")
                return self.fetch(query, values)

        try:
            return self.patiently(do)
        except self.Error as error:
            raise self.write_error(error) from None

    def script(self, *statements: str) -> None:
        """Run statements without values in one transaction; raises what :meth:`change` raises."""

        def do() -> None:
            assert self._db is not None
            with self._db.transaction():
                for statement in statements:
                    self._db.execute(statement.encode())

        try:
            self.patiently(do)
        except self.Error as error:
            raise self.write_error(error) from None

    def lock(self, number: int, wait_ms: int) -> bool:
        """Hold the advisory lock on an episode from here on; false when another session keeps it."""

        def do() -> bool:
            self.fetch("SELECT set_config('lock_timeout', %s, false)", [str(wait_ms)])
            try:
                self.fetch("SELECT pg_advisory_lock(%s, %s)", [_LOCK_CLASS, number])
            except self._driver.errors.LockNotAvailable:
                return False
            finally:
                if self._db is not None and not self._db.closed:
                    self.fetch("SELECT set_config('lock_timeout', '0', false)")
            return True

        try:
            held = self.patiently(do)
        except self.Error as error:
            raise self.read_error(error) from None
        self.owned = number if held else None
        return held

    def end_holder(self, number: int) -> None:
        """End the other session that holds the lock on an episode, if this user may."""
        query = (
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid = %s AND objid = %s AND objsubid = 2 AND pid <> pg_backend_pid()"
        )
        try:
            self.patiently(lambda: self.fetch(query, [_LOCK_CLASS, number]))
        except self._driver.errors.InsufficientPrivilege:
            return
        except self.Error as error:
            raise self.read_error(error) from None

    def close(self) -> None:
        """End the session; closing twice is allowed."""
        with self._mutex:
            self._closed = True
            self._drop()

    def read_error(self, error: Exception) -> JournalError:
        """What a failing read means."""
        if getattr(error, "sqlstate", None) in _DAMAGE:
            return JournalCorrupt(
                f"the journal store is damaged: {_words(error)}", where=self.place, hint="restore it from a copy"
            )
        return JournalError(f"the journal store cannot be read: {_words(error)}", where=self.place)

    def write_error(self, error: Exception) -> JournalError:
        """What a failing write means."""
        if getattr(error, "sqlstate", None) in _DAMAGE:
            return self.read_error(error)
        return JournalWriteFailed(
            f"the journal cannot be written: {_words(error)}",
            where=self.place,
            hint="start the server, free its disk or check rights, then commit again; no event is lost",
        )

    def _parse(self, url: str) -> dict[str, Any]:
        from psycopg.conninfo import conninfo_to_dict

        try:
            given = conninfo_to_dict(url)
        except self.Error:
            # The driver's message may quote the password.
            raise ConfigError(
                "the store's address is not a PostgreSQL URL",
                value=self.place,
                hint="postgresql://USER@HOST:PORT/DATABASE; a password with special characters goes to PGPASSWORD",
            ) from None
        return {**_CONNECTION, "application_name": "terret", **given}

    def _connect(self) -> None:
        db = self._driver.connect(**self._info, autocommit=True)
        try:
            settings = ", ".join(["set_config(%s, %s, false)"] * len(self._settings))
            db.execute(f"SELECT {settings}".encode(), [part for pair in self._settings.items() for part in pair])
            if self.owned is not None:
                # Only so that others see it is owned: that it still is, the lease tells.
                db.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK_CLASS, self.owned])
        except BaseException:
            db.close()
            raise
        self._db = db
        self.generation += 1

    def _drop(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def place_of(url: str) -> str:
    """A store's URL without its password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition(":")[0] + "://"
    user, at, host = parts.netloc.rpartition("@")
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name != "password"]
    return urlunsplit(parts._replace(netloc=user.partition(":")[0] + at + host, query=urlencode(kept)))


def _driver() -> Any:
    try:
        import psycopg
    except ImportError:
        raise MissingExtra("a journal in PostgreSQL needs psycopg", hint="pip install 'terret[postgres]'") from None
    return psycopg


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
