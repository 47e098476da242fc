"""replay, fork and diff from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_cli_episode import GOOD, LAZY, TASK, script

pytestmark = pytest.mark.sandbox


@pytest.fixture
def episode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.yaml").write_text(TASK)
    (tmp_path / "good.json").write_text(script(GOOD))
    (tmp_path / "lazy.json").write_text(script(LAZY))
    return cli("run", "task.yaml", "--model", "scripted:good.json", "--json").document["package"]


def test_replay_says_that_everything_comes_out_the_same(episode: str, cli) -> None:
    ran = cli("replay", episode, "--json")
    assert ran.code == 0
    assert ran.document["divergence"] is None


def test_a_fork_goes_its_own_way_and_diff_shows_where(episode: str, cli) -> None:
    forked = cli("fork", episode, "--at", "0", "--model", "scripted:lazy.json", "--json")
    assert forked.code == 1, "the lazy model changes nothing, and the label says so"
    other = forked.document["package"]
    assert cli("verify", other).code == 0
    ran = cli("diff", episode, other)
    assert ran.code == 0
    assert "set up otherwise: model" in ran.out
    assert "unverified_success" in ran.out
    assert "failed" in ran.out


def test_diff_of_an_episode_with_itself(episode: str, cli) -> None:
    assert "the same" in cli("diff", episode, episode).out


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["replay", "nowhere"], "E_EPISODE"),
        (["fork", "EPISODE", "--at", "99"], "E_CONFIG"),
        (["diff", "EPISODE", "nowhere"], "E_EPISODE"),
    ],
)
def test_bad_input_is_one_line(episode: str, cli, args: list[str], code: str) -> None:
    ran = cli(*[episode if arg == "EPISODE" else arg for arg in args])
    assert ran.code == 2
    assert f"[{code}]" in ran.err
    assert "Traceback" not in ran.err


PATCH = "--- a/adding.py\n+++ b/adding.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return a + b\n"


def test_a_fork_with_a_patch_says_what_was_changed(episode: str, cli) -> None:
    Path("mend.patch").write_text(PATCH)
    forked = cli("fork", episode, "--at", "0", "--model", "scripted:lazy.json", "--edit", "mend.patch", "--json")
    assert forked.code == 0
    assert forked.document["label"] == "assisted_verified_success"
    other = forked.document["package"]
    assert cli("verify", other).code == 0
    assert "takeover: changed: adding.py" in cli("show", other).out
    assert "workspace.apply" in cli("diff", episode, other).out


def test_a_reply_can_be_written_by_hand(episode: str, cli) -> None:
    Path("reply.txt").write_text(json.loads(script(LAZY))["replies"][0])
    forked = cli("fork", episode, "--at", "1", "--edit", "reply.txt", "--as", "reply", "--json")
    assert forked.code == 1
    assert forked.document["functional_pass"] is False


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--edit", "task.yaml"], "not clear what the file is"),
        (["--as", "reply"], "nothing to edit with"),
        (["--edit", "nowhere.patch"], "nowhere.patch"),
        (["--edit", "task.yaml", "--as", "workspace"], "the edit was refused"),
    ],
)
def test_an_edit_that_makes_no_sense_is_one_line(episode: str, cli, args: list[str], says: str) -> None:
    ran = cli("fork", episode, "--at", "1", *args)
    assert ran.code == 2
    assert says in ran.err
    assert "Traceback" not in ran.err
    assert len(list(Path("episodes").iterdir())) == 1, "nothing is left of it"
