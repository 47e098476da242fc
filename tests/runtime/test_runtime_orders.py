"""An operator's orders to an episode: pause between two turns, or come to an end; and what a resume makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from episode_killed import KEY, TASK, call

import terret
from terret.intervention import ORDERS, FolderOrders, Order, place_order
from terret.journal import EpisodePaused, EpisodeResumed, Event, Intent, Intervened, Journal, check_package
from terret.models import ModelIdentity, Request, ScriptedModel
from terret.runtime import replay_package, resume_episode, run_episode, verify_package

pytestmark = pytest.mark.sandbox

WRITE = call("write_file", path="made.txt", content="made\n")
LOOK = call("read_file", path="made.txt")
DONE = call("declare_complete", summary="done")


def scripted(*replies: Any) -> ScriptedModel:
    return ScriptedModel(list(replies), ModelIdentity(spec="scripted:test", provider="scripted", name="test"))


def run(folder: Path, *replies: Any) -> terret.Episode:
    return asyncio.run(run_episode(TASK, model=scripted(*replies), folder=folder, key=KEY))


def resume(folder: Path, *replies: Any) -> terret.Episode:
    return asyncio.run(resume_episode(folder, key=KEY, connect=lambda spec: scripted(*replies)))


def ordering(folder: Path, reply: str, order: Order) -> Callable[[Request], str]:
    """A reply during which an operator gives an order."""

    def answer(request: Request) -> str:
        place_order(folder / "live" / ORDERS, order)
        return reply

    return answer


def of(events: list[Event], kind: type) -> list[Any]:
    return [event.data for event in events if isinstance(event.data, kind)]


def test_a_pause_ends_the_turn_and_is_resumed_without_repeating_anything(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    pause = ordering(folder, WRITE, Order("pause", 5.0, "ada@host", "the machine is needed"))
    paused = run(folder, pause, LOOK, DONE)
    assert paused.status == "suspended"
    assert paused.fault == {
        "part": "order",
        "code": "E_PAUSED",
        "message": "paused by ada@host: the machine is needed",
    }
    assert Journal.holder(folder / "live") is None
    events = Journal.read(folder / "live")
    assert events[-1].data == EpisodePaused(1, "ada@host", "the machine is needed")
    assert not list((folder / "live" / ORDERS).iterdir()), "an order is obeyed once"

    ended = resume(folder, WRITE, LOOK, DONE)
    assert (ended.status, ended.stop_reason, ended.turns) == ("finished", "completed", 3)
    events = check_package(folder).events
    assert len(of(events, EpisodePaused)) == len(of(events, EpisodeResumed)) == 1
    assert len([intent for intent in of(events, Intent) if intent.primitive == "fs.write"]) == 1
    assert not of(events, Intervened), "to wait is no help"
    assert replay_package(folder).divergence is None
    assert verify_package(folder, rerun=False).ok


def test_a_pause_meant_for_another_owner_is_dropped(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    stale = ordering(folder, WRITE, Order("pause", 5.0, epoch=7))
    assert run(folder, stale, DONE).status == "finished"
    assert not of(check_package(folder).events, EpisodePaused)


def test_an_order_to_stop_ends_an_episode_without_a_human_and_its_work_is_judged(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    ended = run(folder, ordering(folder, WRITE, Order("stop", 5.0, "ada@host", "enough")), LOOK, DONE)
    assert (ended.status, ended.stop_reason, ended.turns) == ("finished", "interrupted", 2)
    events = check_package(folder).events
    (help,) = of(events, Intervened)
    assert (help.form, help.text, help.substantive) == ("interrupt", "enough", False)
    assert "made.txt" in (folder / "patch.diff").read_text()
    assert replay_package(folder).divergence is None
    assert verify_package(folder, rerun=False).ok


def test_an_order_to_stop_waits_for_who_resumes(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    assert run(folder, ordering(folder, WRITE, Order("pause", 5.0)), DONE).status == "suspended"
    place_order(folder / "live" / ORDERS, Order("stop", 6.0, reason="never mind"))
    ended = resume(folder, WRITE, DONE)
    assert (ended.status, ended.stop_reason, ended.turns) == ("finished", "interrupted", 2)
    assert replay_package(folder).divergence is None


def test_orders_that_cannot_be_read_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "stop.json").write_text("{")
    (tmp_path / "pause.json").write_bytes(b"\xff")
    assert not FolderOrders(tmp_path).pending()
    (tmp_path / "stop.json").write_text('{"kind": "stop", "at": 1.0}')
    assert FolderOrders(tmp_path).pending() == [Order("stop", 1.0)]
    (tmp_path / "stop.json").unlink()
    (tmp_path / "stop.json").symlink_to("/dev/zero")
    assert not FolderOrders(tmp_path).pending()


def test_an_order_for_an_episode_that_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(terret.errors.EpisodeNotFound, match="just ended"):
        place_order(tmp_path / "gone" / ORDERS, Order("pause", 1.0))
