"""``terret fetch``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from terret.cli._fleet import fleet_options, open_fleet
from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS
from terret.cli._words import exit_code


@click.command("fetch", short_help=COMMANDS["fetch"])
@click.argument("episode", metavar="ID")
@fleet_options
@click.option("--out", "folder", type=click.Path(path_type=Path), default=Path("episodes"), show_default=True)
@click.option("--wait", type=click.FloatRange(min=0), default=0.0, metavar="S", help="Wait up to S s for its end.")
@click.option("--key", metavar="HEX", help="The public key it must be signed with, 64 hex digits.")
@output_options
def command(
    out: Output, episode: str, store: str | None, fleet: str, folder: Path, wait: float, key: str | None
) -> int:
    """Bring the package of a finished episode here, into a new folder below --out, and prove its record.

    `terret verify PACKAGE` also runs its checks again. The exit code is that of `terret run`.
    """
    from terret.journal import check_package

    with open_fleet(store, fleet) as found:
        row = found.episode(episode)
        until = time.monotonic() + wait
        while row.state in ("queued", "running") and time.monotonic() < until:
            time.sleep(0.5)
            row = found.episode(row.id)
        package = folder / row.id
        row = found.fetch(row.id, package)
    checked = check_package(package, key)
    label = row.delivery.label if row.delivery else None
    out.line(f"{package}  {label or 'ungraded'}, {checked.head.count} events, signed by {checked.head.public_key}")
    out.document({"package": str(package), "episode": row})
    return exit_code(label)
