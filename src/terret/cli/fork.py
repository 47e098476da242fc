"""``terret fork``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS
from terret.errors import ConfigError

if TYPE_CHECKING:
    from terret.runtime import EditForm

FORMS = ("workspace", "task", "reply", "observation")


@click.command("fork", short_help=COMMANDS["fork"])
@click.argument("episode")
@click.option("--at", type=int, required=True, metavar="TURN", help="Share the record up to the end of this turn.")
@click.option("--model", metavar="SPEC", help="Who goes on from there; the same model by default.")
@click.option(
    "--edit", type=click.File(encoding="utf-8"), metavar="FILE", help="What is different in that turn; - is stdin."
)
@click.option(
    "--as",
    "form",
    type=click.Choice(FORMS),
    help="What FILE is: a patch of the workspace (.patch, .diff), the task's objective, what the model answered, or "
    "what the agent was shown.",
)
@click.option("--out", "into", type=click.Path(path_type=Path), default=Path("episodes"), show_default=True)
@output_options
def command(
    out: Output, episode: str, at: int, model: str | None, edit: TextIO | None, form: EditForm | None, into: Path
) -> int:
    """Explore another future of EPISODE (a package, or an id below episodes/) from the end of a turn.

    The new episode takes over what led there, effects and model replies included, at no cost; it is run, evaluated and
    packed like any other, and says what it was forked from. EPISODE itself is not changed.

    With --edit that turn goes otherwise: a patch is applied to the workspace or the agent gets another objective at its
    end; or its reply, or what the agent was shown in it, is FILE. The edit is on record as an intervention.
    """
    from terret.cli._conduct import conduct, present
    from terret.cli._episode import find_episode
    from terret.journal import SigningKey, default_key_path
    from terret.models import connect
    from terret.runtime import environment_scrubber, episode_id, fork_package, opened_of, resume_episode

    changed = _edit(edit, form)
    source = find_episode(episode).folder
    key = SigningKey.load_or_create(default_key_path())
    opened = opened_of(source)
    chosen = connect(model or opened.model["spec"])
    folder = into / episode_id(f"{opened.task_name}-fork")
    scrubber = environment_scrubber()
    identity = chosen.identity if model else None
    fork_package(source, folder, at=at, key=key, model=identity, edit=changed, scrubber=scrubber)
    ended = conduct(
        out,
        folder,
        lambda listener: resume_episode(
            folder, key=key, connect=lambda recorded: chosen, listener=listener, scrubber=scrubber
        ),
    )
    return present(out, ended)


def _edit(file: TextIO | None, form: EditForm | None) -> tuple[EditForm, str] | None:
    """What is to be different.

    Raises:
        ConfigError: The file is missing, is not UTF-8, or does not say what it is.
    """
    if file is None:
        if form is not None:
            raise ConfigError("there is nothing to edit with", value=form, hint="name the file with --edit FILE")
        return None
    if form is None and Path(file.name).suffix in (".patch", ".diff"):
        form = "workspace"
    if form is None:
        hint = "say it with --as " + ", --as ".join(FORMS)
        raise ConfigError("it is not clear what the file is to edit", value=file.name, hint=hint)
    try:
        return form, file.read()
    except UnicodeDecodeError:
        raise ConfigError("the edit is not UTF-8", where=file.name) from None
