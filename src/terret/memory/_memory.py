"""Project memory on disk: one append-only JSONL file per repository identity."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import msgspec

from terret.errors import InfrastructureError
from terret.journal import Scrubber
from terret.memory._note import Note, NoteKind, new_note
from terret.memory._render import RENDER_LIMIT, render_notes
from terret.task import Repository

_FILE = "notes.jsonl"
_LINE_LIMIT = 64_000


class ProjectMemory:
    """The notes of one repository.

    Any number of processes may read and add at once. A note is one line, written at once and synced before
    :meth:`add` returns; what a crash left half written is passed over by readers and closed by the next writer.

    Args:
        folder: Where the notes lie; made when the first one is added.
        scrubber: Takes secrets out before anything is written.
    """

    def __init__(self, folder: Path, *, scrubber: Scrubber | None = None) -> None:
        self.folder = folder
        self._path = folder / _FILE
        self._scrub = (scrubber or Scrubber()).scrub

    def notes(self) -> list[Note]:
        """Project notes, oldest first.

        Raises:
            InfrastructureError: The file is there and cannot be read.
        """
        return [note for note in self._read() if note.kind == "note"]

    def known_failures(self) -> list[Note]:
        """Known failures, oldest first, each once; raises what :meth:`notes` raises."""
        return [note for note in self._read() if note.kind == "known_failure"]

    def add(self, note: Note) -> Note:
        """Keep a note, and return it as it is kept: scrubbed, or the equal one that was there before.

        Raises:
            InputError: The text is empty.
            InfrastructureError: The note could not be made durable.
        """
        kept = new_note(
            note.kind,
            self._scrub(note.text),
            evidence=self._scrub(note.evidence),
            episode=note.episode,
            ts=note.ts,
        )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                for known in self._read():
                    if known.id == kept.id:
                        return known
                self._append(handle, kept)
            finally:
                os.close(handle)
        except OSError as error:
            raise InfrastructureError(
                f"a memory note cannot be written: {error.strerror}",
                where=str(self._path),
                hint="free disk space or check rights",
            ) from None
        return kept

    def render(self, kind: NoteKind, limit: int = RENDER_LIMIT) -> str:
        """The notes of a kind as markdown of at most ``limit`` characters; raises what :meth:`notes` raises."""
        return render_notes([note for note in self._read() if note.kind == kind], kind, limit)

    def _append(self, handle: int, note: Note) -> None:
        line = msgspec.json.encode(note) + b"\n"
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            line = b"\n" + line
        left = memoryview(line)
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
        if not size:
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _read(self) -> list[Note]:
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InfrastructureError(
                f"project memory cannot be read: {error.strerror}", where=str(self._path)
            ) from None
        found: dict[str, Note] = {}
        # A line without its end is still being written, or never will be.
        for line in raw[: raw.rfind(b"\n") + 1].splitlines():
            if note := _decode(line):
                found.setdefault(note.id, note)
        return list(found.values())


def memory_for(
    repository_identity: str, *, scrubber: Scrubber | None = None, environment: Mapping[str, str] | None = None
) -> ProjectMemory:
    """The memory of a repository: ``$XDG_DATA_HOME/terret/memory/<sha256 of the identity>``.

    Args:
        repository_identity: What stays the same between episodes: a remote address, or an absolute path.
        scrubber: Takes secrets out before anything is written.
        environment: ``os.environ`` by default.
    """
    environment = os.environ if environment is None else environment
    home = environment.get("XDG_DATA_HOME") or str(Path("~/.local/share").expanduser())
    name = sha256(repository_identity.encode("utf-8", "surrogateescape")).hexdigest()
    return ProjectMemory(Path(home) / "terret" / "memory" / name, scrubber=scrubber)


def repository_identity(repository: Repository, base_folder: Path | None = None) -> str:
    """What names a task's repository between episodes: its address, its absolute path, or the digest of its files.

    A relative path starts from ``base_folder``, or from the working directory.
    """
    if repository.url is not None:
        return repository.url
    if repository.path is not None:
        return os.path.realpath((base_folder or Path.cwd()) / Path(repository.path).expanduser())
    return f"files:{sha256(msgspec.json.encode(repository.files or {}, order='sorted')).hexdigest()}"


def _decode(line: bytes) -> Note | None:
    if not line.strip() or len(line) > _LINE_LIMIT:
        return None
    try:
        note = msgspec.json.decode(line, type=Note)
        return new_note(note.kind, note.text, evidence=note.evidence, episode=note.episode, ts=note.ts)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        return None
