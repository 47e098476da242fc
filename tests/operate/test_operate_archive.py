"""Old episodes packed and proved; packages from elsewhere proved before they are taken in."""

from __future__ import annotations

import io
import shutil
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import pytest
from operate_samples import KEY, START, finished, live

from terret.errors import BlobMismatch, ConfigError, EventEdited, PackageError, TerretError
from terret.journal import check_package
from terret.operate import (
    ARCHIVE,
    Archive,
    FolderFleet,
    Retention,
    archive_of,
    export_package,
    sweep,
    take_in,
    unpacked,
)
from terret.runtime import verify_package

DAY = 86400.0
OLD = Retention(older_than_s=30 * DAY)


def later() -> float:
    return START + 40 * DAY


def prove(folder: Path) -> object:
    return verify_package(folder, rerun=False, expected_key=KEY.public_hex)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def content(folder: Path) -> dict[str, bytes]:
    """Every file; but not SQLite's, which a reader of a live journal may make."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("journal.db-")
    }


def actions(done) -> dict[str, tuple[str, str]]:
    return {one.name: (one.action, one.reason) for one in done.disposals}


def test_packed_episodes_take_little_room_and_come_back_byte_for_byte(tmp_path: Path) -> None:
    before = {name: content(finished(tmp_path / name, start=START + number)) for number, name in enumerate("abcd")}
    done = sweep(tmp_path, OLD, prove, clock=later)
    assert actions(done) == dict.fromkeys("abcd", ("packed", "finished and old enough"))
    assert [path.name for path in tmp_path.iterdir()] == [ARCHIVE]
    assert done.saved == done.before - done.after > 0.7 * done.before
    with Archive(tmp_path / ARCHIVE) as archive:
        assert [row.id for row in archive.episodes()] == list("abcd")
        assert {row.label for row in archive.episodes()} == {"failed"}
        for name in "abcd":
            archive.unpack(name, tmp_path / "out" / name)
            assert content(tmp_path / "out" / name) == before[name]
            prove(tmp_path / "out" / name)
    with sqlite3.connect(tmp_path / ARCHIVE) as db:
        stored = db.execute("SELECT count(*) FROM blob").fetchone()[0]
        used = db.execute("SELECT count(*) FROM uses").fetchone()[0]
    db.close()
    assert (stored, used) == (3, 12), "task, repository and patch are the same in all four"


def test_packed_episodes_are_still_listed_and_read(tmp_path: Path) -> None:
    events = check_package(finished(tmp_path / "deep" / "a")).events
    plain = FolderFleet(tmp_path).find("deep/a")
    sweep(tmp_path, OLD, prove, clock=later)
    assert archive_of(tmp_path / "deep" / "a") == tmp_path / "deep" / ARCHIVE
    assert FolderFleet(tmp_path).episodes() == []
    fleet = FolderFleet(tmp_path, archived=True)
    (one,) = fleet.episodes()
    assert (one.name, one.archived, one.label, one.tokens) == ("deep/a", True, plain.label, plain.tokens)
    assert fleet.events("a") == events
    with pytest.raises(ConfigError, match="finished"):
        fleet.signal("a", "kill")


def test_only_what_the_policy_names_is_touched(tmp_path: Path) -> None:
    finished(tmp_path / "failed")
    finished(tmp_path / "young", start=START + 39 * DAY)
    finished(tmp_path / "noted")
    (tmp_path / "noted" / "mine.txt").write_text("do not lose this")
    finished(tmp_path / "broken")
    (tmp_path / "broken" / "patch.diff").write_bytes(b"+")
    finished(tmp_path / "ladder" / "episodes" / "cell")
    (tmp_path / "ladder" / "cells.jsonl").write_bytes(b"")
    live(tmp_path / "waiting")
    before = content(tmp_path)
    policy = Retention(older_than_s=30 * DAY, keep_failed=True, remove_after_s=60 * DAY)
    done = actions(sweep(tmp_path, policy, prove, clock=later))
    assert done == {
        "failed": ("kept", "it failed"),
        "young": ("kept", "too young"),
        "noted": ("kept", "it failed"),
        "broken": ("kept", "it failed"),
        "ladder/episodes/cell": ("kept", "it failed"),
        "waiting": ("kept", "suspended, so it can go on"),
    }
    done = actions(sweep(tmp_path, OLD, prove, clock=later, dry_run=True))
    assert content(tmp_path) == before, "a dry run changes nothing"
    assert done["failed"] == ("packed", "finished and old enough")
    assert done["noted"] == ("kept", "it holds mine.txt, which is no part of a package")
    assert done["broken"] == ("kept", "the patch is not the one the journal recorded [E_PKG_PATCH]")
    assert done["ladder/episodes/cell"] == ("kept", "cells.jsonl refers to it")
    sweep(tmp_path, OLD, prove, clock=later)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [ARCHIVE, "young", "noted", "broken", "ladder", "waiting"]
    )


def test_removal_takes_folders_and_packed_ones_and_no_blob_of_others(tmp_path: Path) -> None:
    finished(tmp_path / "a")
    finished(tmp_path / "b", task="other", start=START + 20 * DAY)
    sweep(tmp_path, Retention(older_than_s=DAY), prove, clock=later)
    finished(tmp_path / "c")
    policy = Retention(older_than_s=DAY, remove_after_s=30 * DAY)
    done = actions(sweep(tmp_path, policy, prove, clock=later))
    assert {name: action for name, (action, _) in done.items()} == {"a": "removed", "b": "kept", "c": "removed"}
    with Archive(tmp_path / ARCHIVE) as archive:
        assert [row.id for row in archive.episodes()] == ["b"]
        archive.unpack("b", tmp_path / "out")
    prove(tmp_path / "out")


def test_a_sweep_that_was_cut_short_goes_on(tmp_path: Path) -> None:
    finished(tmp_path / "episodes" / "a")
    finished(tmp_path / "episodes" / "b")
    home = tmp_path / "episodes"
    shutil.copytree(tmp_path / "episodes" / "a", tmp_path / "copy")
    shutil.copytree(home / "b", home / ".b.packed")
    sweep(home, OLD, prove, clock=later)
    (tmp_path / "copy").rename(home / "a")
    done = sweep(home, OLD, prove, clock=later)
    assert [(one.name, one.action) for one in done.disposals] == [("a", "packed"), ("a", "kept"), ("b", "kept")]
    assert names(home) == [ARCHIVE]
    with Archive(home / ARCHIVE) as archive:
        assert [row.id for row in archive.episodes()] == ["a", "b"]


def test_damage_in_an_archive_is_named(tmp_path: Path) -> None:
    finished(tmp_path / "a")
    digest = check_package(tmp_path / "a").events[0].data.task
    sweep(tmp_path, OLD, prove, clock=later)
    with sqlite3.connect(tmp_path / ARCHIVE) as db:
        db.execute("UPDATE blob SET content = x'00', packed = 0 WHERE digest = ?", (bytes.fromhex(digest),))
    db.close()
    with Archive(tmp_path / ARCHIVE) as archive, pytest.raises(BlobMismatch, match="does not have its name"):
        archive.unpack("a", tmp_path / "out")
    (tmp_path / "text.db").write_text("no database")
    with pytest.raises(PackageError, match="damaged"):
        Archive(tmp_path / "text.db")
    with sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("CREATE TABLE t (a)")
    db.close()
    with pytest.raises(PackageError, match="no archive"):
        Archive(tmp_path / "other.db")


# import


def test_a_package_goes_out_and_comes_in_the_same(tmp_path: Path) -> None:
    folder = finished(tmp_path / "here" / "a")
    size = export_package(folder, tmp_path / "a.tar.gz")
    export_package(folder, tmp_path / "again.tar.gz")
    assert (tmp_path / "a.tar.gz").stat().st_size == size
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "again.tar.gz").read_bytes()
    (taken,) = take_in(tmp_path / "a.tar.gz", tmp_path / "there", prove)
    assert (taken.episode, taken.outcome) == ("a", "taken")
    assert content(tmp_path / "there" / "a") == content(folder)
    assert [one.outcome for one in take_in(folder, tmp_path / "there", prove)] == ["present"]
    assert names(tmp_path / "there") == ["a"], "nothing is left behind"


def test_every_wrapping_is_opened(tmp_path: Path) -> None:
    folder = finished(tmp_path / "src" / "a")
    finished(tmp_path / "src" / "b")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for name, raw in content(folder).items():
            file.writestr(name, raw)
    assert [one.episode for one in take_in(tmp_path / "a.zip", tmp_path / "z", prove)] == ["a"]
    assert [one.episode for one in take_in(tmp_path / "src", tmp_path / "f", prove)] == ["a", "b"]
    sweep(tmp_path / "src", OLD, prove, clock=later)
    taken = take_in(tmp_path / "src" / ARCHIVE, tmp_path / "d", prove, episode="b")
    assert [one.episode for one in taken] == ["b"]


def test_what_does_not_prove_sound_is_refused_with_the_reason(tmp_path: Path) -> None:
    finished(tmp_path / "src" / "good")
    bad = finished(tmp_path / "src" / "bad")
    raw = (bad / "journal.jsonl").read_bytes()
    (bad / "journal.jsonl").write_bytes(raw.replace(b'"turn":2', b'"turn":3', 1))
    other = finished(tmp_path / "src" / "headless")
    (other / "head.json").unlink()
    taken = {one.episode: one for one in take_in(tmp_path / "src", tmp_path / "out", prove)}
    assert {name: (one.outcome, one.exit_code) for name, one in taken.items()} == {
        "good": ("taken", 0),
        "bad": ("refused", EventEdited.exit_code),
        "headless": ("refused", PackageError.exit_code),
    }
    assert taken["bad"].error["error"] == "E_PKG_EDITED"
    assert names(tmp_path / "out") == ["good"]
    finished(tmp_path / "elsewhere" / "good", start=START + 5)
    (clash,) = take_in(tmp_path / "elsewhere", tmp_path / "out", prove)
    assert (clash.outcome, clash.error["error"]) == ("refused", "E_CONFIG")


def tar_of(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for member in members:
            file.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 1, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, target
    return info


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (member("../journal.jsonl"), "something other than plain files"),
        (member("/etc/journal.jsonl"), "something other than plain files"),
        (member("a/journal.jsonl", tarfile.SYMTYPE, 0, "/etc/passwd"), "something other than plain files"),
        (member("a/journal.jsonl", tarfile.FIFOTYPE, 0), "something other than plain files"),
        (member("a/journal.jsonl", size=2_000), "unpacks to more than is allowed"),
    ],
    ids=["up", "absolute", "link", "pipe", "large"],
)
def test_a_wrapping_that_reaches_out_is_refused(tmp_path: Path, bad, match) -> None:
    source = tar_of(tmp_path / "x.tar.gz", bad)
    (tmp_path / "scratch").mkdir()
    with pytest.raises(PackageError, match=match):
        list(unpacked(source, tmp_path / "scratch", limit=1_000))
    assert not (tmp_path / "journal.jsonl").exists()


def test_what_is_no_package_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "noise.tar.gz").write_bytes(b"noise" * 100)
    finished(tmp_path / "a")
    whole = export_package(tmp_path / "a", tmp_path / "a.tar.gz")
    (tmp_path / "cut.tar.gz").write_bytes((tmp_path / "a.tar.gz").read_bytes()[: whole // 2])
    (tmp_path / "empty").mkdir()
    live(tmp_path / "running" / "r")
    for name in ("noise.tar.gz", "cut.tar.gz", "empty", "none", "running"):
        with pytest.raises(TerretError) as caught:
            take_in(tmp_path / name, tmp_path / "out", prove)
        assert "\n" not in str(caught.value)
    assert not names(tmp_path / "out")
