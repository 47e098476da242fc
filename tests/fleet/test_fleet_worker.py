"""Workers as a user runs them: an episode goes on where another worker left it, and cancelled ones stop at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import fleet as benchmark
from terret.cli import main
from terret.fleet import Fleet
from terret.journal import EpisodeResumed, check_package
from terret.sandbox import probe

pytest.importorskip("dbos", reason="the queue is missing: pip install 'terret[fleet]'")
pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(probe().tier is None, reason="no isolation here: bubblewrap or user namespaces are missing"),
]

TASK = """\
name: lines
repository: {files: {log.txt: "begin\\n"}}
objective: Append two lines to log.txt.
requirements: [{id: R1, text: the log has three lines}]
checks: [{name: lines, run: "wc -l < log.txt", expect: "3", covers: [R1]}]
"""
CALLS = [
    {"tool": "run", "args": {"command": "echo one >> log.txt"}},
    {"tool": "run", "args": {"command": "test -e go || sleep 2; echo two >> log.txt"}},
    {"tool": "declare_complete", "args": {"summary": "three lines"}},
]


class Started:
    """A worker process; what it says is read line by line."""

    def __init__(self, url: str) -> None:
        words = [sys.executable, "-m", "terret", "worker", "--model", "scripted:script.json", "--store", url]
        self.process = subprocess.Popen(
            [*words, "--lease", "2"], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        )

    def heard(self, *words: str) -> None:
        """Read on until a line with these words."""
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if all(word in line for word in words):
                return
        raise AssertionError(f"the worker never said {words}: {said}")

    def end(self, number: signal.Signals) -> int:
        """End it with a signal; its exit code."""
        self.process.send_signal(number)
        self.process.communicate(timeout=40)
        return self.process.returncode


@pytest.fixture
def workers(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERRET_STORE", postgres_url)
    (tmp_path / "task.yaml").write_text(TASK)
    (tmp_path / "script.json").write_text(json.dumps([f"```json\n{json.dumps(call)}\n```" for call in CALLS]))
    started: list[Started] = []

    def start() -> Started:
        started.append(Started(postgres_url))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.end(signal.SIGKILL)


def run(*args: str) -> int:
    return main(list(args))


def midway(fleet: Fleet, episode: str) -> int:
    """Wait until an episode has done its first command; how many events it has then."""
    events = "SELECT count(*) FROM terret.event JOIN terret.episode ON number = episode WHERE name = %s"
    for _ in range(300):
        count, _ = fleet.database.rows(f"SELECT ({events}), pg_sleep(0.1)", (episode,))[0]
        if count >= 12:
            return int(count)
    raise AssertionError(f"{episode} does not get on")


@pytest.mark.timeout(170)  # On a machine with other work; seconds on an idle one.
def test_episodes_outlive_their_workers(workers: Any, postgres_url: str, tmp_path: Path, capsys: Any) -> None:
    for name in ("first", "second"):
        assert run("submit", "task.yaml", "--id", name, "--tenant", name) == 0
    one = workers()
    with Fleet(postgres_url) as fleet:
        midway(fleet, "first")
        midway(fleet, "second")
        assert run("cancel", "second") == 0
        assert fleet.episode("second").state == "cancelled"
        one.heard("put aside", "second")
        one.end(signal.SIGKILL)
        assert run("submit", "--again", "second") == 0
    two = workers()
    for name in ("first", "second"):
        assert run("fetch", name, "--wait", "40", "--out", "got") == 0
        events = check_package(tmp_path / "got" / name).events
        assert sum(isinstance(event.data, EpisodeResumed) for event in events) == 1, "it did not begin anew"
        assert events[0].episode == name
        patch = (tmp_path / "got" / name / "patch.diff").read_text()
        assert [line for line in patch.splitlines() if line.startswith("+") and "log" not in line] == ["+one", "+two"]
    assert two.end(signal.SIGTERM) == 0
    capsys.readouterr()
    assert run("queue", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert [row["state"] for row in shown["episodes"]] == ["finished", "finished"]
    assert [row["state"] for row in shown["workers"]] == ["dead", "dead"]
    assert run("ps", "--store", postgres_url, "--json") == 0
    told = [(row["name"], row["state"], row["task"], row["turn"]) for row in json.loads(capsys.readouterr().out)]
    assert told == [("first", "finished", "lines", 3), ("second", "finished", "lines", 3)]
    with Fleet(postgres_url) as fleet:
        assert (fleet.prune(3600.0), fleet.prune(0.0)) == (0, 2)
        assert fleet.fetch("first", tmp_path / "again").state == "finished", "the package holds everything"


def test_workers_sign_with_one_key(
    workers: Any, postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    with Fleet(postgres_url) as fleet:
        fleet.database.rows("INSERT INTO terret_fleet.setting VALUES ('terret', 'key', %s)", ("ab" * 32,))
    assert run("worker", "--model", "scripted:script.json") == 2
    assert "sign with another key" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(170)
def test_a_fleet_that_is_killed_frozen_and_restarted_finishes_every_episode_once(capsys: Any) -> None:
    pytest.importorskip("psycopg", reason="the driver is missing: pip install 'terret[postgres]'")
    code = benchmark.main(["--episodes", "5", "--kill-every", "12", "--minutes", "2.4"])
    assert code == 0, capsys.readouterr().out
