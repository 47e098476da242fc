"""The queue from outside: submissions, limits, cancelling and putting back, without any worker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from postgres import PostgresServer
from terret.errors import BlobMismatch, ConfigError, EpisodeNotFound, InfrastructureError, JournalError
from terret.fleet import Fleet
from terret.task import Repository, Task

pytest.importorskip("dbos", reason="the queue is missing: pip install 'terret[fleet]'")


@pytest.fixture(scope="module")
def url(postgres_server: PostgresServer) -> str:
    """One database for all tests here, as making the queue's tables takes longest."""
    return postgres_server.database()


@pytest.fixture
def fleet(url: str, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    name = re.sub("[^a-z0-9]+", "-", request.node.name)[-60:].strip("-")
    with Fleet(url, name) as found:
        yield found


def a_task(**files: str) -> Task:
    return Task(name="lines", repository=Repository(files=files or {"a.txt": "a\n"}), objective="Nothing.")


def test_an_episode_is_queued_once_however_often_it_is_submitted(fleet: Fleet) -> None:
    name = fleet.submit(a_task(), tenant="red", priority=7)
    assert fleet.submit(a_task(), tenant="red", priority=7, episode=name) == name
    (row,) = fleet.episodes()
    assert (row.id, row.state, row.tenant, row.priority, row.worker) == (name, "queued", "red", 7, None)
    assert fleet.episode(name[:20]) == row


def test_a_repository_travels_once_by_its_content(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "a.txt").write_text("a\n")
    task = Task(name="lines", repository=Repository(path="repo"), objective="Nothing.")
    blobs = "SELECT count(*) FROM terret.blob"
    fleet.submit(task, base_folder=tmp_path)
    before = fleet.database.rows(blobs)[0][0]
    fleet.submit(task, base_folder=tmp_path)
    assert fleet.database.rows(blobs)[0][0] == before
    (tmp_path / "repo" / "a.txt").write_text("b\n")
    fleet.submit(task, base_folder=tmp_path)
    assert fleet.database.rows(blobs)[0][0] == before + 1


def test_episodes_are_listed_by_state_and_tenant(fleet: Fleet) -> None:
    red, blue = fleet.submit(a_task(), tenant="red"), fleet.submit(a_task(), tenant="blue")
    assert [row.id for row in fleet.episodes()] == [blue, red]
    assert [row.id for row in fleet.episodes(tenant="red")] == [red]
    assert fleet.episodes(state="finished") == []
    assert fleet.workers() == []


def test_a_cancelled_episode_waits_to_be_put_back(fleet: Fleet) -> None:
    name = fleet.submit(a_task())
    assert fleet.cancel(name).state == "cancelled"
    with pytest.raises(EpisodeNotFound, match="it is cancelled"):
        fleet.fetch(name, Path("nowhere"))
    assert fleet.requeue(name).state == "queued"
    with pytest.raises(ConfigError, match="only a cancelled"):
        fleet.requeue(name)


def test_two_fleets_of_one_store_do_not_see_each_other(fleet: Fleet, url: str) -> None:
    fleet.submit(a_task())
    with Fleet(url, "another") as other:
        assert other.episodes() == []


def test_a_tenant_with_a_limit_of_its_own_has_a_queue_of_its_own(fleet: Fleet) -> None:
    fleet.limit(episodes=9, slots=3)
    fleet.limit("red", episodes=2)
    fleet.submit(a_task(), tenant="red")
    fleet.submit(a_task(), tenant="blue")
    queues = (
        "SELECT name, concurrency, partition_concurrency, worker_concurrency FROM dbos.queues"
        " WHERE application_name = %s ORDER BY name"
    )
    assert fleet.database.rows(queues, (fleet.name,)) == [(fleet.name, None, 9, 3), (f"{fleet.name}/red", 2, None, 2)]
    placed = (
        "SELECT queue_name, queue_partition_key FROM dbos.workflow_status"
        " WHERE application_name = %s ORDER BY queue_name"
    )
    assert fleet.database.rows(placed, (fleet.name,)) == [(fleet.name, "blue"), (f"{fleet.name}/red", None)]


def test_what_the_store_holds_is_compared_with_its_name(fleet: Fleet) -> None:
    digest = fleet.shelf.put(b"content")
    assert fleet.shelf.get(digest) == b"content"
    fleet.database.rows("UPDATE terret.blob SET content = 'other' WHERE digest = %s", (digest,))
    with pytest.raises(BlobMismatch, match="does not have its name"):
        fleet.shelf.get(digest)
    with pytest.raises(BlobMismatch, match="missing"):
        fleet.shelf.get("0" * 64)


@pytest.mark.parametrize("bad", [{"tenant": "Two Words"}, {"priority": 0}, {"priority": 1001}])
def test_bad_values_are_refused_before_anything_is_stored(fleet: Fleet, bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        fleet.submit(a_task(), **bad)  # type: ignore[arg-type]
    assert fleet.episodes() == []


def test_a_store_that_is_none_or_away_is_one_error() -> None:
    with pytest.raises(ConfigError, match="PostgreSQL"):
        Fleet("sqlite:///x.db")
    with pytest.raises((InfrastructureError, JournalError)) as away:
        Fleet("postgresql://nobody:secret@127.0.0.1:1/none", patience_s=0.0)
    assert "secret" not in str(away.value)
