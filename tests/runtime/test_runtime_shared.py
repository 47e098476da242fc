"""An episode whose journal is in PostgreSQL: begun on one machine, killed, gone on with on another."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from episode_killed import KEY, TASK, go, model, traces

from postgres import PostgresServer
from terret.errors import EpisodeNotFound, JournalBusy
from terret.journal import EpisodeResumed, Event, Journal, Outcome, check_package
from terret.runtime import resume_episode, run_episode, verify_package

DRIVER = Path(__file__).parent / "episode_killed.py"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[Event]]:
    folder = tmp_path_factory.mktemp("whole") / "episode"
    asyncio.run(go(folder))
    return traces(folder), check_package(folder).events


def after_effect(events: list[Event], number: int) -> int:
    """The seq of the outcome of the effect that changed the workspace for the ``number``-th time."""
    trees = [event for event in events if isinstance(event.data, Outcome) and event.data.tree]
    return trees[number].seq


@pytest.mark.sandbox
@pytest.mark.parametrize("changes", [0, 2, 4])
def test_another_machine_goes_on_where_a_killed_one_stopped(
    changes: int, whole: tuple[dict[str, Any], list[Event]], tmp_path: Path, postgres_url: str
) -> None:
    expected, events = whole
    first, second = tmp_path / "first" / "episode", tmp_path / "second" / "episode"
    stop = after_effect(events, changes)
    command = [sys.executable, str(DRIVER), str(first), str(stop), postgres_url]
    died = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert not (first / "live" / "journal.db").exists()
    first.rename(tmp_path / "gone")
    episode = asyncio.run(resume_episode(second, key=KEY, connect=lambda _: model(), store=postgres_url))
    assert episode.label == "unverified_success"
    assert verify_package(second, rerun=changes == 2).ok
    recorded = check_package(second).events
    assert sum(isinstance(event.data, EpisodeResumed) for event in recorded) == 1
    done = [event.data.effect for event in recorded if isinstance(event.data, Outcome)]
    assert len(done) == len(set(done))
    assert traces(second) == expected
    # Whoever comes later gets the same package from the store alone.
    third = tmp_path / "third" / "episode"
    asyncio.run(resume_episode(third, key=KEY, connect=lambda _: model(), store=postgres_url))
    assert (third / "journal.jsonl").read_bytes() == (second / "journal.jsonl").read_bytes()


@pytest.mark.sandbox
def test_a_machine_that_lags_behind_catches_up_from_the_store(
    whole: tuple[dict[str, Any], list[Event]], tmp_path: Path, postgres_url: str
) -> None:
    expected, events = whole
    here, there = tmp_path / "here" / "episode", tmp_path / "there" / "episode"
    for folder, changes in ((here, 1), (there, 3)):
        stop = after_effect(events, changes) + (0 if folder == here else 1)
        command = [sys.executable, str(DRIVER), str(folder), str(stop), postgres_url]
        died = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
        assert died.returncode == -signal.SIGKILL, died.stderr
    episode = asyncio.run(resume_episode(here, key=KEY, connect=lambda _: model()))
    assert episode.label == "unverified_success"
    assert traces(here) == expected


@pytest.mark.sandbox
def test_an_episode_that_is_taken_over_leaves_its_first_machine_nothing_to_say(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    first, second = tmp_path / "first" / "episode", tmp_path / "second" / "episode"
    taken: list[str] = []

    def take_over(item: object) -> None:
        if isinstance(item, Event) and isinstance(item.data, Outcome) and item.data.tree and not taken:
            with pytest.raises(JournalBusy, match="another process owns the episode"):
                Journal.open(second / "live", KEY, store=postgres_url, episode="episode")
            with Journal.open(second / "live", KEY, store=postgres_url, episode="episode", take_over=True) as owner:
                taken.append(owner.head[1])

    with pytest.raises(JournalBusy, match="has taken the episode over"):
        asyncio.run(
            run_episode(TASK, model=model(), folder=first, key=KEY, level="H1", listener=take_over, store=postgres_url)
        )
    assert not (first / "episode.json").exists()
    episode = asyncio.run(resume_episode(second, key=KEY, connect=lambda _: model(), store=postgres_url))
    assert episode.label == "unverified_success"
    assert taken[0] in (second / "journal.jsonl").read_text()


def test_an_episode_that_neither_folder_nor_store_holds_is_said_to_be_missing(
    tmp_path: Path, postgres_url: str
) -> None:
    with pytest.raises(EpisodeNotFound, match="no episode to resume"):
        asyncio.run(resume_episode(tmp_path / "nobody", key=KEY, connect=lambda _: model()))
    with pytest.raises(EpisodeNotFound, match="holds no such episode"):
        asyncio.run(resume_episode(tmp_path / "nobody", key=KEY, connect=lambda _: model(), store=postgres_url))
