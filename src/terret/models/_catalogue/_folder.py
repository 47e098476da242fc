"""The folder of pulled weights, and the lock that keeps two pulls apart."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from terret.models._catalogue._entry import CatalogueEntry, find_entry


def models_folder() -> Path:
    """Where weights are kept: ``TERRET_MODELS``, else ``terret/models`` in the XDG data folder."""
    if chosen := os.environ.get("TERRET_MODELS"):
        return Path(chosen).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "terret" / "models"


def installed(name: str) -> Path | None:
    """The weights of a model, or ``None`` when they are not on this machine.

    Only a pull that checked the digest puts the file there, so its name and size are trusted here.

    Raises:
        ModelNotFound: The catalogue has no such model.
    """
    return weights(find_entry(name))


def weights(entry: CatalogueEntry) -> Path | None:
    """The complete weights of an entry, or ``None``."""
    path = models_folder() / entry.file
    return path if path.is_file() and path.stat().st_size == entry.size else None


def partial_path(entry: CatalogueEntry) -> Path:
    """The file in which an entry's weights are put together."""
    return models_folder() / f".{entry.file}.partial"


def remove(name: str) -> bool:
    """Delete a model's weights and what an unfinished pull left; whether there were weights.

    Raises:
        ModelNotFound: The catalogue has no such model.
    """
    entry = find_entry(name)
    path = models_folder() / entry.file
    if not models_folder().is_dir():
        return False
    with exclusive(entry):
        partial_path(entry).unlink(missing_ok=True)
        present = path.is_file()
        path.unlink(missing_ok=True)
    return present


@contextmanager
def exclusive(entry: CatalogueEntry, on_wait: Callable[[], None] | None = None) -> Generator[None, None, None]:
    """Hold an entry's lock; ``on_wait`` is called when another process has it."""
    lock = os.open(models_folder() / f".{entry.file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if on_wait is not None:
                on_wait()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
