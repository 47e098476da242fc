"""Options of the commands that talk to a fleet, and the way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from terret.errors import ConfigError

if TYPE_CHECKING:
    from terret.fleet import Fleet

F = TypeVar("F")

_STORE = "Where the fleet keeps everything: postgresql://USER@HOST/NAME."


def fleet_options(body: F) -> F:
    """Which fleet: ``--store`` and ``--fleet``."""
    wrapped: Any = body
    name = click.option(
        "--fleet", default="terret", show_default=True, metavar="NAME", help="One store may hold several."
    )
    store = click.option("--store", envvar="TERRET_STORE", metavar="URL", help=_STORE)
    return store(name(wrapped))


def open_fleet(store: str | None, name: str, *, patience_s: float = 2.0) -> Fleet:
    """The fleet that the options name; ``patience_s`` is how long to wait for its server.

    Raises:
        ConfigError: No store is named.
        InfrastructureError: It does not answer.
    """
    if not store:
        raise ConfigError("no store is named", hint="give --store postgresql://USER@HOST/NAME or set TERRET_STORE")
    from terret.fleet import Fleet

    return Fleet(store, name, patience_s=patience_s)
