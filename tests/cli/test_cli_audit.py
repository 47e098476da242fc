"""audit: who did what under which authority."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_cli_episode import TASK, script

pytestmark = pytest.mark.sandbox

CALLS = [
    ("read_file", {"path": "adding.py"}),
    ("write_file", {"path": "harness/x", "content": "no"}),
    ("edit_file", {"path": "adding.py", "old": "a - b", "new": "a + b"}),
    ("run", {"command": "cat adding.py"}),
    ("declare_complete", {"summary": "mended"}),
]


@pytest.fixture
def episode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.yaml").write_text(TASK)
    (tmp_path / "good.json").write_text(script(CALLS))
    return cli("run", "task.yaml", "--model", "scripted:good.json", "--json").document["package"]


def test_every_effect_names_who_asked_and_what_decided(episode: str, cli) -> None:
    rows = cli("audit", episode, "--json").document
    by_agent = [(row["primitive"], row["status"], row["target"]) for row in rows if row["by"] == "agent"]
    assert ("fs.read", "ok", "adding.py") in by_agent
    assert ("fs.write", "ok", "adding.py") in by_agent
    assert ("shell.run", "ok", "cat adding.py") in by_agent
    assert all(row["authority"]["rule"] for row in rows)
    assert {row["by"] for row in rows if row["primitive"] == "model.complete"} == {"runtime"}


def test_what_was_refused_can_be_asked_for(episode: str, cli) -> None:
    rows = cli("audit", episode, "--denied", "--json").document
    assert [(row["primitive"], row["target"], row["by"]) for row in rows] == [("fs.write", "harness/x", "agent")]
    assert cli("audit", episode, "--denied").out.rstrip().endswith("1 effects, 1 refused")


def test_the_chain_of_an_effect_goes_from_the_set_up_to_what_was_shown(episode: str, cli) -> None:
    (row,) = cli("audit", episode, "--primitive", "shell.run", "--json").document
    links = cli("audit", episode, "--effect", row["effect"], "--json").document
    kinds = [link["kind"] for link in links]
    assert kinds == ["EpisodeOpened", "Outcome", "ActionParsed", "Intent", "Outcome", "Observed"]
    assert [link["seq"] for link in links] == sorted(link["seq"] for link in links)
    assert "cat adding.py" in str(links[1]["data"])
    text = cli("audit", episode, "--effect", row["effect"]).out
    assert "what the model answered" in text
    assert row["hash"][:16] in text


def test_an_unknown_effect_is_one_line(episode: str, cli) -> None:
    ran = cli("audit", episode, "--effect", "e999")
    assert ran.code == 2
    assert "no such effect" in ran.err
