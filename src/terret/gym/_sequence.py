"""The record of a sequence: which episode's accepted result the next one started from, signed line by line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import msgspec

from terret.errors import (
    EventEdited,
    EventMissing,
    EventReordered,
    KeyMismatch,
    PackageError,
    SignatureInvalid,
    SuiteError,
)
from terret.journal import GENESIS, SigningKey, canonical, verify_signature

FORMAT = "terret.sequence/1"
RECORD = "sequence.jsonl"

OnFailure = Literal["continue", "stop"]
"""After a task that failed: the next one starts from the last good state, or there is no next one."""


class State(msgspec.Struct, frozen=True):
    """The repository at one moment: git ids of a commit and of its tree."""

    commit: str
    tree: str


class SequenceOpened(msgspec.Struct, frozen=True, tag_field="kind", tag="sequence.opened/1"):
    """What a sequence is: its tasks (id and digest of the task without its repository) and how it is run."""

    format: str
    tasks: list[tuple[str, str]]
    model: str
    level: str
    on_failure: OnFailure
    settings: dict[str, Any]
    source: str
    start: State
    public_key: str
    ts: float


class TaskEnded(msgspec.Struct, frozen=True, tag_field="kind", tag="sequence.task/1"):
    """What came of one task.

    ``head`` is the hash of the episode's last event; ``end`` equals ``start`` unless the change was accepted.
    ``entropy`` sums the severities of the burdens in the change alone, ``entropy_total`` those in everything
    accepted since the beginning, audited as one change: a burden that a later task removes counts no more.
    """

    task: str
    episode: str
    head: str
    label: str | None
    failure_code: str | None
    functional_pass: bool | None
    accepted: bool
    start: State
    end: State
    entropy: int
    entropy_total: int


class SequenceClosed(msgspec.Struct, frozen=True, tag_field="kind", tag="sequence.closed/1"):
    """The end: ``kept`` and ``lost`` are the accepted tasks whose checks pass or fail on the last state.

    ``stopped_at`` is the task whose failure ended the sequence early.
    """

    end: State
    kept: list[str]
    lost: list[str]
    stopped_at: str | None = None


Data = SequenceOpened | TaskEnded | SequenceClosed


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line; ``hash`` covers ``seq``, ``prev`` and ``data``, ``signature`` covers ``hash``."""

    seq: int
    prev: str
    data: Data
    hash: str = ""
    signature: str = ""

    def digest(self) -> str:
        """The hash that the line must have."""
        return sha256(canonical({"seq": self.seq, "prev": self.prev, "data": self.data})).hexdigest()


class SequenceRecord:
    """The record of a folder, appended to by one process.

    Args:
        file: The record; it need not exist yet.
        key: Signs every line.

    Raises:
        PackageError: What is there is damaged beyond a torn last line.
    """

    def __init__(self, file: Path, key: SigningKey) -> None:
        self.file = file
        self._key = key
        raw = file.read_bytes() if file.exists() else b""
        whole = raw[: raw.rfind(b"\n") + 1]
        self.entries = check_record(whole, key.public_hex) if whole else []
        if whole != raw:
            # A line without its end was never acknowledged.
            with file.open("r+b") as stream:
                stream.truncate(len(whole))

    def append(self, data: Data) -> None:
        """Add a line and make it durable.

        Raises:
            SuiteError: It cannot be written.
        """
        prev = self.entries[-1].hash if self.entries else GENESIS
        bare = Entry(len(self.entries), prev, data)
        digest = bare.digest()
        entry = msgspec.structs.replace(bare, hash=digest, signature=self._key.sign(digest.encode()))
        try:
            with self.file.open("ab") as stream:
                stream.write(canonical(entry) + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise SuiteError(f"the sequence cannot be recorded: {error.strerror}", where=str(self.file)) from None
        self.entries.append(entry)

    @property
    def opened(self) -> SequenceOpened | None:
        """The first line."""
        return opening(self.entries)

    @property
    def ended(self) -> list[TaskEnded]:
        """The tasks so far."""
        return tasks_of(self.entries)

    @property
    def closed(self) -> SequenceClosed | None:
        """The last line of a finished sequence."""
        return closing(self.entries)


def opening(entries: Sequence[Entry]) -> SequenceOpened | None:
    """What the entries begin with."""
    data = entries[0].data if entries else None
    return data if isinstance(data, SequenceOpened) else None


def tasks_of(entries: Sequence[Entry]) -> list[TaskEnded]:
    """The tasks among the entries, in order."""
    return [entry.data for entry in entries if isinstance(entry.data, TaskEnded)]


def closing(entries: Sequence[Entry]) -> SequenceClosed | None:
    """What finished entries end with."""
    data = entries[-1].data if entries else None
    return data if isinstance(data, SequenceClosed) else None


def check_record(raw: bytes, expected_key: str | None = None) -> list[Entry]:
    """Prove the lines of a record: numbered, linked and each signed by the key that the first one names.

    Raises:
        PackageError: Not a record; one subclass each for an edited, a missing and a misplaced line, a bad signature and
            another key than expected.
    """
    entries: list[Entry] = []
    for number, line in enumerate(raw.splitlines()):
        where = f"{RECORD}:{number + 1}"
        try:
            entry = msgspec.json.decode(line, type=Entry)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PackageError(f"a line is no entry of a sequence: {error}", where=where) from None
        if entry.digest() != entry.hash or canonical(entry) != line:
            raise EventEdited("an entry does not have its hash", value=entry.seq, where=where)
        if entry.seq != number:
            kind = EventMissing if entry.seq > number else EventReordered
            raise kind("an entry is not in its place", value=entry.seq, where=where)
        if entry.prev != (entries[-1].hash if entries else GENESIS):
            raise EventMissing("an entry does not follow the one before it", value=entry.seq, where=where)
        entries.append(entry)
    opened = opening(entries)
    if opened is None or opened.format != FORMAT:
        raise PackageError("the record does not begin with the opening of a sequence", where=RECORD)
    if expected_key is not None and opened.public_key != expected_key:
        raise KeyMismatch("the sequence is signed with another key", value=opened.public_key, where=RECORD)
    for entry in entries:
        if not verify_signature(opened.public_key, entry.hash.encode(), entry.signature):
            raise SignatureInvalid("an entry's signature does not verify", value=entry.seq, where=RECORD)
    return entries
