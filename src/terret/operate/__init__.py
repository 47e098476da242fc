"""Operating many episodes: what there is, signals, archives, import, metrics; for folders, without a server."""

from __future__ import annotations

from terret.operate._archive import ARCHIVE, Archive, ArchivedBlobs, ArchivedEpisode
from terret.operate._bundle import archive_of, export_package, unpacked
from terret.operate._facts import UNFINISHED, EpisodeFacts, Fleet, SignalKind, Signalled, State, facts_of
from terret.operate._folder import FolderFleet
from terret.operate._follow import follow
from terret.operate._intake import Intake, take_in
from terret.operate._metrics import Metric, metrics, prometheus_text
from terret.operate._retention import FAILED, Disposal, Retention, Sweep, sweep
from terret.operate._serve import MetricsServer, health
from terret.operate._tally import SECONDS, Durations, Tally

__all__ = [
    "ARCHIVE",
    "FAILED",
    "SECONDS",
    "UNFINISHED",
    "Archive",
    "ArchivedBlobs",
    "ArchivedEpisode",
    "Disposal",
    "Durations",
    "EpisodeFacts",
    "Fleet",
    "FolderFleet",
    "Intake",
    "Metric",
    "MetricsServer",
    "Retention",
    "SignalKind",
    "Signalled",
    "State",
    "Sweep",
    "Tally",
    "archive_of",
    "export_package",
    "facts_of",
    "follow",
    "health",
    "metrics",
    "prometheus_text",
    "sweep",
    "take_in",
    "unpacked",
]
