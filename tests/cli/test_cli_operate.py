"""ps, top, logs, pause, kill, gc, import, export package and metrics from the outside."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from terret.cli._listing import lines, listing, short_names
from terret.journal import (
    ActionParsed,
    EpisodeClosed,
    EpisodeOpened,
    Journal,
    Labelled,
    SigningKey,
    Stopped,
    write_package,
)
from terret.operate import EpisodeFacts

KEY = SigningKey(bytes(range(32)))


def opened(blobs, task: str) -> EpisodeOpened:
    plain = {"task_name": task, "task": blobs.put(b"{}"), "model": {"spec": "scripted:fix.json"}, "level": "H1"}
    lists = {name: [] for name in ("visible_artifacts", "allowed_tools", "verification_procedure")}
    texts = dict.fromkeys(("dialect", "image", "outcome_rule", "interpreter_persistence"), "x")
    maps = {name: {} for name in ("sampling", "repository", "enforcement", "versions")}
    rest = {"intervention_policy": "none: nobody", "budget": {"steps": 9.0}, "seed": 0, "public_key": KEY.public_hex}
    return EpisodeOpened(**plain, **lists, **texts, **maps, **rest)


def episode(folder: Path, *more, task: str = "login", seal: bool = False) -> Journal:
    """A journal that is held; sealed on request."""
    journal = Journal.create(folder / "live", folder.name, KEY)
    for data in (opened(journal.blobs, task), ActionParsed(3, "run", {"command": "make \x1b[2J"}, "json"), *more):
        journal.append(data, durable=True)
    if seal:
        write_package(folder, journal)
        journal.close()
        for path in sorted((folder / "live").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (folder / "live").rmdir()
    return journal


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ending() -> list[object]:
    verdict = Labelled("failed", "F_model", ["the patch is empty"], False, False, True)
    return [Stopped("completed", "done", 3), verdict, EpisodeClosed(3, {})]


def test_ps_lists_what_runs_and_what_ended(cli, place):
    episode(place / "episodes" / "20260101-120000-login-aaaaaa", *ending(), seal=True)
    with episode(place / "episodes" / "20260102-120000-pay-bbbbbb", task="pay"):
        ran = cli("ps")
        rows = [line.split() for line in ran.out.splitlines()]
        assert rows[0] == ["EPISODE", "TASK", "MODEL", "LVL", "STATE", "TURN", "TOKENS", "AGE", "LABEL"]
        assert rows[1][:2] + rows[1][4:6] == ["20260101-120000-login-aaaaaa", "login", "finished", "3/9"]
        assert rows[2][1:5] == ["pay", "scripted:fix.json", "H1", "running"]
        assert ran.out.splitlines()[-1].startswith("2 episodes: 1 finished, 1 running, 0 of 1 worked")
        found = cli("ps", "episodes", "--json", "--state", "running").document
        assert [(one["id"][-6:], one["owner"]) for one in found] == [("bbbbbb", str(os.getpid()))]
        top = cli("top")
        assert "DOING" in top.out
        assert top.out.index("bbbbbb") < top.out.index("aaaaaa"), "what runs comes first"
    (place / "none").mkdir()
    assert cli("ps", "none").out == "no episodes\n"
    assert cli("ps", "nowhere").code == 2


def test_logs_are_lines_for_people_and_json_for_programs(cli, place):
    episode(place / "episodes" / "20260101-120000-login-aaaaaa", *ending(), seal=True)
    ran = cli("logs", "20260101")
    assert len(ran.out.splitlines()) == 5
    assert re.match(r"\d\d:\d\d:\d\d +0 +episode.opened +login, level H1, scripted:fix.json", ran.out)
    assert r"t3   action           run make \x1b[2J" in ran.out, "what a model wrote cannot drive the terminal"
    assert [json.loads(line)["seq"] for line in cli("logs", "20260101", "--json").out.splitlines()] == [0, 1, 2, 3, 4]
    assert len(cli("logs", "20260101", "--since", "3").out.splitlines()) == 2
    assert len(cli("logs", "20260101", "--since", "1h", "--kind", "label", "-f").out.splitlines()) == 1
    for args, code in ((["--kind", "nope"], "E_CONFIG"), (["--since", "soon"], "E_CONFIG")):
        ran = cli("logs", "20260101", *args)
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert code in ran.err
    assert cli("logs", "2027").code == 2


def test_a_follower_ends_with_the_process_and_says_how_to_go_on(cli, place):
    journal = episode(place / "episodes" / "r")
    later = threading.Timer(0.3, journal.close)
    later.start()
    ran = cli("logs", "-f", "episodes/r")
    later.join()
    assert len(ran.out.splitlines()) == 2
    assert "the episode is suspended; go on: terret resume episodes/r" in ran.err


def test_pause_and_stop_leave_an_order_and_say_when(cli, place):
    with episode(place / "episodes" / "r"):
        paused = cli("pause", "r", "--reason", "lunch")
        assert paused.out == "r pauses at the end of its turn; go on: terret resume episodes/r\n"
        assert cli("pause", "r", "--wait", "0.1").code == 1
        assert cli("kill", "--stop", "r").out == "r stops at the end of its turn and is then judged\n"
        assert "pause ordered" in cli("ps", "--json").out
    for command in (["pause", "r"], ["kill", "r"]):
        ran = cli(*command)
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert "no process drives the episode" in ran.err


def test_gc_export_import_and_metrics(cli, place):
    folder = place / "episodes" / "20260101-120000-login-aaaaaa"
    episode(folder, *ending(), seal=True)
    kept = cli("gc", "episodes", "--older-than", "0s", "--json")
    assert kept.document["disposals"][0]["reason"] == "the episode is not finished [E_PACKAGE]" or "kept" in kept.out
    assert cli("gc", "episodes", "--older-than", "30").code == 2
    exported = cli("export", "package", folder.name, "--out", "a.tar.gz")
    assert exported.out.startswith("a.tar.gz, ")
    refused = cli("import", "a.tar.gz", "--out", "other")
    assert refused.code == 10, "it proves nothing about its label"
    assert f"{folder.name} is refused: " in refused.err
    assert cli("verify", "a.tar.gz").code == 10
    ran = cli("metrics")
    assert 'terret_episodes{label="failed",state="finished"} 1.0' in ran.out
    assert cli("metrics", "--json").document[0]["samples"][0]["value"] == 1


def facts(name: str, **more) -> EpisodeFacts:
    plain = {"task": "quixbugs-topological_ordering", "model": "local/qwen2.5-coder-1.5b", "level": "H3", "turn": 12}
    return EpisodeFacts(
        name=name, id=name, place=name, **{"state": "running", "steps": 40, "tokens": 123456} | plain | more
    )


@pytest.mark.parametrize("columns", [80, 100, 120, 200])
@pytest.mark.parametrize("doing", [False, True])
def test_a_table_fits_its_terminal(columns, doing):
    names = [f"20260101-12000{number}-quixbugs-topological_ordering-{number}2f7523" for number in range(3)]
    rows = [facts(name, doing="http_request", began=1.0, latest=50.0) for name in names]
    rows.append(facts("deep/down/20260101-120000-x-123456", state="damaged", note="the journal file is damaged [E_X]"))
    shown = lines(listing(rows, 100.0, columns, doing=doing))
    assert max(map(len, shown)) <= columns
    assert all(short in line for short, line in zip(short_names(names), shown[1:], strict=False))


def test_names_are_as_long_as_they_must_be():
    names = ["20260101-120000-a-1", "20260101-120000-a-2", "20260102-120000-b-1", "x/20260101-120000-a-1", "short"]
    assert short_names(names) == [names[0], names[1], "20260102-120000", "x/20260101-120000", "short"]


def test_top_on_a_terminal_refreshes_until_interrupted(place):
    journal = episode(place / "episodes" / "20260102-120000-pay-bbbbbb", task="pay")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    args = [sys.executable, "-m", "terret", "top", "--every", "0.1"]
    process = subprocess.Popen(
        args, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    seen = b""
    try:
        while b"4/9" not in seen and select.select([ours], [], [], 40)[0]:
            seen += os.read(ours, 65536)
            if b"3/9" in seen and len(journal) == 2:
                journal.append(ActionParsed(4, "run", {"command": "x"}, "json"), durable=True)
        assert b"3/9" in seen
        assert b"4/9" in seen
        assert b"running" in seen
    finally:
        process.send_signal(2)
        while select.select([ours], [], [], 1)[0]:
            try:
                if not os.read(ours, 65536):
                    break
            except OSError:
                break
        assert process.wait(40) == 0
        os.close(ours)
        journal.close()
