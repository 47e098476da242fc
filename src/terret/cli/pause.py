"""``terret pause``."""

from __future__ import annotations

import time

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS


@click.command("pause", short_help=COMMANDS["pause"])
@click.argument("episodes", nargs=-1, required=True, metavar="EPISODE...")
@click.option("--reason", default="", metavar="TEXT", help="Kept in the record.")
@click.option("--wait", "limit", type=click.FloatRange(0), default=0.0, metavar="S", help="Wait until it is paused.")
@output_options
def command(out: Output, episodes: tuple[str, ...], reason: str, limit: float) -> int:
    """Put running episodes aside at the end of their turn; `terret resume EPISODE` goes on with one.

    EPISODE is a folder, or an id below episodes/. The turn that is under way ends first, which with a slow model
    takes a while. The order is kept in the journal; a resumed episode repeats nothing. Exit code 1 when the episode
    is not paused within the time of --wait.
    """
    from terret.cli._conduct import shown
    from terret.cli._listing import locate

    found = [locate(name) for name in episodes]
    done = [fleet.signal(facts.name, "pause", reason=reason) for fleet, facts in found]
    ends = time.monotonic() + limit
    while limit and time.monotonic() < ends and any(fleet.find(one.name).state == "running" for fleet, one in found):
        time.sleep(0.2)
    states = [fleet.find(one.name) for fleet, one in found]
    out.document([{**_plain(order), "state": now.state} for order, now in zip(done, states, strict=True)])
    from pathlib import Path

    for order, now in zip(done, states, strict=True):
        paused = now.state == "paused"
        what = "is paused" if paused else f"is {now.state}" if now.state != "running" else f"pauses {order.detail}"
        out.line(f"{now.id} {what}; go on: terret resume {shown(Path(now.place))}")
    return 1 if limit and any(now.state == "running" for now in states) else 0


def _plain(value: object) -> dict[str, object]:
    import msgspec

    plain: dict[str, object] = msgspec.to_builtins(value)
    return plain
