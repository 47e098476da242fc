"""Named boundaries of durability, at which a test may make a process die or a write fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from terret.journal._events import (
    CheckRan,
    Data,
    EpisodeClosed,
    EpisodeOpened,
    EpisodeResumed,
    HistoryKept,
    Intent,
    Labelled,
    Outcome,
    PatchTaken,
)

Faults = Callable[[str], None]
"""Called with the name of every boundary as it is reached; it may raise what the operation there could raise."""

POINTS: Final[dict[type[Data], str]] = {
    EpisodeOpened: "opened",
    EpisodeResumed: "resumed",
    Intent: "intent",
    Outcome: "outcome",
    PatchTaken: "patch",
    CheckRan: "check",
    HistoryKept: "history",
    Labelled: "label",
    EpisodeClosed: "closed",
}
"""Events whose appending is a boundary."""

BOUNDARIES: Final[tuple[str, ...]] = tuple(
    f"{name}.{side}"
    for name in (*POINTS.values(), "dispatch", "commit", "blob", "package", "seal")
    for side in ("before", "after")
)
"""Every name: ``dispatch`` is the act between intent and outcome, ``blob`` the renaming of a whole blob, ``package``
the last file of a package (its head), ``seal`` everything from the package to the removal of the live state."""
