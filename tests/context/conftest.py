"""Repositories for the tests of context selection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from terret.context import Repo

STARTER = Path(__file__).parents[2] / "src" / "terret" / "gym" / "starter"


def repository(files: Mapping[str, str | bytes]) -> Repo:
    """A repository held in memory."""
    stored = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    return Repo(tuple(sorted(stored)), stored.get)


def folder(root: Path, keep: Callable[[str], bool] = lambda path: True) -> Repo:
    """A folder as it stands."""
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    kept = {name: path for name, path in files.items() if "__pycache__" not in name and keep(name)}
    return Repo(tuple(sorted(kept)), lambda name: kept[name].read_bytes() if name in kept else None)


@pytest.fixture(name="repository")
def repository_fixture() -> Callable[[Mapping[str, str | bytes]], Repo]:
    return repository


@pytest.fixture(name="folder")
def folder_fixture() -> Callable[..., Repo]:
    return folder


@pytest.fixture(name="starter")
def starter_fixture() -> Path:
    return STARTER
