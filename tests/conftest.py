"""Fixtures for every test: its own settings, data and state folders, a still clock, a known key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from postgres import postgres_server, postgres_url

if TYPE_CHECKING:
    from terret.journal import SigningKey

__all__ = ["postgres_server", "postgres_url"]

settings.register_profile("terret", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("terret")


def _models_folder() -> str:
    data = os.environ.get("XDG_DATA_HOME") or Path("~/.local/share").expanduser()
    return os.environ.get("TERRET_MODELS") or str(Path(data) / "terret" / "models")


REAL_MODELS = _models_folder()
"""Where pulled weights lie; read before any test moves the XDG folders."""

_FOREIGN = (
    *("OPENAI_API_KEY", "OPENAI_BASE_URL", "TERRET_API_KEY", "TERRET_STORE"),
    *("NO_COLOR", "FORCE_COLOR", "COLUMNS"),
)


class FixedClock:
    """A clock that moves only when told.

    ``clock()`` is Unix time in seconds; ``advance`` moves it; ``sleep`` is an advance, for code that waits.
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds

    sleep = advance


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point every XDG folder at a fresh place and drop the caller's settings; pulled models stay in reach."""
    home = tmp_path_factory.mktemp("xdg")
    for name in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    monkeypatch.setenv("TERRET_MODELS", REAL_MODELS)
    for name in _FOREIGN:
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands still."""
    return FixedClock()


@pytest.fixture
def key() -> SigningKey:
    """The same signing key in every run."""
    from terret.journal import SigningKey

    return SigningKey(bytes(range(32)))
