"""A package travels as one file: the same bytes for the same package, and nothing outside the folder it is put into."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from terret.errors import ConfigError, PackageError
from terret.fleet import unwrap, wrap


def package(folder: Path) -> Path:
    for name, content in {"episode.json": "{}", "traces/tool.jsonl": "1\n", "live/journal.db": "x"}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def test_the_same_package_is_the_same_parcel_and_comes_out_whole(tmp_path: Path) -> None:
    first, second = package(tmp_path / "a"), package(tmp_path / "b")
    assert wrap(first) == wrap(second)
    unwrap(wrap(first), tmp_path / "out")
    assert {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()} == {
        "episode.json",
        "traces/tool.jsonl",
    }
    assert (tmp_path / "out" / "traces" / "tool.jsonl").read_text() == "1\n"


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    parcel = wrap(package(tmp_path / "a"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(ConfigError, match="in use"):
        unwrap(parcel, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["../out.txt", "/etc/terret", "a/../../b"])
def test_a_member_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(PackageError, match="bad member"):
        unwrap(raw.getvalue(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.parametrize("cut", [0, 10, 60])
def test_a_damaged_parcel_is_refused(tmp_path: Path, cut: int) -> None:
    parcel = wrap(package(tmp_path / "a"))
    with pytest.raises(PackageError):
        unwrap(parcel[:cut], tmp_path / "out")
