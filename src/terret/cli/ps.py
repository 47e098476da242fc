"""``terret ps``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS

if TYPE_CHECKING:
    from terret.operate import EpisodeFacts

STATES = ("queued", "running", "suspended", "paused", "finished", "damaged")


@click.command("ps", short_help=COMMANDS["ps"])
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only these; may be repeated.")
@click.option("--archived", "-a", is_flag=True, help="Also those that terret gc has packed.")
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the last N.")
@click.option("--store", metavar="URL", help="Those of a fleet of machines instead; see `terret queue`.")
@click.option("--fleet", default="terret", show_default=True, metavar="NAME", help="Which fleet of the store.")
@output_options
def command(
    out: Output,
    folder: Path | None,
    states: tuple[str, ...],
    archived: bool,
    last: int | None,
    store: str | None,
    fleet: str,
) -> int:
    """List the episodes below FOLDER (episodes/ by default), oldest first.

    A running episode is one whose journal is locked by a living process. Looking takes no lock and changes nothing.
    Of an id as much is shown as the other commands need to find it.
    """
    from terret.cli._listing import common_folder, fleet_at, lines, listing, packed_note, summary, width

    everything = fleet_at(folder, archived=archived).episodes() if store is None else _stored(store, fleet, last)
    found = [one for one in everything if not states or one.state in states]
    found = found[-last:] if last else found
    out.document(found)
    if found:
        for line in lines(listing(found, time.time(), width())):
            out.line(line)
    inside = common_folder(found) if width() is not None else ""
    packed = "" if archived or found or store else packed_note(folder)
    out.line(summary(found) + (f" (in {inside})" if inside else "") + packed)
    return 0


def _stored(store: str, fleet: str, last: int | None) -> list[EpisodeFacts]:
    from terret.cli._fleet import open_fleet
    from terret.cli._store_fleet import StoreFleet

    with open_fleet(store, fleet) as found:
        return StoreFleet(found, last=last or 200).episodes()
