"""A package proves itself, and every tampering has its own name."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from journal_samples import GOLDEN, KEY, record, whole

from terret.errors import (
    BlobMismatch,
    DerivedMismatch,
    EventEdited,
    EventInserted,
    JournalWriteFailed,
    KeyMismatch,
    PackageError,
    PatchMismatch,
    SignatureInvalid,
    TerretError,
    TruncatedTail,
)
from terret.journal import (
    SOURCES,
    BlobStore,
    EpisodeOpened,
    Journal,
    PatchTaken,
    SigningKey,
    check_package,
    write_package,
)

PROCESSES = "records/process.jsonl"
"""Written only where there were processes: the golden package has it."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    live = tmp_path_factory.mktemp("live")
    package = tmp_path_factory.mktemp("package")
    blobs = BlobStore(live / "blobs")
    blobs.put(b"nobody refers to this")
    with record(live, whole(blobs)) as journal:
        write_package(package, journal)
    return package


@pytest.fixture
def package(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "elsewhere"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_package_proves_itself_elsewhere(package: Path) -> None:
    checked = check_package(package, KEY.public_hex)
    assert checked.head.count == len(checked.events)
    opened = checked.events[0].data
    assert isinstance(opened, EpisodeOpened)
    assert checked.blobs.get(opened.task)
    assert {str(path) for path in SOURCES} - {PROCESSES} <= set(contents(package))


def test_only_referenced_blobs_are_packed(package: Path) -> None:
    referenced = {digest for event in check_package(package).events for digest in event.blobs}
    assert {path.name for path in (package / "blobs").iterdir()} == referenced
    assert len(referenced) == 4


def test_writing_a_package_again_gives_the_same_bytes(original: Path, tmp_path: Path) -> None:
    with record(tmp_path / "live", []) as journal:
        for data in whole(journal.blobs):
            journal.append(data)
        for _ in range(2):
            write_package(tmp_path / "package", journal)
            check_package(tmp_path / "package")
    assert set(contents(tmp_path / "package")) == set(contents(original))
    assert not list((tmp_path / "package").rglob(".*"))


def test_what_a_killed_writing_left_is_swept_by_the_next(tmp_path: Path) -> None:
    with record(tmp_path / "live", []) as journal:
        for data in whole(journal.blobs):
            journal.append(data)
        folder = tmp_path / "package"
        (folder / "traces").mkdir(parents=True)
        (folder / "traces" / ".verification.jsonl.4711").write_text("half a li")
        (folder / ".episode.json.4711").write_text("{")
        (folder / ".mine").write_text("kept")
        write_package(folder, journal)
    check_package(folder)
    assert [path.name for path in folder.rglob(".*")] == [".mine"]


def test_a_fully_durable_package_and_one_of_an_unfinished_episode(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "live", "ep", KEY, durability="full") as journal:
        for data in whole(journal.blobs)[:18]:
            journal.append(data)
        head = write_package(tmp_path / "package", journal)
    assert head.count == 18
    assert check_package(tmp_path / "package").head == head


def rewrite(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


def lengthen(name: str, package: Path) -> None:
    with (package / name).open("ab") as file:
        file.write(b"\n")


def first_blob(package: Path) -> Path:
    return sorted((package / "blobs").iterdir())[0]


def patch_blob(package: Path) -> Path:
    patch = next(event.data for event in check_package(package).events if isinstance(event.data, PatchTaken))
    return package / "blobs" / patch.blob


TAMPER: dict[str, tuple[Callable[[Path], object], type[TerretError], str]] = {
    "edit an event": (lambda p: rewrite(p / "journal.jsonl", b"truthy", b"truthi"), EventEdited, "event 10"),
    "break off": (
        lambda p: (p / "journal.jsonl").write_bytes((p / "journal.jsonl").read_bytes()[:-30]),
        TruncatedTail,
        "event 45",
    ),
    "drop the final line end": (
        lambda p: (p / "journal.jsonl").write_bytes((p / "journal.jsonl").read_bytes()[:-1]),
        TruncatedTail,
        "event 45",
    ),
    "append bytes": (
        lambda p: (p / "journal.jsonl").write_bytes((p / "journal.jsonl").read_bytes() + b"more"),
        EventInserted,
        "journal.jsonl line 47",
    ),
    "empty the journal": (lambda p: (p / "journal.jsonl").write_bytes(b""), TruncatedTail, "event 0"),
    "change the head": (
        lambda p: rewrite(p / "head.json", b'"count":46', b'"count":45'),
        SignatureInvalid,
        "head.json",
    ),
    "spoil the head": (lambda p: (p / "head.json").write_bytes(b"{"), PackageError, "head.json"),
    "swap a blob": (lambda p: first_blob(p).write_bytes(b"other"), BlobMismatch, "/blobs/"),
    "remove a blob": (lambda p: first_blob(p).unlink(), BlobMismatch, "/blobs/"),
    "remove all blobs": (lambda p: shutil.rmtree(p / "blobs"), BlobMismatch, "/blobs/"),
    "add a blob": (lambda p: BlobStore(p / "blobs").put(b"smuggled"), BlobMismatch, "/blobs/"),
    "change the patch": (lambda p: rewrite(p / "patch.diff", b"+raise", b"+pass"), PatchMismatch, "/patch.diff"),
    "change the patch and its blob": (
        lambda p: [rewrite(path, b"+raise", b"+pass") for path in (patch_blob(p), p / "patch.diff")],
        BlobMismatch,
        "/blobs/",
    ),
    "turn a part into a pipe": (
        lambda p: ((p / "report.md").unlink(), os.mkfifo(p / "report.md")),
        PackageError,
        "/report.md",
    ),
    "add a trace": (
        lambda p: (p / "traces" / "extra.jsonl").write_text("{}\n"),
        DerivedMismatch,
        "/traces/extra.jsonl",
    ),
    "another format": (
        lambda p: rewrite(p / "episode.json", b"terret.package/1", b"terret.package/9"),
        PackageError,
        "/elsewhere",
    ),
} | {
    f"change {name}": (functools.partial(lengthen, name), DerivedMismatch, name)
    for name in SOURCES
    if name != "patch.diff"
}


@pytest.mark.parametrize("name", sorted(TAMPER))
def test_tampering_is_named_and_located(package: Path, name: str) -> None:
    tamper, kind, where = TAMPER[name]
    tamper(package)
    with pytest.raises(TerretError) as caught:
        check_package(package)
    assert type(caught.value) is kind, str(caught.value)
    assert caught.value.where is not None
    assert caught.value.where.endswith(where) or where in caught.value.where, str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_record_of_processes_is_missed_where_there_were_some(tmp_path: Path) -> None:
    package = Path(shutil.copytree(GOLDEN, tmp_path / "golden"))
    check_package(package)
    (package / PROCESSES).unlink()
    with pytest.raises(PackageError, match="missing"):
        check_package(package)


@pytest.mark.parametrize("name", [*(name for name in SOURCES if name != PROCESSES), "journal.jsonl", "head.json"])
def test_a_missing_part_is_named(package: Path, name: str) -> None:
    (package / name).unlink()
    with pytest.raises(PackageError, match="missing") as caught:
        check_package(package)
    assert name in str(caught.value)


def test_each_kind_of_damage_has_its_own_exit_code() -> None:
    codes = {kind: (kind.code, kind.exit_code) for _, kind, _ in TAMPER.values()}
    assert len(set(codes.values())) == len(codes)


def test_the_expected_key(package: Path) -> None:
    with pytest.raises(KeyMismatch):
        check_package(package, SigningKey.generate().public_hex)


def test_a_package_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="no such package"):
        check_package(tmp_path / "nowhere")
    with pytest.raises(PackageError, match="missing"):
        check_package(tmp_path)


def test_files_beside_the_package_are_left_alone(package: Path) -> None:
    (package / "attestation.json").write_text("{}")
    check_package(package)


def test_a_package_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with record(tmp_path / "live", []) as journal:
        for data in whole(journal.blobs):
            journal.append(data)
        with pytest.raises(JournalWriteFailed, match="cannot be written"):
            write_package(tmp_path / "file" / "package", journal)
        (journal.blobs.root / journal.events()[0].blobs[0]).unlink()
        with pytest.raises(BlobMismatch):
            write_package(tmp_path / "package", journal)
