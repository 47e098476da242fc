"""``terret resume``."""

from __future__ import annotations

from pathlib import Path

import click

from terret.cli._options import store_option
from terret.cli._output import Output, output_options
from terret.cli._people import human_options, queue_again
from terret.cli._table import COMMANDS


@click.command("resume", short_help=COMMANDS["resume"])
@click.argument("episode")
@click.option("--model", metavar="SPEC", help="Where to find the same model now; the recorded place by default.")
@click.option("--durability", type=click.Choice(["normal", "full"]), default="normal", show_default=True)
@click.option("--take-over", is_flag=True, help="Go on although a frozen or cut-off process still owns it.")
@store_option
@human_options
@click.option("--mandate", "mandates", type=click.Path(path_type=Path), multiple=True, metavar="FILE", help="To spend.")
@output_options
def command(
    out: Output,
    episode: str,
    model: str | None,
    durability: str,
    take_over: bool,
    store: str | None,
    human: str | None,
    human_timeout: float | None,
    mandates: tuple[Path, ...],
) -> int:
    """Go on with EPISODE (a folder, or an id below episodes/) after a crash, Ctrl-C or a fault.

    Effects that completed are not run again. An effect that began and has no recorded outcome is repeated when
    it could only read or change the workspace (which is taken back first), and told to the agent otherwise.
    With --store (or TERRET_STORE) the episode may have run on another machine: its workspace is made here anew.
    A finished episode is only reported. What a person answered is not asked again; --human is needed again when it
    was a folder. What was given to the agent at the beginning holds; mandates that are not spent are given again.
    """
    from terret.cli._conduct import conduct, present
    from terret.cli._episode import find_shared, read_events
    from terret.cli._mandates import gate_again
    from terret.journal import EpisodeOpened, SigningKey, default_key_path
    from terret.models import connect
    from terret.runtime import environment_scrubber, finished_episode, resume_episode

    found = find_shared(episode, store)
    if not found.live:
        return present(out, finished_episode(found.folder))
    opened = next((e.data for e in read_events(found, store)[0] if isinstance(e.data, EpisodeOpened)), None)
    policy = opened.intervention_policy if opened else ""
    confined = opened is None or opened.enforcement.get("tier") != "none"
    queue = queue_again(human, human_timeout, policy, confined=confined)
    key = SigningKey.load_or_create(default_key_path())
    with gate_again(mandates, opened.enforcement.get("mandates") if opened else None) as gate:
        ended = conduct(
            out,
            found.folder,
            lambda listener: resume_episode(
                found.folder,
                key=key,
                connect=lambda recorded: connect(model or recorded),
                durability="full" if durability == "full" else "normal",
                listener=listener,
                scrubber=environment_scrubber(),
                human=queue,
                take_over=take_over,
                store=store,
                mandates=gate,
            ),
        )
    return present(out, ended)
