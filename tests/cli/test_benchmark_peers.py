"""Peers of a benchmark: each in its own environment, and none of them can fail the run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import _peers as peers
from benchmarks.scale import table

FAKE = peers.Peer("fake", ("no-such-distribution",), "nothing", durable=False)


@pytest.fixture
def ready(own_folders: Path) -> Path:
    """An environment that is made already: a link to this interpreter."""
    folder = own_folders / "cache" / "terret" / "peers" / f"fake-{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / "ready").touch()
    return folder


def script(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    (folder / "fake_peer.py").write_text(text)
    monkeypatch.setattr(peers, "__file__", str(folder / "__init__.py"))


def test_a_peer_prints_its_figures(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, tmp_path, "import json, sys; print('noise'); print(json.dumps({'given': sys.argv[1:]}))")
    assert peers.measure(FAKE, 3, 2, 0.05, 9) == {"given": ["3", "2", "0.05", "9"]}


@pytest.mark.parametrize(
    ("text", "why"),
    [("raise SystemExit('it broke')", "it broke"), ("print('words')", "no figures"), ("", "no figures")],
)
def test_a_peer_that_breaks_says_why(
    ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, why: str
) -> None:
    script(monkeypatch, tmp_path, text)
    found = peers.measure(FAKE, 1, 1, 0, 1)
    assert why in found["absent"]
    row = {"name": "fake", "durable": False, "step": "", **found}
    assert why in table([row])[1]


def test_a_peer_that_cannot_be_installed_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def call(command: list[str]) -> None:
        raise RuntimeError("it cannot be installed: no network")

    monkeypatch.setattr(peers, "_call", call)
    assert peers.measure(FAKE, 1, 1, 0, 1) == {"absent": "it cannot be installed: no network"}


def test_every_peer_has_its_script() -> None:
    folder = Path(peers.__file__).parent
    assert {f"{peer.name}_peer.py" for peer in peers.PEERS} == {path.name for path in folder.glob("*_peer.py")}
