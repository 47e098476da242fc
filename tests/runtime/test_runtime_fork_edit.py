"""A fork in which one turn goes otherwise: the workspace, the task, a reply, or what the agent is shown."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import suppress
from pathlib import Path

import pytest
from episode_killed import KEY, REPLIES, TASK, Died, call

from terret.errors import ConfigError
from terret.journal import ActionParsed, Event, Intervened, Observed, Scrubber, check_package
from terret.models import ModelIdentity, ScriptedModel
from terret.runtime import (
    EditForm,
    Episode,
    Listener,
    compare_packages,
    fork_package,
    opened_of,
    replay_package,
    resume_episode,
    run_episode,
    verify_package,
)

pytestmark = pytest.mark.sandbox

PATCH = """\
diff --git a/log.txt b/log.txt
--- a/log.txt
+++ b/log.txt
@@ -1,2 +1,3 @@
 begin
 one
+by hand
"""


def scripted(*replies: str, dialect: str = "json") -> ScriptedModel:
    identity = ModelIdentity(spec="scripted:test", provider="scripted", name="test", dialect=dialect)
    return ScriptedModel(list(replies), identity)


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "episode"
    asyncio.run(run_episode(TASK, model=scripted(*REPLIES), folder=folder, key=KEY))
    return folder


def fork(source: Path, folder: Path, at: int, form: EditForm, text: str, *then: str) -> tuple[Episode, ScriptedModel]:
    fork_package(source, folder, at=at, key=KEY, edit=(form, text))
    # Entries before the fork stand for replies that are on record.
    model = scripted(*REPLIES[:at], *then)
    return asyncio.run(resume_episode(folder, key=KEY, connect=lambda spec: model)), model


def told(folder: Path, kind: type) -> list[Event]:
    return [event for event in check_package(folder).events if isinstance(event.data, kind)]


def sound(folder: Path) -> None:
    assert verify_package(folder).ok
    assert replay_package(folder).divergence is None


def asked(model: ScriptedModel) -> str:
    return "\n".join(message.content for message in model.requests[0].messages)


DONE = call("declare_complete", summary="done")


def test_a_patch_is_applied_to_the_workspace_and_the_agent_is_told(episode: Path, tmp_path: Path) -> None:
    forked, model = fork(episode, tmp_path / "f", 3, "workspace", PATCH, DONE)
    assert b"+by hand" in (forked.folder / "patch.diff").read_bytes()
    (helped,) = told(forked.folder, Intervened)
    assert helped.data.form == "takeover"
    assert helped.data.text == "changed: log.txt"
    assert helped.data.substantive, "what a person did is no success of the agent alone"
    assert "A person changed log.txt" in asked(model)
    assert len(model.requests) == 1
    sound(forked.folder)
    found = compare_packages(episode, forked.folder)
    assert found.second is not None
    assert found.second.data["primitive"] == "workspace.apply", "the first difference is the edit"


def test_a_reply_is_replaced_and_costs_nothing(episode: Path, tmp_path: Path) -> None:
    other = call("run", command="echo another >> log.txt")
    forked, model = fork(episode, tmp_path / "f", 5, "reply", other, DONE)
    assert b"+another" in (forked.folder / "patch.diff").read_bytes()
    assert b"+two" not in (forked.folder / "patch.diff").read_bytes()
    assert len(model.requests) == 1, "the model is asked again after the edit only"
    (acted,) = [event for event in told(forked.folder, ActionParsed) if event.data.turn == 5]
    assert acted.data.by == "human"
    (helped,) = told(forked.folder, Intervened)
    assert (helped.data.turn, helped.data.form) == (5, "takeover")
    assert "echo another" in helped.data.text
    sound(forked.folder)


def test_what_is_shown_is_replaced_and_what_was_done_is_not(episode: Path, tmp_path: Path) -> None:
    forked, model = fork(episode, tmp_path / "f", 2, "observation", "the disk is full", DONE)
    assert "the disk is full" in asked(model)
    assert b"+one" in (forked.folder / "patch.diff").read_bytes(), "the command did run"
    shown = [event for event in told(forked.folder, Observed) if event.data.turn == 2]
    assert shown[0].data.text.inline == "the disk is full"
    assert "the disk is full" in told(forked.folder, Intervened)[0].data.text
    sound(forked.folder)


def test_another_objective_is_told_at_the_end_of_a_turn(episode: Path, tmp_path: Path) -> None:
    forked, model = fork(episode, tmp_path / "f", 2, "task", "Leave the log alone.\n", DONE)
    assert "from here on it is: Leave the log alone." in asked(model)
    assert opened_of(forked.folder).task == opened_of(episode).task, "what is checked stays"
    sound(forked.folder)


def test_another_objective_from_the_start_is_the_task(episode: Path, tmp_path: Path) -> None:
    forked, model = fork(episode, tmp_path / "f", 0, "task", "Leave the log alone.", DONE)
    assert "Leave the log alone." in asked(model)
    assert TASK.objective not in asked(model)
    assert compare_packages(episode, forked.folder).setup.keys() == {"task"}
    assert told(forked.folder, Intervened)[0].data.form == "hint"
    sound(forked.folder)


def test_an_edit_after_the_last_turn_is_judged_by_the_evaluator(episode: Path, tmp_path: Path) -> None:
    patch = PATCH.replace("@@ -1,2 +1,3 @@", "@@ -1,4 +1,5 @@").replace("+by hand\n", " two\n three\n+by hand\n")
    forked, model = fork(episode, tmp_path / "f", 10, "workspace", patch)
    assert not model.requests
    assert forked.functional_pass is False, "the check wants four lines"
    sound(forked.folder)


def test_a_fork_of_a_fork_keeps_the_edits_it_shares(episode: Path, tmp_path: Path) -> None:
    first, _ = fork(episode, tmp_path / "one", 3, "workspace", PATCH, call("read_file", path="log.txt"), DONE)
    reply = call("run", command="echo last >> log.txt")
    second, _ = fork(first.folder, tmp_path / "two", 4, "reply", reply, DONE)
    patch = (second.folder / "patch.diff").read_bytes()
    assert b"+by hand" in patch
    assert b"+last" in patch
    assert [edit["form"] for edit in opened_of(second.folder).forked_from["edits"]] == ["workspace", "reply"]
    sound(second.folder)
    third, _ = fork(second.folder, tmp_path / "three", 4, "reply", DONE)
    assert b"+last" not in (third.folder / "patch.diff").read_bytes(), "the second reply of a turn replaces the first"
    assert len(told(third.folder, Intervened)) == 2
    sound(third.folder)


@pytest.mark.parametrize(
    ("form", "text"), [("workspace", PATCH), ("reply", call("run", command="echo x")), ("observation", "nothing")]
)
def test_a_fork_that_dies_anywhere_makes_its_edit_once(
    episode: Path, tmp_path: Path, form: EditForm, text: str
) -> None:
    folder = tmp_path / "f"
    fork_package(episode, folder, at=3, key=KEY, edit=(form, text))
    model = scripted(*REPLIES[:3], call("run", command="cat log.txt"), DONE)

    def dying() -> Listener:
        seen = itertools.count(1)

        def listen(item: object) -> None:
            if isinstance(item, Event) and next(seen) == 4:
                raise Died

        return listen

    died = 0
    for _ in range(40):
        model.given = 0
        with suppress(Died):
            asyncio.run(resume_episode(folder, key=KEY, connect=lambda spec: model, listener=dying()))
            break
        died += 1
    assert 4 < died < 40
    assert len(told(folder, Intervened)) == 1
    sound(folder)


def test_a_native_reply_can_call_tools(tmp_path: Path) -> None:
    source = tmp_path / "source"
    one = json.dumps({"text": "", "tool_calls": [{"name": "declare_complete", "arguments": {"summary": "x"}}]})
    (tmp_path / "s.json").write_text(json.dumps({"replies": [json.loads(one)], "model": {"dialect": "tools"}}))
    asyncio.run(run_episode(TASK, model=ScriptedModel.from_file(tmp_path / "s.json"), folder=source, key=KEY))
    wrote = {"name": "write_file", "arguments": {"path": "made.txt", "content": "made\n"}}
    fork_package(source, tmp_path / "f", at=1, key=KEY, edit=("reply", json.dumps({"tool_calls": [wrote]})))
    (tmp_path / "t.json").write_text(json.dumps({"replies": ["", json.loads(one)]}))
    model = ScriptedModel.from_file(tmp_path / "t.json")
    forked = asyncio.run(resume_episode(tmp_path / "f", key=KEY, connect=lambda spec: model))
    assert b"made.txt" in (forked.folder / "patch.diff").read_bytes()
    with pytest.raises(ConfigError, match="wrong shape"):
        fork_package(source, tmp_path / "g", at=1, key=KEY, edit=("reply", '{"tools": []}'))


@pytest.mark.parametrize(
    ("at", "form", "text", "match"),
    [
        (3, "workspace", "not a patch", "refused"),
        (3, "workspace", PATCH.replace(" begin", " start"), "refused"),
        (3, "workspace", PATCH.replace("log.txt", ".git/config"), "refused"),
        (3, "workspace", PATCH.replace("by hand", "AKIA" + "ABCDEFGHIJKLMNOP"), "secret"),
        (3, "reply", "  ", "empty"),
        (0, "reply", "x", "turns 1 to 10"),
        (11, "observation", "x", "turns 1 to 10"),
        (4, "observation", "x", "nothing of that form"),
        (3, "shape", "x", "unknown form"),
    ],
)
def test_what_cannot_be_edited_is_refused_before_anything_is_run(
    episode: Path, tmp_path: Path, at: int, form: EditForm, text: str, match: str
) -> None:
    with pytest.raises(ConfigError, match=match):
        fork_package(episode, tmp_path / "f", at=at, key=KEY, edit=(form, text), scrubber=Scrubber())
    assert not (tmp_path / "f").exists()
