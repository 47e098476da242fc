"""``terret top``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS

if TYPE_CHECKING:
    from rich.text import Text

    from terret.operate import EpisodeFacts, FolderFleet

ORDER = ("running", "queued", "paused", "suspended", "damaged", "finished")
COLOURS = {"running": "bold", "paused": "yellow", "suspended": "yellow", "damaged": "red"}


@click.command("top", short_help=COMMANDS["top"])
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--every", type=click.FloatRange(0.1), default=1.0, show_default=True, metavar="S", help="Refresh time.")
@click.option("--once", is_flag=True, help="Print one table and end, as when stdout is no terminal.")
@output_options
def command(out: Output, folder: Path | None, every: float, once: bool) -> int:
    """Watch the episodes below FOLDER (episodes/ by default), the running ones first; Ctrl-C ends it."""
    from terret.cli._listing import fleet_at, lines, listing, summary, width

    fleet = fleet_at(folder)
    if once or out.as_json or out.quiet or not sys.stdout.isatty():
        now = time.time()
        found = ordered(fleet.episodes())
        out.document(found)
        for line in [summary(found), *lines(listing(found, now, width(), doing=True))]:
            out.line(line)
        return 0
    try:
        _watch(fleet, every)
    except KeyboardInterrupt:
        return 0
    return 0


def ordered(episodes: Sequence[EpisodeFacts]) -> list[EpisodeFacts]:
    """The running ones first, then what waits, then what ended last."""
    return sorted(episodes, key=lambda one: (ORDER.index(one.state), -one.latest, one.name))


def rates(now: Sequence[EpisodeFacts], before: Sequence[EpisodeFacts], seconds: float) -> str:
    """How fast turns and tokens have come since an earlier look."""
    from terret.cli._words import amount_of

    turns, tokens = (_since(now, before, what) / seconds if seconds > 0 else 0.0 for what in (_turn, _tokens))
    return f"{turns:.1f} turns/s, {amount_of(tokens)} tokens/s; Ctrl-C ends"


def _turn(one: EpisodeFacts) -> int:
    return one.turn


def _tokens(one: EpisodeFacts) -> int:
    return one.tokens


def _since(now: Sequence[EpisodeFacts], before: Sequence[EpisodeFacts], what: Callable[[EpisodeFacts], int]) -> int:
    known = {one.name: what(one) for one in before}
    return sum(max(0, what(one) - known.get(one.name, 0)) for one in now)


def _watch(fleet: FolderFleet, every: float) -> None:
    from importlib.util import find_spec

    from terret.errors import MissingExtra

    if find_spec("rich") is None:
        raise MissingExtra("watching needs rich", hint="pip install 'terret[run]', or terret top --once")
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    before, at = fleet.episodes(), time.monotonic()
    with Live(_screen(console, before, before, 0.0), console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(every)
            now, then = fleet.episodes(), time.monotonic()
            live.update(_screen(console, now, before, then - at), refresh=True)
            before, at = now, then


def _screen(console: object, now: Sequence[EpisodeFacts], before: Sequence[EpisodeFacts], seconds: float) -> Text:
    from rich.console import Console
    from rich.text import Text

    from terret.cli._listing import lines, listing, summary

    assert isinstance(console, Console)
    width, height = console.size
    room = max(1, height - 4)
    found = ordered(now)
    rows = listing(found[:room], time.time(), width, doing=True)
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(summary(found)[:width] + "\n", style="bold")
    text.append(rates(now, before, seconds)[:width] + "\n", style="dim")
    for row, line in zip(rows, lines(rows), strict=True):
        style = {True: "green", False: "red", None: COLOURS.get(row.state, "reverse" if not row.state else "")}[row.ok]
        text.append(line + "\n", style=style)
    if len(found) > room:
        text.append(f"{len(found) - room} more: terret ps", style="dim")
    return text
