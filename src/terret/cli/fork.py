"""``terret fork``."""

from __future__ import annotations

from pathlib import Path

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS


@click.command("fork", short_help=COMMANDS["fork"])
@click.argument("episode")
@click.option("--at", type=int, required=True, metavar="TURN", help="Share the record up to the end of this turn.")
@click.option("--model", metavar="SPEC", help="Who goes on from there; the same model by default.")
@click.option("--out", "into", type=click.Path(path_type=Path), default=Path("episodes"), show_default=True)
@output_options
def command(out: Output, episode: str, at: int, model: str | None, into: Path) -> int:
    """Explore another future of EPISODE (a package, or an id below episodes/) from the end of a turn.

    The new episode takes over what led there, effects and model replies included, at no cost; it is run, evaluated and
    packed like any other, and says what it was forked from. EPISODE itself is not changed.
    """
    from terret.cli._conduct import conduct, present
    from terret.cli._episode import find_episode
    from terret.journal import SigningKey, default_key_path
    from terret.models import connect
    from terret.runtime import environment_scrubber, episode_id, fork_package, opened_of, resume_episode

    source = find_episode(episode).folder
    key = SigningKey.load_or_create(default_key_path())
    opened = opened_of(source)
    chosen = connect(model or opened.model["spec"])
    folder = into / episode_id(f"{opened.task_name}-fork")
    fork_package(source, folder, at=at, key=key, model=chosen.identity if model else None)
    ended = conduct(
        out,
        folder,
        lambda listener: resume_episode(
            folder, key=key, connect=lambda recorded: chosen, listener=listener, scrubber=environment_scrubber()
        ),
    )
    return present(out, ended)
