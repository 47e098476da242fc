"""Finds an episode by folder or id and reads its events, finished or not."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from terret.errors import EpisodeNotFound, PackageError
from terret.journal import BlobStore, Event, holds_journal, read_journal_jsonl

DEFAULT_OUT = "episodes"
"""Where ``terret run`` puts packages unless told otherwise."""


class Found(NamedTuple):
    """An episode on disk; ``live`` while it has no package yet; ``archive`` when ``terret gc`` has packed it there."""

    folder: Path
    live: bool
    archive: Path | None = None

    @property
    def store(self) -> Path:
        """The folder that holds the journal."""
        return self.folder / "live" if self.live else self.folder


def find_episode(name: str, out: str = DEFAULT_OUT) -> Found:
    """The episode in folder ``name``, or whose id in ``out`` begins with ``name``.

    Raises:
        EpisodeNotFound: Nothing or more than one thing answers to the name.
    """
    given = Path(name).expanduser()
    found = _at(given) or _at(given.parent if given.name == "live" else given)
    if found is not None:
        return found
    if given.exists():
        raise EpisodeNotFound(
            "this is no episode: it holds neither a package nor a live journal",
            value=name,
            hint="give the folder that holds journal.jsonl or live/",
        )
    if (packed := _packed(given if "/" in name else Path(out) / name)) is not None:
        return packed
    matches = sorted(path for path in Path(out).glob(f"{_literal(name)}*") if _at(path)) if "/" not in name else []
    if len(matches) == 1:
        only = _at(matches[0])
        if only is not None:
            return only
    if matches:
        raise EpisodeNotFound(
            f"{len(matches)} episodes begin like this", value=name, where=out, hint="give more of the id"
        )
    raise EpisodeNotFound("no such episode", value=name, hint=f"give a package folder, or an id below {out}/")


def find_place(name: str, out: str = DEFAULT_OUT) -> tuple[Path, str]:
    """The folder to look in for an episode that a user names, and its name or the beginning of it there."""
    given = Path(name).expanduser()
    given = given.parent if given.name == "live" and not _at(given) else given
    if given.exists() or "/" in name:
        return (given.absolute() if given.name in ("", ".", "..") else given).parent, given.absolute().name
    return Path(out), name


def find_shared(name: str, store: str | None) -> Found:
    """The episode on disk as :func:`find_episode` finds it, or else the one of exactly that id in a store.

    Raises:
        EpisodeNotFound: Neither here nor there.
    """
    folder, beginning = find_place(name)
    try:
        return find_episode(name)
    except EpisodeNotFound:
        if store is None or (folder / beginning).exists():
            raise
    from terret.journal import open_store

    with open_store(store, read_only=True) as opened:
        if beginning not in opened.episodes():
            raise EpisodeNotFound("no such episode", value=beginning, where=opened.place)
    return Found(folder / beginning, live=True)


def read_events(found: Found, store: str | None = None) -> tuple[list[Event], BlobStore]:
    """An episode's events and blobs, as they stand; nothing is proved by reading.

    Raises:
        PackageError: The journal cannot be read.
    """
    if found.archive is not None:
        from terret.operate import Archive, ArchivedBlobs

        with Archive(found.archive) as archive:
            return archive.events(found.folder.name), ArchivedBlobs(found.archive)
    if found.live:
        from terret.journal import read_live

        return read_live(found.store, store=store, episode=found.folder.name)
    path = found.folder / "journal.jsonl"
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise PackageError(f"the journal cannot be read: {error.strerror}", where=str(path)) from None
    return read_journal_jsonl(raw), BlobStore(found.store / "blobs")


def _at(folder: Path) -> Found | None:
    if (folder / "journal.jsonl").is_file():
        return Found(folder, live=False)
    if holds_journal(folder / "live"):
        return Found(folder, live=True)
    return None


def _packed(folder: Path) -> Found | None:
    from terret.operate import archive_of

    archive = archive_of(folder)
    return Found(folder, live=False, archive=archive) if archive is not None else None


def _literal(name: str) -> str:
    import glob

    return glob.escape(name)
