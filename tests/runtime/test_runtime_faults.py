"""Zombies, full and read-only disks, a clock that jumps, a dead endpoint, a sandbox that goes away: nothing is lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from episode_killed import KEY, TASK, model
from test_runtime_killed import traces

from terret.errors import JournalBusy, JournalWriteFailed, ModelUnavailable
from terret.journal import Event, Intent, Journal, Outcome, check_package
from terret.models import Reply, Request
from terret.runtime import Episode, resume_episode, run_episode

pytestmark = pytest.mark.sandbox

ZOMBIE = Path(__file__).with_name("episode_zombie.py")


def start(folder: Path, **options: Any) -> Episode:
    return asyncio.run(run_episode(TASK, **{"model": model(), "folder": folder, "key": KEY, **options}))


def go_on(folder: Path, **options: Any) -> Episode:
    return asyncio.run(resume_episode(folder, key=KEY, connect=lambda spec: model(), **options))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("whole") / "e"
    start(folder)
    return traces(folder)


def settled(folder: Path, ended: Episode, whole: dict[str, Any]) -> None:
    """The episode ended like the one that nothing happened to, with no effect twice."""
    assert ended.label == "unverified_success", ended
    done = [event.data.effect for event in check_package(folder).events if isinstance(event.data, Outcome)]
    assert len(done) == len(set(done))
    assert traces(folder)["patch.diff"] == whole["patch.diff"]


# zombies


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "nth"), [("intent.before", 4), ("dispatch.before", 9), ("outcome.before", 9), ("check.before", 1)]
)
def test_a_frozen_worker_that_thaws_after_a_take_over_can_record_nothing(
    at: str, nth: int, tmp_path: Path, whole: dict[str, Any]
) -> None:
    folder = tmp_path / "e"
    with subprocess.Popen(
        [sys.executable, str(ZOMBIE), str(folder), at, str(nth)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as zombie:
        try:
            _, status = os.waitpid(zombie.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            with pytest.raises(JournalBusy, match="--take-over"):
                go_on(folder)
            frozen = Journal.read(folder / "live")

            def thaw(item: object) -> None:
                """In the middle of the new owner's run."""
                if isinstance(item, Event) and item.seq == len(frozen) + 3:
                    zombie.send_signal(signal.SIGCONT)
                    out, err = zombie.communicate(timeout=40)
                    assert out == b"E_JOURNAL_BUSY\n", err.decode()

            ended = go_on(folder, take_over=True, listener=thaw)
            assert zombie.returncode == 0
        finally:
            zombie.kill()
    settled(folder, ended, whole)
    events = check_package(folder).events
    assert [event.hash for event in events[: len(frozen)]] == [event.hash for event in frozen]


def test_an_episode_that_was_taken_over_is_resumed_and_sealed_like_any_other(
    tmp_path: Path, whole: dict[str, Any]
) -> None:
    folder = tmp_path / "e"
    broken = Failing("outcome.before", 6, sqlite3.OperationalError("disk I/O error"))
    with pytest.raises(sqlite3.OperationalError):
        start(folder, faults=broken)
    again = Failing("outcome.before", 2, sqlite3.OperationalError("disk I/O error"))
    with pytest.raises(sqlite3.OperationalError):
        go_on(folder, take_over=True, faults=again)
    settled(folder, go_on(folder), whole)
    assert not (folder / "live").exists()


# disks


class Failing:
    """Raises an error at the n-th time a boundary is reached."""

    def __init__(self, at: str, nth: int, error: Exception) -> None:
        self.at = at
        self.left = nth
        self.error = error

    def __call__(self, name: str) -> None:
        if name == self.at:
            self.left -= 1
            if self.left == 0:
                raise self.error


@pytest.mark.parametrize("text", ["database or disk is full", "attempt to write a readonly database"])
@pytest.mark.parametrize("nth", [3, 12])
def test_a_disk_that_cannot_be_written_ends_the_run_clearly_and_it_goes_on(
    text: str, nth: int, tmp_path: Path, whole: dict[str, Any]
) -> None:
    folder = tmp_path / "e"
    with pytest.raises(JournalWriteFailed, match=f"{text}.*no event is lost"):
        start(folder, faults=Failing("commit.before", nth, sqlite3.OperationalError(text)))
    settled(folder, go_on(folder), whole)


def test_a_package_that_cannot_be_written_is_written_by_the_next_resume(tmp_path: Path, whole: dict[str, Any]) -> None:
    folder = tmp_path / "e"
    with pytest.raises(JournalWriteFailed, match="the journal itself is safe"):
        start(folder, faults=Failing("package.before", 1, OSError(28, "No space left on device")))
    settled(folder, go_on(folder), whole)


# clocks


@pytest.mark.parametrize("jump", [86_400.0 * 30, -86_400.0 * 30])
def test_a_clock_set_back_or_forward_between_runs_uses_up_no_budget(
    jump: float, tmp_path: Path, whole: dict[str, Any]
) -> None:
    folder, now = tmp_path / "e", [1_700_000_000.0]
    with pytest.raises(sqlite3.OperationalError):
        start(folder, clock=lambda: now[0], faults=Failing("outcome.before", 6, sqlite3.OperationalError("stop")))
    now[0] += jump
    ended = go_on(folder, clock=lambda: now[0])
    settled(folder, ended, whole)
    stamps = [event.ts for event in check_package(folder).events]
    assert stamps == sorted(stamps)
    assert ended.usage["wall"] == 0


# what an episode leans on


def test_a_dead_model_endpoint_suspends_and_the_episode_goes_on_later(tmp_path: Path, whole: dict[str, Any]) -> None:
    folder = tmp_path / "e"
    dying = model()
    answer: Callable[..., Any] = dying.complete
    calls = 0

    async def complete(request: Request, on_text: Any = None) -> Reply:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise ModelUnavailable("the endpoint refused the connection", where="http://127.0.0.1:9")
        return await answer(request, on_text)

    dying.complete = complete  # type: ignore[method-assign]
    ended = start(folder, model=dying)
    assert (ended.status, (ended.fault or {})["code"]) == ("suspended", "E_MODEL_UNAVAILABLE")
    settled(folder, go_on(folder), whole)


def test_a_sandbox_program_that_disappears_suspends_and_the_episode_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: dict[str, Any]
) -> None:
    from terret.sandbox import _sandbox

    real = _sandbox.find_bwrap()
    if real is None:
        pytest.skip("no bubblewrap on this machine")
    copy = tmp_path / "bwrap"
    shutil.copy2(real, copy)
    # The program itself must not be removed: the sandbox is pointed at a copy.
    monkeypatch.setattr(_sandbox, "find_bwrap", lambda: str(copy))

    def remove(item: object) -> None:
        if isinstance(item, Event) and isinstance(item.data, Intent) and item.data.primitive == "shell.run":
            copy.unlink(missing_ok=True)

    folder = tmp_path / "e"
    ended = start(folder, listener=remove)
    assert (ended.status, (ended.fault or {})["part"]) == ("suspended", "sandbox"), ended
    monkeypatch.undo()
    settled(folder, go_on(folder), whole)
