"""``terret logs``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS
from terret.errors import ConfigError

if TYPE_CHECKING:
    from terret.journal import Event
    from terret.operate import FolderFleet


@click.command("logs", short_help=COMMANDS["logs"])
@click.argument("episode")
@click.option("--follow", "-f", "following", is_flag=True, help="Go on with each new event until the episode is over.")
@click.option("--kind", "kinds", multiple=True, metavar="K", help="Only this kind, such as intent; may be repeated.")
@click.option("--since", metavar="N", help="From event N on; or 90s, 10m, 2h, 1d: what is not older.")
@output_options
def command(out: Output, episode: str, following: bool, kinds: tuple[str, ...], since: str | None) -> int:
    """Print the events of EPISODE (a folder, or an id below episodes/) as they stand in its journal, one a line.

    Also of a running episode, without disturbing it. With --json every line is one event as JSON.
    """
    from terret.cli._listing import locate

    wanted = _kinds(kinds)
    first, oldest = _since(since)
    fleet, facts = locate(episode, archived=True)
    try:
        for event in _events(fleet, facts.name, first - 1, following):
            if event.ts >= oldest and (not wanted or str(event.data.__struct_config__.tag) in wanted):
                _tell(out, event, flush=following)
    except KeyboardInterrupt:
        return 0
    if following and not out.quiet:
        state = fleet.find(facts.name)
        if state.state != "finished":
            out.note(f"the episode is {state.state}; go on: terret resume {state.place}")
    return 0


def _events(fleet: FolderFleet, name: str, after: int, following: bool) -> Iterator[Event]:
    from terret.operate import follow

    return follow(fleet, name, after) if following else iter(fleet.events(name, after))


def _tell(out: Output, event: Event, *, flush: bool) -> None:
    from terret.cli._event_lines import event_line

    if out.as_json:
        import msgspec

        sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
    else:
        out.line(event_line(event))
    if flush:
        sys.stdout.flush()


def _kinds(names: tuple[str, ...]) -> set[str]:
    from terret.journal import KINDS

    found: set[str] = set()
    for name in names:
        matches = {kind for kind in KINDS if kind == name or kind.partition("/")[0] == name}
        if not matches:
            known = ", ".join(sorted({kind.partition("/")[0] for kind in KINDS}))
            raise ConfigError("there is no such kind of event", value=name, hint=f"one of {known}")
        found |= matches
    return found


def _since(text: str | None) -> tuple[int, float]:
    """The first event, and the time of the oldest, that a user asks for."""
    from terret.cli._words import seconds_of

    if text is None:
        return 0, 0.0
    if text.isdecimal():
        return int(text), 0.0
    return 0, time.time() - seconds_of(text, "--since")
