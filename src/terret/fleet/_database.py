"""One connection to the fleet's PostgreSQL, made anew when the server went away."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from terret.errors import ConfigError, InfrastructureError, MissingExtra
from terret.journal import open_store

EXTRA = "pip install 'terret[fleet]'"

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS terret_fleet;
CREATE TABLE IF NOT EXISTS terret_fleet.worker (
    id text PRIMARY KEY,
    fleet text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    model text NOT NULL,
    lease_s double precision NOT NULL,
    started timestamptz NOT NULL DEFAULT now(),
    seen timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'live'
) WITH (fillfactor = 50);
CREATE INDEX IF NOT EXISTS worker_state ON terret_fleet.worker (fleet, state);
CREATE TABLE IF NOT EXISTS terret_fleet.setting (
    fleet text NOT NULL,
    name text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (fleet, name)
);
"""
"""Who works; and what a fleet agreed on, such as the key that signs its episodes."""

_LOCK = 0x7465_7272
_RETRY_S = 0.1
_MOST_RETRY_S = 2.0


class Unreachable(InfrastructureError):
    """PostgreSQL does not answer; it may later."""


class Database:
    """Statements on one connection, safe to use from several threads.

    Args:
        url: ``postgresql://USER@HOST/NAME``.
        patience_s: How long a statement waits for a server that is away before it fails.

    Raises:
        ConfigError: The URL is not one of PostgreSQL.
        MissingExtra: ``terret[fleet]`` is not installed.
    """

    def __init__(self, url: str, *, patience_s: float = 30.0) -> None:
        checked(url)
        try:
            import psycopg
        except ImportError:
            raise MissingExtra("the driver of PostgreSQL is not installed", hint=EXTRA) from None
        self.url = url
        self.patience_s = patience_s
        self._psycopg = psycopg
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._mutex = threading.Lock()

    def prepare(self) -> None:
        """Make the tables of a fleet, and of journals, where they are missing; two processes may do so at once."""
        with open_store(self.url):
            pass

        def make(connection: Any) -> None:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            connection.execute(SCHEMA)

        self.transact(make)

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement that may safely run twice; its rows.

        Raises:
            InfrastructureError: The server stayed away, or refused.
        """

        def ask(connection: Any) -> list[tuple[Any, ...]]:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

        return self.transact(ask)

    def transact(self, body: Callable[[Any], Any]) -> Any:
        """Run ``body`` with the connection in a transaction, anew when the connection was lost.

        Raises:
            InfrastructureError: The server stayed away, or refused.
        """
        with self._mutex:
            until = time.monotonic() + self.patience_s
            wait = _RETRY_S
            while True:
                try:
                    connection = self._connected()
                    with connection.transaction():
                        return body(connection)
                except (self._psycopg.OperationalError, self._psycopg.InterfaceError) as error:
                    self._drop()
                    if time.monotonic() + wait > until:
                        raise unreachable(self.url, error) from None
                    time.sleep(wait * random.uniform(0.5, 1.0))
                    wait = min(2 * wait, _MOST_RETRY_S)
                except self._psycopg.Error as error:
                    raise InfrastructureError(
                        f"PostgreSQL refused: {_first_line(error)}", where=shown(self.url)
                    ) from None

    def close(self) -> None:
        """Close the connection; closing twice is allowed."""
        with self._mutex:
            self._drop()

    def _connected(self) -> Any:
        if self._connection is None or self._connection.closed:
            self._connection = self._psycopg.connect(self.url, autocommit=True, connect_timeout=5)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def checked(url: str) -> str:
    """The URL itself.

    Raises:
        ConfigError: It is not one of PostgreSQL.
    """
    if urlsplit(url).scheme not in ("postgresql", "postgres"):
        raise ConfigError(
            "a fleet needs PostgreSQL", value=url, hint="give --store postgresql://USER@HOST/NAME or set TERRET_STORE"
        )
    return url


def shown(url: str) -> str:
    """The URL without its password."""
    parts = urlsplit(url)
    return (
        parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":...@")).geturl() if parts.password else url
    )


def unreachable(url: str, error: Exception) -> Unreachable:
    """The error for a server that does not answer."""
    return Unreachable(
        f"PostgreSQL does not answer: {_first_line(error)}",
        where=shown(url),
        hint="start it, or give another --store; nothing that was recorded is lost",
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
