"""terret model list, pull and rm."""

from __future__ import annotations

from pathlib import Path

import pytest

from terret.models import catalogue, installed

NAME = "smollm2-135m"


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A models folder without models."""
    monkeypatch.setenv("TERRET_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces the download by an instant one; the list holds what was pulled."""
    pulled: list[str] = []

    def pull(name: str, on_progress):
        pulled.append(name)
        path = Path(catalogue()[name].file)
        for done in (0, 30, 60, 100):
            on_progress(done, 100, "a source")
        return path

    monkeypatch.setattr("terret.models.pull", pull)
    return pulled


def test_list_names_every_model_and_whether_it_is_here(cli, empty):
    ran = cli("model", "list")
    assert ran.code == 0
    assert all(name in ran.out for name in catalogue())
    assert str(empty) in ran.out
    rows = cli("model", "list", "--json").document
    assert {row["name"] for row in rows} == set(catalogue())
    assert all(row["installed"] is None for row in rows)
    assert all(row["spec"] == f"local/{row['name']}" for row in rows)


def test_pull_tells_progress_and_digest(cli, empty, offline):
    ran = cli("model", "pull", NAME)
    assert ran.code == 0
    assert offline == [NAME]
    assert ran.err.splitlines()[-1].startswith(f"{NAME}: 100 %")
    assert catalogue()[NAME].sha256 in ran.out


def test_quiet_pull_says_nothing(cli, empty, offline):
    ran = cli("model", "pull", NAME, "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_a_model_that_is_here_is_not_fetched(cli, offline, monkeypatch, tmp_path):
    monkeypatch.setattr("terret.models.installed", lambda name: tmp_path / "w.gguf")
    ran = cli("model", "pull", NAME, "--json")
    assert offline == []
    assert ran.document["state"] == "already here"
    assert ran.document["path"] == str(tmp_path / "w.gguf")


@pytest.mark.parametrize("verb", ["pull", "rm"])
def test_an_unknown_model_is_one_line(cli, empty, verb):
    ran = cli("model", verb, "gpt-99")
    assert ran.code == 3
    assert ran.err.count("\n") == 1
    assert NAME in ran.err


def test_rm_removes_the_weights(cli, empty):
    empty.mkdir()
    entry = catalogue()[NAME]
    with (empty / entry.file).open("wb") as file:
        file.truncate(entry.size)
    assert installed(NAME) is not None
    assert "removed" in cli("model", "rm", NAME).out
    assert installed(NAME) is None
    assert cli("model", "rm", NAME, "--json").document == {"name": NAME, "removed": False}
