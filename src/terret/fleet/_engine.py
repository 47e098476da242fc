"""The durable queue: DBOS, imported when it is needed, set up the same way by everybody."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator
from typing import Any

from terret.errors import InfrastructureError, MissingExtra, TerretError
from terret.fleet._database import EXTRA, checked, unreachable

WORKFLOW = "episode"
APPLICATION_VERSION = "terret-fleet-1"
"""Of what is queued; not of terret, so that workers of two versions share a queue while they are replaced."""

POLL_S = 1.0
SLOTS = 4
PER_TENANT = 16


def load() -> Any:
    """The module ``dbos``.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import dbos
    except ImportError:
        raise MissingExtra("the durable queue is not installed", hint=EXTRA) from None
    logging.getLogger("dbos").setLevel(logging.CRITICAL)
    return dbos


def migrate(url: str) -> None:
    """Make the queue's tables where they are missing.

    Raises:
        InfrastructureError: PostgreSQL does not answer or refuses.
    """
    dbos = load()
    with translated(url):
        dbos.DBOS.migrate(checked(url))


def client(url: str, fleet: str) -> Any:
    """A client of the queue, for everybody but workers.

    Raises:
        InfrastructureError: PostgreSQL does not answer.
    """
    dbos = load()
    with translated(url):
        return dbos.DBOSClient(
            system_database_url=checked(url),
            serializer=dbos.DBOSPortableJSONSerializer(),
            application_name=fleet,
            system_database_pool_size=2,
            retry_connection_errors=False,
            lazy=True,
        )


def worker_config(url: str, fleet: str, executor: str) -> dict[str, Any]:
    """How a worker's DBOS is set up: plain JSON in the database, few connections, no log of its own."""
    dbos = load()
    return {
        "name": fleet,
        "system_database_url": checked(url),
        "executor_id": executor,
        "application_version": APPLICATION_VERSION,
        "serializer": dbos.DBOSPortableJSONSerializer(),
        "use_listen_notify": False,
        "sys_db_pool_size": 3,
        "log_level": "CRITICAL",
    }


@contextlib.contextmanager
def translated(url: str) -> Generator[None]:
    """Turn what the queue raises into terret's errors."""
    import sqlalchemy.exc

    try:
        yield
    except TerretError:
        raise
    except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError) as error:
        raise unreachable(url, error.orig if isinstance(error.orig, Exception) else error) from None
    except Exception as error:
        raise InfrastructureError(f"the queue refused: {' '.join(str(error).split())}", hint="see its log") from None
