"""Fork: another future from a turn of an episode, with what led there taken over from its record."""

from __future__ import annotations

from pathlib import Path

import msgspec

from terret.errors import ConfigError
from terret.journal import CheckedPackage, Event, SigningKey, Stopped, check_package
from terret.models import ModelIdentity
from terret.runtime._replay import opening, rebuild


def fork_package(source: Path, folder: Path, *, at: int, key: SigningKey, model: ModelIdentity | None = None) -> Path:
    """Make ``folder`` an interrupted episode that shares the record of a package up to the end of turn ``at``.

    :func:`terret.runtime.resume_episode` goes on from there. Image and dialect stay those of the source, whatever
    ``model`` is; nothing of the source is changed.

    Raises:
        ConfigError: The episode has no such turn, or ``folder`` is in use.
        PackageError: The source is damaged, or does not hold the states of its workspace.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError("the folder is in use", where=str(folder), hint="name a new one with --out")
    package = check_package(source)
    shared = _until(package, at)
    opened = opening(package)
    last = shared[-1]
    forked = msgspec.structs.replace(
        opened,
        public_key=key.public_hex,
        model=opened.model if model is None else msgspec.to_builtins(model),
        forked_from={"episode": last.episode, "turn": at, "hash": last.hash},
    )
    with rebuild(package, folder / "live", shared, key, opened=forked):
        return folder


def _until(package: CheckedPackage, at: int) -> list[Event]:
    """The events up to the end of a turn."""
    turns = max((getattr(event.data, "turn", 0) for event in package.events), default=0)
    if not 0 <= at <= turns:
        raise ConfigError("the episode has no such turn", value=at, hint=f"it has turns 0 to {turns}")
    for index, event in enumerate(package.events):
        if isinstance(event.data, Stopped) or getattr(event.data, "turn", 0) > at:
            return package.events[:index]
    return package.events
