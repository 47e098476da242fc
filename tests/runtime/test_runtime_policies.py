"""Policy files in an episode: they bind the agent, are recorded, and decide the same when it is resumed or replayed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from episode_killed import KEY, TASK, call

from terret.cli import main
from terret.errors import ModelUnavailable
from terret.intervention import HumanAnswer, HumanInput, HumanRequest
from terret.journal import Denied, EpisodeOpened, Intent, check_package
from terret.models import ModelIdentity, ScriptedModel
from terret.permissions import Approvals, Layer, parse_policy
from terret.runtime import Episode, replay_package, resume_episode, run_episode

pytestmark = pytest.mark.sandbox

POLICY = """\
version: 1
rules:
  - id: no-removal
    effect: deny
    reason: nothing is removed here
    commands: [rm]
    match: ["cd x && rm -r y"]
  - id: guides
    effect: ask
    reason: people write the guides
    paths: ["docs/**"]
"""
REPLIES = [
    call("run", command="echo one >> log.txt && rm old.txt"),
    call("write_file", path="docs/a.md", content="x\n"),
    call("run", command="cat log.txt"),
    call("declare_complete", summary="done"),
]


class Person:
    """Says yes for the episode, and counts how often."""

    policy = "test: a person answers"

    def __init__(self) -> None:
        self.asked: list[HumanRequest] = []

    async def ask(self, request: HumanRequest) -> HumanAnswer:
        self.asked.append(request)
        return HumanAnswer(request.id, approved=True, answered=True, by="ada", scope="episode")

    async def poll(self) -> list[HumanInput]:
        return []

    async def settle(self, given: HumanInput, refusal: str = "") -> None: ...


def scripted(replies: list[Any]) -> ScriptedModel:
    return ScriptedModel(replies, ModelIdentity(spec="scripted:test", provider="scripted", name="test"))


def layers(text: str = POLICY) -> list[Layer]:
    return [Layer("project", parse_policy(text, ".terret/policy.yaml"))]


def run(folder: Path, replies: list[Any], **options: Any) -> Episode:
    options = {"layers": layers(), **options}
    return asyncio.run(run_episode(TASK, model=scripted(replies), folder=folder, key=KEY, level="H1", **options))


def decisions(folder: Path, kind: Any) -> list[dict[str, Any]]:
    events = check_package(folder).events
    return [event.data.decision for event in events if isinstance(event.data, kind) and event.data.decision]


def test_what_a_file_denies_does_not_happen_and_the_record_says_where_it_stands(tmp_path: Path) -> None:
    folder = tmp_path / "episode"
    run(folder, REPLIES)
    denied = decisions(folder, Denied)
    assert [(one["rule"], one["where"]) for one in denied] == [
        ("project:no-removal", ".terret/policy.yaml:3"),
        ("project:guides", ".terret/policy.yaml:8"),
    ]
    package = check_package(folder)
    opened = package.events[0].data
    assert isinstance(opened, EpisodeOpened)
    (recorded,) = opened.enforcement["policy"]
    assert (recorded["scope"], recorded["file"]) == ("project", ".terret/policy.yaml")
    assert package.blobs.get(recorded["blob"]).decode() == POLICY
    assert replay_package(folder).divergence is None


def test_a_resumed_episode_keeps_the_policy_it_was_opened_with(tmp_path: Path) -> None:
    folder = tmp_path / "episode"

    def fail(request: object) -> str:
        raise ModelUnavailable("gone")

    approvals = Approvals()
    approvals.remember("fs.write", {"path": "docs/a.md"}, "user")
    first = run(folder, [REPLIES[0], fail], approvals=approvals)
    assert first.fault is not None
    model = scripted(REPLIES)
    asyncio.run(resume_episode(folder, key=KEY, connect=lambda spec: model))
    assert [one["rule"] for one in decisions(folder, Denied)] == ["project:no-removal"]
    assert "approved:user" in [one["rule"] for one in decisions(folder, Intent)]


def test_variants_of_an_approved_command_do_not_ask_again_and_others_do(tmp_path: Path) -> None:
    folder = tmp_path / "episode"
    text = 'version: 1\ndefaults: {shell.run: ask}\nharmless: [{command: ls, options: ["-l"]}]\n'
    commands = ["ls src", "ls -l src", "ls  'src'", "ls", "ls -a src"]
    person = Person()
    replies = [*(call("run", command=command) for command in commands), REPLIES[-1]]
    own = [Layer("episode", parse_policy(text, "mine.yaml"))]
    run(folder, replies, layers=own, human=person)
    assert [request.subject["args"]["command"] for request in person.asked] == ["ls src", "ls", "ls -a src"]
    assert decisions(folder, Denied) == []
    assert replay_package(folder).divergence is None


def test_run_takes_a_policy_file_and_the_project_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "code" / ".terret").mkdir(parents=True)
    (tmp_path / "code" / "old.txt").write_text("old\n")
    (tmp_path / "code" / ".terret" / "policy.yaml").write_text(POLICY)
    (tmp_path / "more.yaml").write_text("version: 1\ndefaults: {fs.write: deny}\n")
    (tmp_path / "task.yaml").write_text(
        "name: bound\nobjective: do it\nrepository: {path: code}\nchecks: [{name: a, run: 'true'}]\n"
    )
    script = tmp_path / "script.json"
    script.write_text(json.dumps([REPLIES[0], call("write_file", path="src/a.py", content="x\n"), REPLIES[3]]))
    base = [
        "run",
        str(tmp_path / "task.yaml"),
        "--model",
        f"scripted:{script}",
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    main([*base, "--policy", str(tmp_path / "more.yaml")])
    (folder,) = (tmp_path / "out").iterdir()
    assert [one["rule"] for one in decisions(folder, Denied)] == ["project:no-removal", "episode:default"]
    capsys.readouterr()
    assert main([*base, "--policy", str(tmp_path / "absent.yaml")]) == 2
    captured = capsys.readouterr()
    assert captured.err.endswith("the policy file does not exist; check the path [E_CONFIG]\n")
    (tmp_path / "code" / ".terret" / "policy.yaml").write_text("version: 1\nrules: 3\n")
    assert main(base) == 2
    assert "policy.yaml:2: rules is a list" in capsys.readouterr().err
    assert len(list((tmp_path / "out").iterdir())) == 1
