"""Where episodes lie below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from terret.journal import holds_journal
from terret.operate._archive import ARCHIVE

HEAD = "head.json"
JOURNAL = "journal.jsonl"
LIVE = "live"


class Place(NamedTuple):
    """Something found: an episode's folder, or an archive."""

    folder: Path
    archive: bool = False


def places(root: Path) -> Iterator[Place]:
    """Every episode and archive at or below a folder; links and hidden folders are passed over."""
    if is_episode(root):
        yield Place(root)
        return
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.is_symlink():
                continue
            if entry.name == ARCHIVE and entry.is_file():
                yield Place(Path(entry.path), archive=True)
            elif entry.is_dir():
                if is_episode(Path(entry.path)):
                    yield Place(Path(entry.path))
                else:
                    waiting.append(Path(entry.path))


def is_episode(folder: Path) -> bool:
    """Whether a folder is that of an episode, finished or not."""
    return (folder / JOURNAL).is_file() or is_live(folder)


def is_live(folder: Path) -> bool:
    """Whether an episode's live state is there."""
    return holds_journal(folder / LIVE)
