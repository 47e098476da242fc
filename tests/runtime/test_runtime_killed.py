"""kill -9 anywhere: every resume ends like the uninterrupted run, with no effect twice."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from episode_killed import go, traces

from terret.journal import Event, Outcome, check_package
from terret.runtime import Episode

CHILD = Path(__file__).with_name("episode_killed.py")

POINTS = 100


def run_and_kill(folder: Path, stop_after: int, after_s: float | None) -> None:
    """One process; killed by itself after an event, or from outside after a time."""
    environment = dict(os.environ)
    command = [sys.executable, str(CHILD), str(folder), str(stop_after)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as child:
        if after_s is not None:
            waiter = os.pidfd_open(child.pid)
            try:
                if not select.select([waiter], [], [], after_s)[0]:
                    child.send_signal(signal.SIGKILL)
            finally:
                os.close(waiter)
        out, err = child.communicate(timeout=50)
    assert child.returncode in (0, -signal.SIGKILL), err.decode()
    assert child.returncode or out == b"finished\n"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], int]:
    folder = tmp_path_factory.mktemp("whole") / "episode"
    episode = asyncio.run(go(folder))
    assert episode.label == "unverified_success", episode
    return traces(folder), len(check_package(folder).events)


def effects_done(events: list[Event]) -> list[str]:
    return [event.data.effect for event in events if isinstance(event.data, Outcome)]


@pytest.mark.sandbox
@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_every_resume_ends_like_the_uninterrupted_run(
    part: int, whole: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    expected, events = whole
    for point in range(part * POINTS // 20, (part + 1) * POINTS // 20):
        chance = random.Random(point)
        folder = tmp_path / f"episode-{point}"
        at_event = point % 2 == 0
        killed_at = chance.randrange(events)
        run_and_kill(folder, killed_at if at_event else 0, None if at_event else chance.uniform(0.15, 1.6))
        if not (folder / "episode.json").exists() and not (folder / "live" / "journal.db").exists():
            continue  # killed before anything was journalled: there is nothing to resume and nothing was done
        episode = asyncio.run(resume(folder))
        assert episode is None or episode.label == "unverified_success", (point, killed_at, episode)
        if episode is None:
            continue
        package = check_package(folder)
        done = effects_done(package.events)
        assert len(done) == len(set(done)), f"an effect twice, point {point}"
        assert traces(folder) == expected, f"point {point}, event {killed_at}"


async def resume(folder: Path) -> Episode | None:
    """The finished episode, or ``None`` when its first event never became durable."""
    from terret.errors import EpisodeNotFound

    try:
        return await go(folder)
    except EpisodeNotFound:
        return None
