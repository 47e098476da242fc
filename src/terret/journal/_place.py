"""Where an episode's events live: a file in its folder, or a store that machines share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple, cast

import msgspec

from terret.errors import ConfigError, EpisodeNotFound, JournalError, JournalWriteFailed
from terret.journal._blobs import BlobStore, Durability
from terret.journal._chain import read_journal_jsonl
from terret.journal._events import Event
from terret.journal._lock import acquire
from terret.journal._recovery import log_layout
from terret.journal._shared_blobs import SharedBlobs
from terret.journal._store import Store
from terret.journal._stores import EventStore, SharedStore

DATABASE = "journal.db"
MARKER = "store.json"
"""Stands in a folder for the file: which store holds the episode."""
BLOBS = "blobs"
SCHEMES = ("postgresql://", "postgres://")
PATIENCE_S = 30.0
"""How long a commit waits for a server that is gone."""

_known: dict[str, str] = {}
"""The whole URL of each store that this process reached; the one that a folder notes has no password."""

StoreChoice = str | SharedStore | None
"""A store's URL, a store that is open already, or ``None`` for a file in the folder."""


class Marker(msgspec.Struct, frozen=True):
    """The content of ``store.json``; the URL has no password."""

    store: str
    episode: str


class Place(NamedTuple):
    """An opened place and what has to be given up again with it."""

    store: EventStore
    shared: SharedStore | None
    blobs: BlobStore
    episode: str
    lock: int
    dropped: int = 0
    """Bytes of a write that never finished."""

    def release(self) -> None:
        """Give it up."""
        self.store.close()
        os.close(self.lock)


def holds_journal(folder: Path) -> bool:
    """Whether a folder holds a journal, or says which store does."""
    return (folder / DATABASE).is_file() or (folder / MARKER).is_file()


def open_store(
    url: str, durability: Durability = "normal", *, read_only: bool = False, patience: float = PATIENCE_S
) -> SharedStore:
    """The store at a URL; ``patience`` is how many seconds it waits for a server that is gone.

    Raises:
        ConfigError: It is no ``postgresql://`` URL.
        MissingExtra: psycopg is not installed.
        EpisodeNotFound: Read only, and it holds no journals.
        JournalError: It cannot be reached.
    """
    if not url.startswith(SCHEMES):
        raise ConfigError("unknown kind of store", value=url[:40], hint="postgresql://USER@HOST:PORT/DATABASE")
    from terret.journal._postgres import PostgresStore

    store = PostgresStore(url, durability, read_only=read_only, patience=patience)
    _known[store.place] = url
    return store


def begin(folder: Path, episode: str, public_key: str, durability: Durability, choice: StoreChoice) -> Place:
    """Add an episode; raises what :meth:`terret.journal.Journal.create` raises."""
    _make(folder)
    with _locked(folder) as held:
        if holds_journal(folder):
            raise JournalError("the folder holds a journal already", where=str(folder), hint="open it instead")
        if choice is not None:
            shared = open_store(choice, durability) if isinstance(choice, str) else choice
            held.store = shared
            shared.add_episode(episode, public_key)
            shared.acquire(episode)
            _mark(folder, shared, episode)
            return _shared(folder, shared, episode, durability, held.lock)
        held.store = store = Store(folder / DATABASE, durability)
        store.add_episode(episode, public_key)
        return Place(store, None, BlobStore(folder / BLOBS, durability=durability), episode, held.lock)


def enter(
    folder: Path, public_key: str, durability: Durability, choice: StoreChoice, episode: str | None, *, take_over: bool
) -> Place:
    """Own a begun episode; raises what :meth:`terret.journal.Journal.open` raises of its place."""
    if not (folder / DATABASE).is_file():
        return _enter_shared(folder, public_key, durability, choice, episode, take_over=take_over)
    with _locked(folder, take_over=take_over) as held:
        used, frame = log_layout(folder / f"{DATABASE}-wal")
        held.store = store = Store(folder / DATABASE, durability)
        names = store.episodes()
        if not names:
            raise EpisodeNotFound("the episode never began", where=str(folder), hint="remove the folder, run again")
        _same_key(store, names[0], public_key)
        dropped = used - store.log_frames() * frame if used else 0
        blobs = BlobStore(folder / BLOBS, durability=durability)
        return Place(store, None, blobs, names[0], held.lock, max(0, dropped))


