"""The three calls of the Python face, and what an episode does about levels, faults and interrupts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from episode_killed import KEY, REPLIES, TASK, call

import terret
from terret.errors import ConfigError, EpisodeNotFound, ModelUnavailable
from terret.journal import ActionRejected, Denied, EpisodeOpened, EpisodeResumed, Intent, Observed, check_package
from terret.models import ModelIdentity, Reply, Request, ScriptedModel
from terret.runtime import allowed_tools, resume_episode, run_episode
from terret.task import Permissions

pytestmark = pytest.mark.sandbox


def scripted(*replies: object) -> ScriptedModel:
    return ScriptedModel(list(replies), ModelIdentity(spec="scripted:test", provider="scripted", name="test"))  # type: ignore[arg-type]


def run(folder: Path, model: ScriptedModel, **options: object) -> terret.Episode:
    return asyncio.run(run_episode(TASK, model=model, folder=folder, key=KEY, **options))  # type: ignore[arg-type]


def test_run_show_verify_from_a_task_file(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "a.txt").write_text("a\n")
    (tmp_path / "task.yaml").write_text(
        "name: t\nobjective: Put b into a.txt.\nrepository: {path: repo}\n"
        'checks:\n  - {name: has-b, run: "grep -q b a.txt"}\n'
    )
    model = scripted(call("write_file", path="a.txt", content="b\n"), call("declare_complete", summary="done"))
    episode = terret.run(tmp_path / "task.yaml", model=model, out=tmp_path / "out")
    assert (episode.label, episode.functional_pass, episode.stop_reason) == ("unverified_success", True, "completed")
    assert (tmp_path / "repo" / "a.txt").read_text() == "a\n", "the caller's repository is never changed"
    report = terret.verify(episode.folder)
    assert report.ok
    assert [step.name for step in report.steps] == ["chain", "derived", "label", "rerun"]
    again = terret.resume(episode.folder)
    assert again.label == episode.label


def test_every_trace_and_record_is_there(tmp_path: Path) -> None:
    episode = run(tmp_path / "e", scripted(*REPLIES))
    names = {path.relative_to(episode.folder).as_posix() for path in episode.folder.rglob("*") if path.is_file()}
    expected = {"episode.json", "journal.jsonl", "head.json", "patch.diff", "verification.json", "report.md"}
    expected |= {f"traces/{name}.jsonl" for name in ("action", "tool", "context", "verification", "attribution")}
    expected |= {"traces/intervention.jsonl", "traces/entropy.jsonl", "traces/outcome.json", "records/task.json"}
    expected |= {f"records/{name}" for name in ("memory.jsonl", "state.json", "observation.jsonl", "permission.jsonl")}
    assert expected <= names
    assert not (episode.folder / "live").exists()


@pytest.mark.parametrize("level", ["H0", "H1"])
def test_below_its_level_a_tool_and_its_files_do_not_exist(tmp_path: Path, level: str) -> None:
    seen: list[str] = []

    def look(request: Request) -> str:
        seen.extend(message.content for message in request.messages)
        return call("run", command="ls harness")

    episode = run(tmp_path / "e", scripted(look, call("declare_complete", summary="x")), level=level)
    prompt = "\n".join(seen)
    events = check_package(episode.folder).events
    opened = next(event.data for event in events if isinstance(event.data, EpisodeOpened))
    assert opened.allowed_tools == allowed_tools(level)  # type: ignore[arg-type]
    if level == "H0":
        rejected = [event.data.reason for event in events if isinstance(event.data, ActionRejected)]
        assert rejected == ["unknown_tool"]
        assert "harness" not in prompt
        assert '"run"' not in prompt
    else:
        shown = [event.data for event in events if isinstance(event.data, Observed)]
        assert "test_commands.json" in str(shown[0].text)
        assert "harness/" in prompt


def test_the_evaluators_part_never_reaches_the_model(tmp_path: Path) -> None:
    seen: list[str] = []

    def remember(request: Request) -> str:
        seen.extend(message.content for message in request.messages)
        return REPLIES[len(seen) % len(REPLIES)]

    run(tmp_path / "e", scripted(*[remember] * 12))
    assert seen
    assert not any("A = 2' src/a.py" in text or "grep -q" in text for text in seen)


def test_a_denied_write_is_recorded_and_explained(tmp_path: Path) -> None:
    import msgspec

    task = msgspec.structs.replace(TASK, permissions=Permissions(write=("log.txt",)))
    model = scripted(call("write_file", path="src/a.py", content="A = 2\n"), call("declare_complete", summary="x"))
    episode = asyncio.run(run_episode(task, model=model, folder=tmp_path / "e", key=KEY))
    events = check_package(episode.folder).events
    (denied,) = [event.data for event in events if isinstance(event.data, Denied)]
    assert denied.args["path"] == "src/a.py"
    assert not any(isinstance(e.data, Intent) and e.data.primitive == "fs.write" for e in events)


def test_an_endpoint_that_dies_suspends_and_resume_tries_again(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    episode = run(folder, scripted(*REPLIES[:3], ModelUnavailable("gone")))
    assert (episode.status, episode.label, episode.graded) == ("suspended", None, False)
    assert episode.fault is not None
    assert episode.fault["code"] == "E_MODEL_UNAVAILABLE"
    with pytest.raises(terret.TerretError, match=r"no such package|cannot be read|head"):
        terret.verify(folder)
    done = asyncio.run(resume_episode(folder, key=KEY, connect=lambda spec: scripted(*REPLIES)))
    assert done.label == "unverified_success"
    events = check_package(folder).events
    assert sum(isinstance(event.data, EpisodeResumed) for event in events) == 1


def test_a_cancelled_run_can_be_resumed(tmp_path: Path) -> None:
    folder = tmp_path / "e"

    def interrupt(request: Request) -> Reply:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, scripted(*REPLIES[:4], interrupt))
    assert (folder / "live" / "journal.db").exists()
    done = asyncio.run(resume_episode(folder, key=KEY, connect=lambda spec: scripted(*REPLIES)))
    assert done.label == "unverified_success"


def test_the_loop_ends_when_the_agent_goes_in_circles(tmp_path: Path) -> None:
    episode = run(tmp_path / "e", scripted(*[call("list_files", path=".", depth=1)] * 30))
    assert episode.stop_reason == "stuck"
    assert episode.turns <= 5


def test_malformed_replies_in_a_row_end_the_loop(tmp_path: Path) -> None:
    episode = run(tmp_path / "e", scripted(*["nonsense"] * 30))
    assert (episode.stop_reason, episode.label) == ("format_errors", "failed")
    outcome = json.loads((episode.folder / "traces" / "outcome.json").read_text())
    assert outcome["facts"]["counts"]["format_errors"] == 6


def test_a_folder_is_used_once(tmp_path: Path) -> None:
    run(tmp_path / "e", scripted(*REPLIES))
    with pytest.raises(ConfigError, match="holds an episode already"):
        run(tmp_path / "e", scripted(*REPLIES))
    with pytest.raises(EpisodeNotFound):
        asyncio.run(resume_episode(tmp_path / "none", key=KEY, connect=lambda spec: scripted()))
