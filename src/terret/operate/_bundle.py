"""Packages in other wrappings: tar and zip files, archives and folders, made and opened with care."""

from __future__ import annotations

import gzip
import io
import lzma
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from terret.errors import ConfigError, EpisodeNotFound, InfrastructureError, PackageError
from terret.journal import check_package
from terret.operate._archive import ARCHIVE, Archive
from terret.operate._places import JOURNAL, is_live, places

LIMIT = 8 << 30
"""Bytes that one file may unpack to."""

PART = re.compile(
    r"journal\.jsonl|head\.json|episode\.json|patch\.diff|report\.md|verification\.json"
    r"|(?:traces|records)/[a-z_]+\.jsonl?|blobs/[0-9a-f]{64}"
)
"""The files a package is made of."""

_CHUNK = 1 << 20
_BROKEN = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, gzip.BadGzipFile),
    *(EOFError, RuntimeError, NotImplementedError),
)
"""What the libraries raise for a file that is damaged, encrypted or of a kind they do not know."""

_SQLITE = b"SQLite format 3\0"


class Part(NamedTuple):
    """One file inside a wrapping; ``file`` is ``None`` for what is no plain file."""

    name: str
    file: IO[bytes] | None


def files_of(folder: Path) -> tuple[list[str], list[str]]:
    """The files of a package folder, and those in it that are none of a package's, both relative and sorted."""
    own: list[str] = []
    foreign: list[str] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_dir():
            (own if PART.fullmatch(name) and not path.is_symlink() else foreign).append(name)
    return own, foreign


def export_package(folder: Path, target: Path) -> int:
    """Write a package that proves sound as one ``.tar.gz``; the same package gives the same bytes. Returns its size.

    Raises:
        PackageError: The package is damaged; one subclass per kind.
        InfrastructureError: The file cannot be written.
    """
    package = check_package(folder)
    own, _ = files_of(folder)
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            partial.open("wb") as raw,
            gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for name in own:
                content = (folder / name).read_bytes()
                info = tarfile.TarInfo(f"{package.head.episode}/{name}")
                info.size, info.mode = len(content), 0o644
                tar.addfile(info, io.BytesIO(content))
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InfrastructureError(f"the file cannot be written: {error.strerror}", where=str(target)) from None
    return target.stat().st_size


def unpacked(source: Path, scratch: Path, *, episode: str | None = None, limit: int = LIMIT) -> Iterator[Path]:
    """Copies of the packages in a folder, tar file, zip file or archive, one after the other below ``scratch``.

    Nothing of what they say is proved. Each copy may be moved away; it is removed before the next one is made.

    Args:
        source: What is opened.
        scratch: An empty folder.
        episode: Only this one, by id or by the name of its folder.
        limit: The most bytes that may come out.

    Raises:
        EpisodeNotFound: There is no package in it, or not that one.
        PackageError: It cannot be unpacked, or holds links, devices or paths that lead out.
    """
    found = False
    for folder in _opened(source, scratch, episode, limit):
        found = True
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
    if not found:
        raise EpisodeNotFound("there is no package in it", value=episode, where=str(source), hint="see terret ps")


def _opened(source: Path, scratch: Path, episode: str | None, limit: int) -> Iterator[Path]:
    if source.is_dir():
        yield from _folders(source, scratch, episode)
    elif not source.exists():
        raise EpisodeNotFound("there is nothing to open", where=str(source))
    elif _starts(source, _SQLITE):
        yield from _archived(source, scratch, episode)
    else:
        yield from _wrapped(source, scratch, episode, limit)


def _folders(source: Path, scratch: Path, episode: str | None) -> Iterator[Path]:
    for place in places(source):
        if place.archive:
            yield from _archived(place.folder, scratch, episode)
        elif episode in (None, place.folder.name):
            if is_live(place.folder):
                raise ConfigError("the episode is not finished", where=str(place.folder), hint="terret resume it there")
            target = scratch / place.folder.name
            for name in files_of(place.folder)[0]:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(place.folder / name, target / name)
            yield target


def _archived(source: Path, scratch: Path, episode: str | None) -> Iterator[Path]:
    with Archive(source) as archive:
        for row in archive.episodes():
            if episode in (None, row.id):
                target = scratch / "archived"
                archive.unpack(row.id, target)
                yield target


def _wrapped(source: Path, scratch: Path, episode: str | None, limit: int) -> Iterator[Path]:
    """Everything is unpacked first: the files of a package may stand anywhere in a tar file."""
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as file:
                _unwrap(_zip_parts(file), source, scratch, limit)
        else:
            with tarfile.open(source) as file:
                _unwrap(_tar_parts(file), source, scratch, limit)
    except _BROKEN as error:
        raise PackageError(
            f"the file cannot be unpacked: {error}", where=str(source), hint="give a folder, .tar, .zip or archive"
        ) from None
    for folder in sorted(path.parent for path in (scratch / "wrapped").rglob(JOURNAL)):
        if episode in (None, folder.name):
            yield folder


def _unwrap(parts: Iterator[Part], source: Path, scratch: Path, limit: int) -> None:
    left = limit
    for part in parts:
        name = Path(part.name)
        if name.is_absolute() or ".." in name.parts or part.file is None:
            raise PackageError("it holds something other than plain files", value=part.name, where=str(source))
        inside = next((at for at in (1, 2) if PART.fullmatch("/".join(name.parts[-at:]))), None)
        if inside is None:
            continue
        target = scratch / "wrapped" / Path(*name.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            while chunk := part.file.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise PackageError("it unpacks to more than is allowed", value=limit, where=str(source))
                file.write(chunk)


def _tar_parts(file: tarfile.TarFile) -> Iterator[Part]:
    for member in file:
        if not member.isdir():
            yield Part(member.name, file.extractfile(member) if member.isreg() else None)


def _zip_parts(file: zipfile.ZipFile) -> Iterator[Part]:
    for member in file.infolist():
        if not member.is_dir():
            plain = (member.external_attr >> 16) & 0o170000 in (0, 0o100000)
            with file.open(member) as content:
                yield Part(member.filename, content if plain else None)


def _starts(path: Path, mark: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(mark)) == mark


def archive_of(folder: Path) -> Path | None:
    """The archive that holds the episode which lay in a folder; ``None`` when none does."""
    path = folder.parent / ARCHIVE
    if folder.exists() or not path.is_file():
        return None
    with Archive(path) as archive:
        return path if any(row.id == folder.name for row in archive.episodes()) else None