def look(folder: Path, choice: StoreChoice, episode: str | None) -> tuple[EventStore, str | None]:
    """A store to read an episode from, and the episode's name; ``None`` when it never began.

    Raises:
        EpisodeNotFound: Neither the folder nor the store holds it.
    """
    if (folder / DATABASE).is_file():
        file = Store(folder / DATABASE, read_only=True)
        return file, next(iter(file.episodes()), None)
    store, name = _named(folder, choice, episode, "normal", read_only=True)
    return store, name


def read_live(folder: Path, *, store: StoreChoice = None, episode: str | None = None) -> tuple[list[Event], BlobStore]:
    """The durable events of an episode that may still run, and its blobs; those of a shared store are brought here.

    Raises:
        EpisodeNotFound: The folder holds no journal.
        PackageError: The chain is broken.
        JournalError: The journal cannot be read.
    """
    source, name = look(folder, store, episode)
    blobs = BlobStore(folder / BLOBS)
    with source:
        lines = [] if name is None else source.lines(name)
        events = read_journal_jsonl(b"".join(line.rstrip(b"\n") + b"\n" for line in lines))
        if not isinstance(source, Store):
            cached = SharedBlobs(blobs.root, cast("SharedStore", source))
            for digest in {digest for event in events for digest in event.blobs}:
                cached.path(digest)
    return events, blobs


def _enter_shared(
    folder: Path, public_key: str, durability: Durability, choice: StoreChoice, episode: str | None, *, take_over: bool
) -> Place:
    store, name = _named(folder, choice, episode, durability)
    try:
        if name not in store.episodes():
            raise EpisodeNotFound("the store holds no such episode", value=name, where=store.place)
        _same_key(store, name, public_key)
        _make(folder)
        with _locked(folder, take_over=take_over) as held:
            store.acquire(name, take_over=take_over)
            _mark(folder, store, name)
            return _shared(folder, store, name, durability, held.lock)
    except BaseException:
        store.close()
        raise


def _shared(folder: Path, store: SharedStore, episode: str, durability: Durability, lock: int) -> Place:
    return Place(store, store, SharedBlobs(folder / BLOBS, store, durability=durability), episode, lock)


def _named(
    folder: Path, choice: StoreChoice, episode: str | None, durability: Durability, *, read_only: bool = False
) -> tuple[SharedStore, str]:
    """The store that an argument or the folder names, and the episode in it."""
    marker = _marker(folder)
    if choice is None and marker is None:
        raise EpisodeNotFound("the folder holds no journal", where=str(folder))
    name = marker.episode if marker else episode
    if name is None:
        raise ConfigError("which episode of the store?", where=str(folder), hint="name it")
    if choice is None:
        assert marker is not None
        choice = _known.get(marker.store, marker.store)
    return (open_store(choice, durability, read_only=read_only) if isinstance(choice, str) else choice), name


def _marker(folder: Path) -> Marker | None:
    try:
        return msgspec.json.decode((folder / MARKER).read_bytes(), type=Marker)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise JournalError(f"the note of the store cannot be read: {error}", where=str(folder / MARKER)) from None


def _mark(folder: Path, store: SharedStore, episode: str) -> None:
    partial = folder / f".{MARKER}.{os.getpid()}"
    try:
        partial.write_bytes(msgspec.json.encode(Marker(store.place, episode)))
        partial.replace(folder / MARKER)
    except OSError as error:
        raise JournalWriteFailed(f"the store cannot be noted: {error.strerror}", where=str(folder)) from None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalWriteFailed(f"no folder for the journal: {error.strerror}", where=str(folder)) from None


def _same_key(store: EventStore, episode: str, public_key: str) -> None:
    began = store.public_key(episode)
    if began != public_key:
        raise ConfigError(
            "the episode was begun with another signing key", value=began[:16], hint="use the key of that run"
        )


class _Held:
    """What to give up when opening fails."""

    def __init__(self, lock: int) -> None:
        self.lock = lock
        self.store: EventStore | None = None


@contextlib.contextmanager
def _locked(folder: Path, *, take_over: bool = False) -> Generator[_Held]:
    held = _Held(acquire(folder, take_over=take_over))
    try:
        yield held
    except BaseException:
        if held.store is not None:
            held.store.close()
        os.close(held.lock)
        raise
