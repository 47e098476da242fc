"""Replay, fork and comparison of whole packages."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from episode_killed import KEY, REPLIES, TASK, call, go

from terret.errors import BlobMismatch, ConfigError, PackageError
from terret.journal import (
    Event,
    EventData,
    HistoryKept,
    Journal,
    Observed,
    Scrubber,
    SigningKey,
    check_package,
    write_package,
)
from terret.models import ModelIdentity, ScriptedModel
from terret.runtime import (
    Episode,
    compare_packages,
    fork_package,
    opened_of,
    replay_package,
    resume_episode,
    run_episode,
    verify_package,
)

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "episode"
    asyncio.run(go(folder))
    return folder


def scripted(*replies: str, name: str = "test") -> ScriptedModel:
    return ScriptedModel(list(replies), ModelIdentity(spec=f"scripted:{name}", provider="scripted", name=name))


def fork(source: Path, folder: Path, at: int, model: ScriptedModel, identity: ModelIdentity | None = None) -> Episode:
    fork_package(source, folder, at=at, key=KEY, model=identity)
    return asyncio.run(resume_episode(folder, key=KEY, connect=lambda spec: model))


def rewritten(source: Path, target: Path, change: dict[int, EventData]) -> Path:
    """A package that is whole and signed, but tells another story at some events."""
    package = check_package(source)
    shutil.copytree(source / "blobs", target / "live" / "blobs")
    times = iter(package.events)
    with Journal.create(target / "live", target.name, KEY, clock=lambda: next(times).ts) as journal:
        for event in package.events:
            journal.append(change.get(event.seq, event.data))
        write_package(target, journal)
    return target


def events_of(folder: Path) -> list[Event]:
    return check_package(folder).events


def test_a_replay_comes_out_the_same(episode: Path) -> None:
    report = replay_package(episode)
    assert (report.finished, report.divergence) == (True, None)
    assert report.events == len(events_of(episode))


def test_a_moved_package_replays_without_its_live_folder(episode: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(episode, moved)
    assert replay_package(moved).divergence is None


def test_every_package_of_a_resumed_episode_replays(tmp_path: Path) -> None:
    from subprocess import run as start

    script = Path(__file__).parent / "episode_killed.py"
    import sys

    for at in ("20", "41", "0"):
        start([sys.executable, str(script), str(tmp_path / "e"), at], capture_output=True, check=False)
    report = replay_package(tmp_path / "e")
    assert (report.finished, report.divergence) == (True, None)


@pytest.mark.parametrize("turn", [2, 6])
def test_a_seeded_divergence_is_found_at_its_event(episode: Path, tmp_path: Path, turn: int) -> None:
    import msgspec

    events = events_of(episode)
    seeded = next(event for event in events if isinstance(event.data, Observed) and event.data.turn == turn)
    assert isinstance(seeded.data, Observed)
    lie = msgspec.structs.replace(seeded.data, ok=not seeded.data.ok)
    report = replay_package(rewritten(episode, tmp_path / "lie", {seeded.seq: lie}))
    assert report.divergence is not None
    assert (report.divergence.seq, report.divergence.turn) == (seeded.seq, turn)
    assert (report.divergence.recorded, report.divergence.replayed) == ("Observed", "Observed")


def test_a_damaged_history_is_refused_before_anything_is_run(episode: Path, tmp_path: Path) -> None:
    target = tmp_path / "damaged"
    shutil.copytree(episode, target)
    kept = next(event.data for event in events_of(episode) if isinstance(event.data, HistoryKept))
    assert kept.blob is not None
    (target / "blobs" / kept.blob).write_bytes(b"PACK")
    with pytest.raises(BlobMismatch):
        replay_package(target)


def test_a_history_that_would_tell_a_secret_is_left_out(tmp_path: Path) -> None:
    model = scripted(
        call("run", command="half=hunter2; echo the pass is $half$half > note.txt"),
        call("declare_complete", summary="x"),
    )
    scrubber = Scrubber({"PASS": "hunter2hunter2"})
    folder = tmp_path / "e"
    asyncio.run(run_episode(TASK, model=model, folder=folder, key=KEY, scrubber=scrubber))
    kept = next(event.data for event in events_of(folder) if isinstance(event.data, HistoryKept))
    assert kept.blob is None
    with pytest.raises(PackageError, match="secret"):
        replay_package(folder)


def test_a_fork_shares_the_record_and_goes_another_way(episode: Path, tmp_path: Path) -> None:
    other = ModelIdentity(spec="scripted:other", provider="scripted", name="other")
    model = scripted(*REPLIES[:5], call("declare_complete", summary="left A alone"), name="other")
    forked = fork(episode, tmp_path / "fork", 5, model, other)
    opened = opened_of(forked.folder)
    source = events_of(episode)
    assert opened.model["name"] == "other"
    assert opened.forked_from["episode"] == source[0].episode
    assert opened.forked_from["hash"] in {event.hash for event in source}
    assert len(model.requests) == 1, "what led to the fork is taken over, not asked for again"
    assert b"A = 2" not in (forked.folder / "patch.diff").read_bytes()
    assert b"+two" in (forked.folder / "patch.diff").read_bytes()
    assert verify_package(forked.folder).ok
    assert replay_package(forked.folder).divergence is None
    found = compare_packages(episode, forked.folder)
    assert list(found.setup) == ["model"]
    assert found.first is not None
    assert found.second is not None
    assert (found.first.turn, found.second.turn) == (6, 6)


def test_a_fork_at_the_last_turn_ends_the_same(episode: Path, tmp_path: Path) -> None:
    forked = fork(episode, tmp_path / "fork", 10, scripted())
    found = compare_packages(episode, forked.folder)
    assert (found.setup, found.first, found.fields) == ({}, None, [])
    assert (forked.folder / "patch.diff").read_bytes() == (episode / "patch.diff").read_bytes()


def test_a_fork_from_the_start_asks_anew(episode: Path, tmp_path: Path) -> None:
    model = scripted(call("declare_complete", summary="nothing"))
    forked = fork(episode, tmp_path / "fork", 0, model)
    assert len(model.requests) == 1
    assert (forked.folder / "patch.diff").read_bytes() == b""


@pytest.mark.parametrize("at", [-1, 11])
def test_a_turn_the_episode_has_not_is_refused(episode: Path, tmp_path: Path, at: int) -> None:
    with pytest.raises(ConfigError, match="turns 0 to 10"):
        fork_package(episode, tmp_path / "fork", at=at, key=KEY)
    assert not (tmp_path / "fork").exists()


def test_a_fork_can_be_signed_by_another(episode: Path, tmp_path: Path) -> None:
    key = SigningKey.generate()
    fork_package(episode, tmp_path / "fork", at=3, key=key)
    model = scripted(*REPLIES)
    ended = asyncio.run(resume_episode(tmp_path / "fork", key=key, connect=lambda spec: model))
    assert verify_package(ended.folder).key == key.public_hex


def test_history_grows_with_the_change_alone(tmp_path: Path) -> None:
    import msgspec

    from terret.task import Repository

    def size(steps: int, name: str) -> int:
        big = {f"data/{number}.txt": f"{number}\n" * 500 for number in range(200)}
        task = msgspec.structs.replace(TASK, repository=Repository(files={**TASK.repository.files, **big}))
        replies = [call("write_file", path="src/a.py", content=f"A = {n}\n") for n in range(steps)]
        model = scripted(*replies, call("declare_complete", summary="x"))
        asyncio.run(run_episode(task, model=model, folder=tmp_path / name, key=KEY))
        package = check_package(tmp_path / name)
        kept = next(event.data for event in package.events if isinstance(event.data, HistoryKept))
        return len(package.blobs.get(kept.blob or ""))

    few, many = size(2, "few"), size(12, "many")
    assert (many - few) / 10 < 1_500, "a step costs its file and the folders above it, not the repository"
