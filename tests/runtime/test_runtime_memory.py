"""Project memory and task state from one episode to the next."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from terret.errors import ScriptExhausted
from terret.journal import EpisodeOpened, check_package
from terret.memory import ProjectMemory, memory_for, new_note, repository_identity
from terret.models import ScriptedModel
from terret.runtime import Episode, resume_episode, run_episode, verify_package
from terret.task import Check, Repository, Task

FILES = {"mod.py": "VALUE = 1\n", "alpha.py": "VALUE = 3\n", "omega.py": "VALUE = 4\n"}


def call(tool: str, **args: Any) -> str:
    return f"```json\n{json.dumps({'tool': tool, 'args': args})}\n```"


READ = call("read_file", path="harness/known_failures.md")
STATE = call("read_file", path="harness/task_state.md")
FAIL = call("run", command="python -c \"assert 1 == 2, 'one is not two'\"")
FIX = call("write_file", path="mod.py", content="VALUE = 2\n")
DONE = call("declare_complete", summary="done")


def task(name: str = "one") -> Task:
    return Task(
        name=name,
        repository=Repository(files=FILES),
        objective="Make VALUE 2.",
        checks=(Check(name="two", run="grep -q 'VALUE = 2' mod.py"),),
    )


def run(folder: Path, key, replies: list[str], *, name: str = "one", level: str = "H2", **options: Any) -> Episode:
    model = ScriptedModel(replies)
    return asyncio.run(run_episode(task(name), model=model, folder=folder, key=key, level=level, **options))


def seen(folder: Path) -> str:
    """Everything the tools showed."""
    return "\n".join(
        str(row) for row in map(json.loads, (folder / "records/observation.jsonl").read_text().splitlines())
    )


def opened(folder: Path) -> EpisodeOpened:
    data = check_package(folder).events[0].data
    assert isinstance(data, EpisodeOpened)
    return data


def test_what_an_episode_learned_the_next_one_reads(tmp_path, key):
    memory = ProjectMemory(tmp_path / "memory")
    run(tmp_path / "a", key, [READ, FAIL, FIX, DONE], memory=memory)
    assert "nothing is known yet" not in seen(tmp_path / "a")
    assert "None." in seen(tmp_path / "a")
    (failure,) = memory.known_failures()
    assert "one is not two" in failure.text + failure.evidence or "python -c" in failure.text
    (note,) = memory.notes()
    assert (note.text, note.evidence, note.episode) == ("one: solved (unverified_success)", "mod.py", "a")
    run(tmp_path / "b", key, [READ, FIX, DONE], name="two", memory=memory)
    assert failure.id[:8] in seen(tmp_path / "b")
    assert "- mod.py" in seen(tmp_path / "b")
    rows = [json.loads(line) for line in (tmp_path / "b/records/memory.jsonl").read_text().splitlines()]
    assert failure.id[:8] in rows[0]["contributed"]
    assert opened(tmp_path / "b").memory == str(tmp_path / "memory")
    assert verify_package(tmp_path / "b").ok


@pytest.mark.parametrize("how", ["ablated", "none", "H1"])
def test_without_memory_nothing_is_read_or_left(tmp_path, key, how):
    memory = ProjectMemory(tmp_path / "memory")
    kept = memory.add(new_note("known_failure", "a bear was seen", episode="earlier"))
    options: dict[str, Any] = {"memory": None if how == "none" else memory}
    options["ablate"] = frozenset({"memory"} if how == "ablated" else ())
    run(tmp_path / "a", key, [READ, FAIL, FIX, DONE], level="H1" if how == "H1" else "H2", **options)
    assert "a bear was seen" not in seen(tmp_path / "a")
    assert (memory.known_failures(), memory.notes()) == ([kept], [])
    assert opened(tmp_path / "a").memory == ("none" if how == "none" else str(tmp_path / "memory"))


def test_files_that_earlier_episodes_changed_rank_higher(tmp_path, key):
    memory = ProjectMemory(tmp_path / "memory")

    def ranked(folder: Path) -> dict[str, int]:
        rows = [json.loads(line) for line in (folder / "traces/context.jsonl").read_text().splitlines()]
        items = next(row["items"] for row in rows if row.get("items"))
        return {item["path"]: place for place, item in enumerate(items)}

    run(tmp_path / "a", key, [DONE], memory=memory)
    memory.add(new_note("note", "earlier: solved", evidence="omega.py\ngone.py", episode="earlier"))
    run(tmp_path / "b", key, [READ, DONE], memory=memory)
    before, after = ranked(tmp_path / "a"), ranked(tmp_path / "b")
    assert before["alpha.py"] < before["omega.py"]
    assert after["omega.py"] < after["alpha.py"]
    assert "- gone.py" not in seen(tmp_path / "b")


@pytest.mark.parametrize("level", ["H1", "H2"])
def test_carried_state_is_shown_and_kept_from_h2_on(tmp_path, key, level):
    state = {"decisions": ["money is kept in cents"], "open_questions": ["who owns other.py?"]}
    run(tmp_path / "a", key, [STATE, FIX, DONE], level=level, state=state)
    final = json.loads((tmp_path / "a/records/state.json").read_text())
    assert (final == state) == (level == "H2")
    assert ("money is kept in cents" in seen(tmp_path / "a")) == (level == "H2")
    assert verify_package(tmp_path / "a").ok


def test_a_resumed_episode_sees_what_it_saw_and_learns_in_the_same_memory(tmp_path, key):
    memory = ProjectMemory(tmp_path / "memory")
    options = {"memory": memory, "state": {"decisions": ["kept"]}}
    episode = run(tmp_path / "a", key, [READ, FAIL], **options)
    assert episode.status == "suspended"
    assert episode.fault is not None
    assert episode.fault["code"] == ScriptExhausted.code
    memory.add(new_note("known_failure", "came later", episode="other"))
    connect = lambda _: ScriptedModel([READ, FAIL, READ, FIX, DONE])  # noqa: E731
    ended = asyncio.run(resume_episode(tmp_path / "a", key=key, connect=connect))
    assert ended.label == "unverified_success"
    assert "came later" not in seen(tmp_path / "a")
    assert [note.text for note in memory.notes()] == ["one: solved (unverified_success)"]
    assert verify_package(tmp_path / "a").ok


def test_the_identity_of_a_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r").mkdir()
    (tmp_path / "link").symlink_to("r")
    same = {repository_identity(Repository(path=path), tmp_path) for path in ("r", "./r", "link", str(tmp_path / "r"))}
    assert same == {str((tmp_path / "r").resolve())} == {repository_identity(Repository(path="r"))}
    assert (
        repository_identity(Repository(url="https://example.org/r.git", commit="main")) == "https://example.org/r.git"
    )
    inline = repository_identity(Repository(files=FILES))
    assert inline == repository_identity(Repository(files=dict(reversed(FILES.items()))))
    assert inline != repository_identity(Repository(files={**FILES, "mod.py": "VALUE = 3\n"}))
    assert memory_for(inline).folder != memory_for(str(tmp_path)).folder
