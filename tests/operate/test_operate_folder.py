"""The episodes below a folder: what is seen of them while they run, and the signals they get."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from operate_samples import KEY, START, finished, live, paused, turns

from terret.errors import ConfigError, EpisodeNotFound, JournalBusy
from terret.intervention import ORDERS, FolderOrders
from terret.journal import EpisodeClosed, Intent, Journal, Stopped
from terret.operate import FolderFleet, follow

HOLDER = """
import signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from operate_samples import live
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
held = [live(Path(folder), keep_open=True) for folder in sys.argv[2:] if folder != "stubborn"]
print("ready", flush=True)
time.sleep(60)
"""


def states(fleet: FolderFleet) -> dict[str, str]:
    return {one.name: one.state for one in fleet.episodes()}


def test_every_state_is_told_from_lock_and_journal(tmp_path: Path) -> None:
    finished(tmp_path / "a")
    live(tmp_path / "deep" / "b", start=START + 100)
    live(tmp_path / "c", paused(), start=START + 200)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "journal.jsonl").write_bytes(b"{}\n")
    (tmp_path / ".hidden").mkdir()
    finished(tmp_path / ".hidden" / "e")
    with live(tmp_path / "r", start=START + 300, keep_open=True):
        found = {one.name: one for one in FolderFleet(tmp_path).episodes()}
        assert {name: one.state for name, one in found.items()} == {
            "d": "damaged",
            "a": "finished",
            "deep/b": "suspended",
            "c": "paused",
            "r": "running",
        }
        assert list(found) == ["d", "a", "deep/b", "c", "r"], "oldest first; nothing is known of the damaged one"
    one = found["r"]
    assert (one.task, one.model, one.level, one.turn, one.steps) == ("login", "scripted:fix.json", "H1", 2, 40)
    assert (one.tokens, one.model_calls, one.cost, one.doing, one.owner) == (240, 2, 0.5, "run", str(os.getpid()))
    assert (found["a"].label, found["a"].stop_reason, found["a"].doing) == ("failed", "completed", "")
    assert "[E_PKG_EDITED]" in found["d"].note
    assert FolderFleet(tmp_path).find("r").state == "suspended", "a lock is free when its owner is done"


def test_looking_disturbs_no_owner_and_takes_only_what_is_new(tmp_path: Path) -> None:
    fleet = FolderFleet(tmp_path)
    with live(tmp_path / "r", keep_open=True) as journal:
        before = fleet.find("r")
        for data in turns():
            journal.append(data, durable=True)
            assert fleet.find("r").events == len(journal)
        assert fleet.find("r").model_calls == before.model_calls, "a repeated effect id counts once"
        with pytest.raises(JournalBusy):
            Journal.open(tmp_path / "r" / "live", KEY)
    assert not (tmp_path / "r" / "live" / ORDERS).exists()


def test_an_episode_is_found_by_path_name_id_and_beginning(tmp_path: Path) -> None:
    finished(tmp_path / "x" / "20260101-120000-login-aaaaaa")
    finished(tmp_path / "x" / "20260101-120000-login-bbbbbb")
    fleet = FolderFleet(tmp_path)
    name = "x/20260101-120000-login-aaaaaa"
    for asked in (name, name[2:], name[:-5], name[2:-5], str(tmp_path / name)):
        assert fleet.find(asked).name == name
    assert FolderFleet(tmp_path / name).find("20260101").name == name[2:]
    with pytest.raises(EpisodeNotFound, match="2 episodes begin like this"):
        fleet.find("20260101")
    with pytest.raises(EpisodeNotFound, match="no such episode"):
        fleet.find("2027")
    with pytest.raises(EpisodeNotFound, match="no such folder"):
        FolderFleet(tmp_path / "none")


def test_a_follower_sees_every_event_once_until_the_end(tmp_path: Path) -> None:
    journal = live(tmp_path / "r", keep_open=True)
    coming = [*turns(1), Stopped("completed", "", 2), EpisodeClosed(2, {})]

    def wait(seconds: float) -> None:
        journal.append(coming.pop(0), durable=True)

    seen = [event.seq for event in follow(FolderFleet(tmp_path), "r", 4, wait=wait)]
    assert seen == list(range(5, len(journal)))
    assert not coming
    journal.close()
    assert list(follow(FolderFleet(tmp_path), "r", len(journal) - 1, wait=wait)) == []


def test_orders_are_written_for_the_present_owner(tmp_path: Path, clock) -> None:
    fleet = FolderFleet(tmp_path, clock=clock)
    journal = live(tmp_path / "r", keep_open=True)
    orders = FolderOrders(tmp_path / "r" / "live" / ORDERS, journal.epoch)
    assert fleet.signal("r", "pause", reason="lunch").outcome == "ordered"
    (order,) = orders.pending()
    assert (order.kind, order.reason, order.at, order.epoch) == ("pause", "lunch", clock(), journal.epoch)
    assert "@" in order.by
    assert fleet.find("r").note == "pause ordered"
    fleet.signal("r", "stop")
    assert [order.kind for order in orders.pending()] == ["stop", "pause"]
    journal.append(Stopped("completed", "", 2), durable=True)
    for kind in ("pause", "stop"):
        with pytest.raises(ConfigError, match="turns of the episode are over"):
            fleet.signal("r", kind)
    journal.close()


def test_signals_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    finished(tmp_path / "a")
    live(tmp_path / "b")
    fleet = FolderFleet(tmp_path)
    for kind in ("pause", "stop", "kill"):
        with pytest.raises(ConfigError, match="the episode is finished"):
            fleet.signal("a", kind)
    for kind in ("pause", "kill"):
        with pytest.raises(ConfigError, match="no process drives the episode"):
            fleet.signal("b", kind)
    assert fleet.signal("b", "stop").detail == "when it is resumed"
    assert FolderOrders(tmp_path / "b" / "live" / ORDERS, 99).pending()[0].kind == "stop"


def holder(*folders: Path, stubborn: bool = False) -> subprocess.Popen[str]:
    """A process that drives episodes."""
    args = [str(Path(__file__).parent), *map(str, folders), *(["stubborn"] if stubborn else [])]
    process = subprocess.Popen([sys.executable, "-c", HOLDER, *args], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(
    ("stubborn", "how", "code"), [(False, "terminated", signal.SIGTERM), (True, "killed", signal.SIGKILL)]
)
def test_kill_ends_the_process_and_leaves_the_episode_resumable(tmp_path, stubborn, how, code) -> None:
    process = holder(tmp_path / "r", stubborn=stubborn)
    fleet = FolderFleet(tmp_path)
    assert fleet.find("r").owner == str(process.pid)
    killed = fleet.signal("r", "kill", grace_s=0.2 if stubborn else 30.0)
    assert killed.detail == f"process {process.pid} {how}"
    assert process.wait(30) == -code
    process.stdout.close()
    assert states(fleet) == {"r": "suspended"}
    with Journal.open(tmp_path / "r" / "live", KEY) as journal:
        assert len(journal) == fleet.find("r").events


def test_kill_spares_a_process_that_drives_other_episodes(tmp_path: Path) -> None:
    process = holder(tmp_path / "r", tmp_path / "s")
    fleet = FolderFleet(tmp_path)
    with pytest.raises(ConfigError, match=f"process {process.pid} drives 1 other episodes too"):
        fleet.signal("r", "kill")
    assert process.poll() is None
    assert fleet.signal("r", "kill", force=True, grace_s=30.0).others == ["s"]
    process.wait(30)
    process.stdout.close()
    assert states(fleet) == {"r": "suspended", "s": "suspended"}


def test_a_number_in_a_stale_lock_kills_nobody(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    with live(tmp_path / "r", keep_open=True):
        (tmp_path / "r" / "live" / "lock").write_text(f"{stranger.pid}\n")
        with pytest.raises(ConfigError, match="no process here holds"):
            FolderFleet(tmp_path).signal("r", "kill")
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
    (tmp_path / "r" / "live" / "lock").write_text(f"{os.getpid()}\n")
    with pytest.raises(ConfigError, match="no process drives"):
        FolderFleet(tmp_path).signal("r", "kill")


def test_finished_episodes_are_read_once(tmp_path: Path, monkeypatch) -> None:
    for number in range(5):
        finished(tmp_path / str(number))
    fleet = FolderFleet(tmp_path)
    assert len(fleet.episodes()) == 5
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read again"))
    assert [one.label for one in fleet.episodes()] == ["failed"] * 5


def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operate.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    late = Intent("e9", "model.complete", "read", {}, {"effect": "allow"}, 31)
    with live(tmp_path / "episodes" / "r", late, keep_open=True) as journal:
        exec(compile(example, "operate.md", "exec"), {})
        (order,) = FolderOrders(tmp_path / "episodes" / "r" / "live" / ORDERS, journal.epoch).pending()
    assert (order.kind, order.reason) == ("pause", "too long")
