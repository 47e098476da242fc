"""``terret queue``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from terret.cli._fleet import fleet_options, open_fleet
from terret.cli._output import Output, output_options, table
from terret.cli._table import COMMANDS
from terret.errors import ConfigError

if TYPE_CHECKING:
    from terret.fleet import QueuedEpisode, WorkerRow

STATES = ("queued", "running", "finished", "cancelled", "failed")


@click.command("queue", short_help=COMMANDS["queue"])
@fleet_options
@click.option("--state", type=click.Choice(STATES), help="Only these.")
@click.option("--tenant", metavar="NAME", help="Only these.")
@click.option("--last", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@click.option("--limit", "limits", multiple=True, metavar="[TENANT=]N", help="Set how many run at a time.")
@click.option("--slots", type=click.IntRange(1), metavar="N", help="Set how many episodes one worker runs at a time.")
@click.option("--prune", type=click.FloatRange(min=0), metavar="DAYS", help="Drop journals that packages hold whole.")
@output_options
def command(
    out: Output,
    store: str | None,
    fleet: str,
    state: str | None,
    tenant: str | None,
    last: int,
    limits: tuple[str, ...],
    slots: int | None,
    prune: float | None,
) -> int:
    """Show a fleet's workers and episodes, or set its limits.

    `--limit 20` allows every tenant 20 episodes at a time; `--limit NAME=5` gives one a limit of its own, from the
    next submission on. `--prune 7` drops the journals of episodes that finished more than 7 days ago: their packages
    stay and hold all of it.
    """
    settings = [_setting(text) for text in limits]
    with open_fleet(store, fleet) as found:
        for name, number in settings:
            found.limit(name, episodes=number)
        if slots is not None:
            found.limit(slots=slots)
        if prune is not None:
            out.note(f"{found.prune(86400 * prune)} journals dropped")
        workers = found.workers()
        episodes = found.episodes(state=state, tenant=tenant, limit=last)  # type: ignore[arg-type]
    for line in _workers(workers):
        out.line(line)
    out.line()
    for line in _episodes(episodes):
        out.line(line)
    out.document({"workers": workers, "episodes": episodes})
    return 0


def _setting(text: str) -> tuple[str | None, int]:
    name, mark, number = text.rpartition("=")
    if not number.isdigit() or (mark and not name):
        raise ConfigError("not a limit", value=text, hint="write --limit 20 or --limit NAME=5")
    return name or None, int(number)


def _workers(rows: list[WorkerRow]) -> list[str]:
    if not rows:
        return ["no worker within the last day; start one: terret worker --model SPEC --store URL"]
    head = ("worker", "state", "silent", "model")
    return table([head, *((row.id, row.state, f"{row.silent_s:.0f} s", row.model) for row in rows)])


def _episodes(rows: list[QueuedEpisode]) -> list[str]:
    if not rows:
        return ["no episodes"]
    head = ("episode", "state", "tenant", "priority", "age", "what")
    now = time.time()
    return table(
        [head, *((r.id, r.state, r.tenant, str(r.priority), f"{now - r.submitted:.0f} s", _what(r)) for r in rows)]
    )


def _what(row: QueuedEpisode) -> str:
    if row.delivery is not None:
        return f"{row.delivery.label or 'ungraded'}, {row.delivery.turns} turns"
    return row.error or (row.worker or "" if row.state == "running" else "")
