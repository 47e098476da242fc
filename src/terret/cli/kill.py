"""``terret kill``."""

from __future__ import annotations

from pathlib import Path

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS


@click.command("kill", short_help=COMMANDS["kill"])
@click.argument("episodes", nargs=-1, required=True, metavar="EPISODE...")
@click.option("--stop", is_flag=True, help="Ask for an orderly end instead: no further turn, the work is judged.")
@click.option("--reason", default="", metavar="TEXT", help="Kept in the record with --stop.")
@click.option("--force", is_flag=True, help="Also when the process drives other episodes too.")
@click.option("--grace", type=click.FloatRange(0), default=5.0, show_default=True, metavar="S", help="Then SIGKILL.")
@output_options
def command(out: Output, episodes: tuple[str, ...], stop: bool, reason: str, force: bool, grace: float) -> int:
    """End the process that drives EPISODE (a folder, or an id below episodes/); the episode stays resumable.

    The process gets SIGTERM, and SIGKILL when it does not end in time. An effect that was under way is handled by
    `terret resume`, as after any crash. With --stop nothing is cut short: the episode ends after its turn, is
    evaluated and labelled, and the order is recorded as an intervention.
    """
    from terret.cli._conduct import shown
    from terret.cli._listing import locate

    done: list[object] = []
    for name in episodes:
        fleet, facts = locate(name)
        found = fleet.signal(facts.name, "stop" if stop else "kill", reason=reason, force=force, grace_s=grace)
        done.append(found)
        if stop:
            out.line(f"{facts.id} stops {found.detail} and is then judged")
            continue
        others = f", {len(found.others)} other episodes with it" if found.others else ""
        out.line(f"{facts.id}: {found.detail}{others}; go on: terret resume {shown(Path(facts.place))}")
    out.document(done)
    return 0
