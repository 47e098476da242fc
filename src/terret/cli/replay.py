"""``terret replay``."""

from __future__ import annotations

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS


@click.command("replay", short_help=COMMANDS["replay"])
@click.argument("episode")
@output_options
def command(out: Output, episode: str) -> int:
    """Run the loop of EPISODE (a package, or an id below episodes/) again on its record.

    Model replies and tool results come from the record, every decision is made anew: nothing outside is touched and
    no model is needed. Exits with 4 when the run does something its record does not show, and says where first.
    """
    import msgspec

    from terret.cli._episode import find_episode
    from terret.errors import Diverged
    from terret.runtime import replay_package

    report = replay_package(find_episode(episode).folder)
    out.document(msgspec.to_builtins(report))
    found = report.divergence
    if found is None:
        out.line(f"ok  {report.events} events of {report.episode} come out the same")
        return 0
    turn = "" if found.turn is None else f", turn {found.turn}"
    out.line(f"no  {report.episode} first differs at event {found.seq}{turn}")
    out.line(f"    recorded: {found.recorded}")
    out.line(f"    replayed: {found.replayed}")
    return Diverged.exit_code
