"""``terret resume``."""

from __future__ import annotations

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS


@click.command("resume", short_help=COMMANDS["resume"])
@click.argument("episode")
@click.option("--model", metavar="SPEC", help="Where to find the same model now; the recorded place by default.")
@click.option("--durability", type=click.Choice(["normal", "full"]), default="normal", show_default=True)
@output_options
def command(out: Output, episode: str, model: str | None, durability: str) -> int:
    """Go on with EPISODE (a folder, or an id below episodes/) after a crash, Ctrl-C or a fault.

    Effects that completed are not run again. An effect that began and has no recorded outcome is repeated when
    it could only read or change the workspace (which is taken back first), and told to the agent otherwise.
    A finished episode is only reported.
    """
    from terret.cli._conduct import conduct, present
    from terret.cli._episode import find_episode
    from terret.journal import SigningKey, default_key_path
    from terret.models import connect
    from terret.runtime import environment_scrubber, finished_episode, resume_episode

    found = find_episode(episode)
    if not found.live:
        return present(out, finished_episode(found.folder))
    key = SigningKey.load_or_create(default_key_path())
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
        ),
    )
    return present(out, ended)
