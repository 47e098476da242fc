"""Which person takes part in an episode, from the options of ``run`` and ``resume``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from terret.errors import ConfigError

if TYPE_CHECKING:
    from terret.intervention import HumanQueue

F = TypeVar("F")

TIMEOUT_S = 3600.0
"""How long an answer may take unless ``--human-timeout`` says otherwise."""


def human_options(body: F) -> F:
    """Who answers the agent's questions and approves what the task has approved."""
    limit = "Silence denies after S s [default: 3600]."
    options: list[Any] = [
        click.option("--human-timeout", type=click.FloatRange(min=0), metavar="S", help=limit),
        click.option("--human", metavar="WHERE", help="Who may be asked: none, terminal, or a FOLDER of requests."),
    ]
    wrapped: Any = body
    for option in options:
        wrapped = option(wrapped)
    return wrapped


def queue_of(human: str | None, timeout_s: float | None, *, confined: bool = True) -> HumanQueue | None:
    """The queue that ``--human`` names; ``None`` for nobody.

    Raises:
        ConfigError: It names nothing, or a folder that an unconfined agent could write its own answers to.
    """
    if human in (None, "none"):
        if timeout_s is not None:
            raise ConfigError(
                "--human-timeout without a human", value=timeout_s, hint="add --human terminal or a folder"
            )
        return None
    from terret.intervention import FileQueue, TerminalQueue

    limit = TIMEOUT_S if timeout_s is None else timeout_s
    if human == "terminal":
        return TerminalQueue(timeout_s=limit)
    folder = Path(human)
    if not folder.is_dir():
        raise ConfigError("--human names no folder", value=human, hint="use none, terminal or an existing folder")
    if not confined:
        raise ConfigError("an agent without a sandbox could answer itself", value=human, hint="drop --no-sandbox")
    return FileQueue(folder.absolute(), timeout_s=limit)


def queue_again(human: str | None, timeout_s: float | None, policy: str, *, confined: bool = True) -> HumanQueue | None:
    """The queue of a resumed episode: the one asked for, else the one its ``intervention_policy`` records.

    Raises:
        ConfigError: As :func:`queue_of`; or the recorded one is a folder, which the record does not name.
    """
    kind = policy.partition(":")[0]
    if human is None and kind == "files":
        raise ConfigError("the episode was begun with a folder of requests", hint="add --human FOLDER, or --human none")
    return queue_of("terminal" if human is None and kind == "terminal" else human, timeout_s, confined=confined)
