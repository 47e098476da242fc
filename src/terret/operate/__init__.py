"""Operating many episodes: what there is, signals, archives, import, metrics; for folders, without a server."""

from __future__ import annotations

from terret.operate._archive import ARCHIVE, Archive, ArchivedEpisode
from terret.operate._facts import UNFINISHED, EpisodeFacts, Fleet, SignalKind, Signalled, State
from terret.operate._folder import FolderFleet
from terret.operate._follow import follow
from terret.operate._tally import SECONDS, Durations, Tally

__all__ = [
    "ARCHIVE",
    "SECONDS",
    "UNFINISHED",
    "Archive",
    "ArchivedEpisode",
    "Durations",
    "EpisodeFacts",
    "Fleet",
    "FolderFleet",
    "SignalKind",
    "Signalled",
    "State",
    "Tally",
    "follow",
]
