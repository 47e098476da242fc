"""``terret cancel``."""

from __future__ import annotations

import click

from terret.cli._fleet import fleet_options, open_fleet
from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS


@click.command("cancel", short_help=COMMANDS["cancel"])
@click.argument("episodes", nargs=-1, required=True, metavar="ID...")
@fleet_options
@output_options
def command(out: Output, episodes: tuple[str, ...], store: str | None, fleet: str) -> int:
    """Take episodes out of a fleet's queue, or stop them where they run.

    What they did stays recorded; `terret submit --again ID` goes on with one.
    """
    with open_fleet(store, fleet) as found:
        rows = [found.cancel(name) for name in episodes]
    for row in rows:
        out.line(f"{row.id} cancelled")
    out.document({"cancelled": [row.id for row in rows]})
    return 0
