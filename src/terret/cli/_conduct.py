"""Runs an episode in front of the user: progress, then the report, then the exit code."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terret.cli._episode import find_episode, read_events
from terret.cli._errors import Interrupted
from terret.cli._live import Listener, watching
from terret.cli._output import Output
from terret.cli._report import document, report
from terret.cli._story import Story
from terret.cli._words import exit_code

if TYPE_CHECKING:
    from terret.models import Model
    from terret.runtime import Episode

Start = Callable[[Listener], Coroutine[Any, Any, "Episode"]]
"""Begins or resumes an episode that reports to the listener."""


def conduct(out: Output, folder: Path, start: Start) -> Episode:
    """Drive an episode to its end with progress on stderr.

    Raises:
        Interrupted: Ctrl-C; the hint is the command that goes on.
    """
    import asyncio

    try:
        with watching(out, Story()) as listener:
            return asyncio.run(_started(start, listener))
    except KeyboardInterrupt:
        hint = f"go on with: terret resume {shown(folder)}" if (folder / "live").exists() else "nothing had begun"
        raise Interrupted("interrupted", hint=hint) from None


def present(out: Output, episode: Episode) -> int:
    """Print the report of an episode that ended or was suspended, and return the exit code."""
    story = story_of(episode.folder)
    out.document(document(story, episode.folder))
    for line in report(story, episode.folder, timeline=not out.told_live):
        out.line(line)
    if episode.status == "suspended" and episode.fault is not None:
        out.error(f"the episode is suspended: {episode.fault['message']}; go on: terret resume {shown(episode.folder)}")
        return 3
    return exit_code(episode.label)


def story_of(folder: Path) -> Story:
    """The story of an episode on disk."""
    return Story(read_events(find_episode(str(folder)))[0])


def shown(folder: Path) -> str:
    """A folder as one would type it here."""
    inside = folder.is_absolute() and folder.is_relative_to(Path.cwd())
    return shlex.quote(os.path.relpath(folder) if inside else str(folder))


async def with_model(model: Model, body: Coroutine[Any, Any, Episode]) -> Episode:
    """Await ``body``, then close the model it uses."""
    try:
        return await body
    finally:
        await model.aclose()


async def _started(start: Start, listener: Listener) -> Episode:
    return await start(listener)
