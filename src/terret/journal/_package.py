"""The episode package: written from a journal, and checked file by file against it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import msgspec

from terret.errors import (
    BlobMismatch,
    DerivedMismatch,
    EventInserted,
    JournalWriteFailed,
    PackageError,
    PatchMismatch,
)
from terret.journal._blobs import BlobStore, sync_folder
from terret.journal._chain import check_chain
from terret.journal._events import Event
from terret.journal._head import Head, seal
from terret.journal._journal import Journal
from terret.journal._project import PATCH, project
from terret.journal._records import FORMAT

JOURNAL = "journal.jsonl"
HEAD = "head.json"
BLOBS = "blobs"
_DERIVED_FOLDERS = ("traces", "records")
_PARTIAL = re.compile(r"\.(?:[a-z_]+\.(?:jsonl?|diff|md))\.\d+")


class CheckedPackage(NamedTuple):
    """A package whose chain, blobs and derived files are proved to fit together."""

    events: list[Event]
    head: Head
    blobs: BlobStore


def write_package(folder: Path, journal: Journal) -> Head:
    """Seal a journal and write its package; every file is replaced atomically, ``head.json`` last.

    Writing again gives the same files. With ``full`` durability all files are synced before this returns.

    Raises:
        JournalBusy: Another process has taken the episode over.
        JournalWriteFailed: The journal could not be made durable, or a file cannot be written.
        BlobMismatch: A blob that an event refers to is missing.
    """
    head = seal(journal)
    journal.hold()
    events = journal.events()
    files = {JOURNAL: b"".join(line + b"\n" for line in journal.lines()), **project(events, journal.blobs)}
    sync = journal.durability == "full"
    try:
        _sweep(folder)
        _copy_blobs(folder / BLOBS, events, journal.blobs, sync)
        for name, content in files.items():
            _replace(folder / name, content, sync)
        if journal.faults is not None:
            journal.faults("package.before")
        _replace(folder / HEAD, head.to_json(), sync)
        if journal.faults is not None:
            journal.faults("package.after")
        if sync:
            for name in (*_DERIVED_FOLDERS, "."):
                sync_folder(folder / name)
    except OSError as error:
        raise JournalWriteFailed(
            f"the package cannot be written: {error.strerror}",
            where=str(error.filename or folder),
            hint="free disk space or check rights; the journal itself is safe",
        ) from None
    return head


def check_package(folder: Path, expected_key: str | None = None) -> CheckedPackage:
    """Recompute everything a package claims from its journal; the first damage found is raised.

    Args:
        folder: The package; files of other names beside the known ones are ignored.
        expected_key: Public key that must have signed, 64 hex digits; any key when ``None``.

    Raises:
        PackageError: A part is missing or unreadable, or one of its subclasses: the chain's (see
            :func:`check_chain`), BlobMismatch, PatchMismatch or DerivedMismatch.
        JournalCorrupt: A sound event of an unknown kind or shape.
    """
    if not folder.is_dir():
        raise PackageError("there is no such package", where=str(folder))
    head = Head.from_json(_content(folder, HEAD))
    events = _check_journal(_content(folder, JOURNAL), head, expected_key)
    blobs = BlobStore(folder / BLOBS)
    _check_blobs(events, blobs)
    derived = project(events, blobs)
    patch = derived.pop(PATCH)
    if _content(folder, PATCH) != patch:
        raise PatchMismatch("the patch is not the one the journal recorded", where=str(folder / PATCH))
    for name, content in derived.items():
        _check_derived(folder, name, content)
    for name in _DERIVED_FOLDERS:
        extra = sorted(f"{name}/{path.name}" for path in (folder / name).iterdir())
        unknown = [path for path in extra if path not in derived]
        if unknown:
            raise DerivedMismatch("a file is not derived from the journal", where=str(folder / unknown[0]))
    return CheckedPackage(events, head, blobs)


def _check_journal(raw: bytes, head: Head, expected_key: str | None) -> list[Event]:
    *lines, rest = raw.split(b"\n")
    events = check_chain(lines, head, expected_key)
    if rest:
        raise EventInserted("bytes follow the last event", value=rest[:80], where=f"{JOURNAL} line {len(lines) + 1}")
    return events


def _check_blobs(events: list[Event], blobs: BlobStore) -> None:
    known: set[str] = set()
    for event in events:
        for digest in event.blobs:
            if digest not in known:
                try:
                    blobs.get(digest)
                except BlobMismatch as error:
                    error.hint = f"event {event.seq} refers to it"
                    raise
                known.add(digest)
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(blobs.root.iterdir()):
            if path.name not in known:
                raise BlobMismatch("no event refers to this blob", where=str(path))


def _check_derived(folder: Path, name: str, content: bytes) -> None:
    actual = _content(folder, name)
    if actual == content:
        return
    if name == "episode.json":
        stated = _format_of(actual)
        if stated not in (None, FORMAT):
            raise PackageError(
                "the package has another format", value=stated, where=str(folder), hint=f"this terret reads {FORMAT}"
            )
    pairs = zip(actual.split(b"\n"), content.split(b"\n"), strict=False)
    line = next((number for number, (ours, theirs) in enumerate(pairs, 1) if ours != theirs), None)
    hint = f"the first difference is in line {line}" if line else "it ends too early or too late"
    raise DerivedMismatch("the file differs from what the journal yields", where=str(folder / name), hint=hint)


def _format_of(content: bytes) -> object:
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(content, type=dict[str, object]).get("format")
    return None


def _content(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        if path.is_file():
            return path.read_bytes()
        reason = "it is not a plain file" if path.exists() else "it is missing"
    except OSError as error:
        reason = str(error.strerror)
    raise PackageError(f"a part of the package cannot be read: {reason}", where=str(path))


def _copy_blobs(target: Path, events: list[Event], blobs: BlobStore, sync: bool) -> None:
    names = {digest for event in events for digest in event.blobs}
    target.mkdir(parents=True, exist_ok=True)
    for digest in sorted(names):
        if (target / digest).is_file():
            continue
        source = blobs.path(digest)
        try:
            os.link(source, target / digest)
        except OSError:
            partial = target / f".{digest}.{os.getpid()}"
            shutil.copyfile(source, partial)
            partial.replace(target / digest)
    for path in list(target.iterdir()):
        if path.name not in names:
            path.unlink()
    if sync:
        sync_folder(target)


def _sweep(folder: Path) -> None:
    """Remove what an earlier, killed writing left half done."""
    for place in (folder, *(folder / name for name in _DERIVED_FOLDERS)):
        for left in place.glob(".*.*") if place.is_dir() else ():
            if _PARTIAL.fullmatch(left.name):
                left.unlink(missing_ok=True)


def _replace(target: Path, content: bytes, sync: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
