"""Secret markers in every artifact of the harness: no model input below an artifact's level ever holds its marker."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from episode_killed import KEY, TASK, call

from terret.journal import SigningKey
from terret.memory import ProjectMemory, new_note
from terret.models import ModelIdentity, Request, ScriptedModel
from terret.runtime import LEVELS, VISIBILITY, allowed_tools, is_visible, run_episode
from terret.task import Check, Hidden, Task

pytestmark = pytest.mark.sandbox

ARTIFACTS = [name for name in VISIBILITY if name not in ("task", "repository")]


def marker(artifact: str) -> str:
    return f"marker-{artifact.replace('_', '-')}-7f3a"


LOOKS = [
    call("read_file", path="harness"),
    call("list_files", path=".", depth=8),
    *[call("read_file", path=f"harness/{name}") for name in (
        "tools.json", "test_commands.json", "tool_protocol.md", "agent_guide.md", "architecture.md",
        "testing_guide.md", "task_state.md", "known_failures.md", "context_protocol.md", "checks.json",
        "reproduction_protocol.md", "attribution_protocol.md", "verification_protocol.md", "report_template.md",
    )],
    call("search", pattern="marker-"),
    call("read_file", path="src/a.py"),
    call("run", command="grep -rls marker- /workspace /tmp /run /home /root /etc /var | head; env"),
    call("run", command="cat harness/*; git log -p 2>/dev/null | grep marker-; ls -la .. /tmp /run $HOME"),
    call("read_file", path="log.txt"),
    call("run", command="strings /proc/*/environ /proc/*/cmdline 2>/dev/null | grep marker- | head"),
    call("inspect_diff"),
    call("update_task_state", hypothesis="the value is wrong"),
    call("edit_file", path="src/a.py", old="nothing like this", new="x"),
    call("list_files", path="src"),
    call("read_output", handle="0" * 64),
    call("declare_complete", summary="looked everywhere"),
]  # fmt: skip
"""An agent that looks for what it is not to see."""


def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Task, ProjectMemory]:
    import msgspec

    from terret.runtime import _episode, _harness

    for name in _harness.TEXTS:
        monkeypatch.setitem(_harness.TEXTS, name, f"{_harness.TEXTS[name]}\n{marker(name)}\n")
    plain = _episode.support_of

    def support(*args: object, **kwargs: object) -> object:
        built = plain(*args, **kwargs)  # type: ignore[arg-type]
        guides = {name: f"{text}\n{marker(name)}\n" for name, text in built.guides.items()}
        return msgspec.structs.replace(built, guides=guides)

    monkeypatch.setattr(_episode, "support_of", support)
    memory = ProjectMemory(tmp_path / "memory")
    memory.add(new_note("known_failure", marker("known_failures"), evidence="seen", episode="earlier"))
    hidden = Check(name=marker("hidden_checks"), run=f"grep -q '{marker('hidden_checks')}' src/a.py")
    task = msgspec.structs.replace(
        TASK,
        checks=(Check(name=marker("check_registry"), run=f"true # {marker('check_registry')}"),),
        tests=f"true # {marker('test_command_registry')}",
        hidden=Hidden(checks=(hidden,)),
    )
    return task, memory


def inputs(folder: Path, task: Task, memory: ProjectMemory, level: str, key: SigningKey) -> str:
    looked = ScriptedModel(list(LOOKS), ModelIdentity(spec="scripted:leak", provider="scripted", name="leak"))
    asyncio.run(run_episode(task, model=looked, folder=folder, key=key, level=level, memory=memory))
    assert len(looked.requests) >= len(LOOKS)
    return "\n".join(_text(request) for request in looked.requests)


def _text(request: Request) -> str:
    tools = [f"{tool.name} {tool.description} {json.dumps(tool.parameters)}" for tool in request.tools]
    return "\n".join([*(message.content for message in request.messages), *tools])


@pytest.mark.parametrize("level", LEVELS)
def test_no_model_input_holds_what_its_level_hides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    task, memory = planted(tmp_path, monkeypatch)
    text = inputs(tmp_path / "e", task, memory, level, KEY)
    leaked = [name for name in ARTIFACTS if marker(name) in text and not is_visible(name, level)]  # type: ignore[arg-type]
    assert leaked == []
    # The same agent does see what its level shows, so that an empty list above means something.
    unplanted = {"tool_registry", "evaluator_notes", "hidden_checks"}
    visible = [name for name in ARTIFACTS if is_visible(name, level) and name not in unplanted]  # type: ignore[arg-type]
    assert [name for name in visible if marker(name) not in text] == []
    absent = {"search", "run", "update_task_state"} - set(allowed_tools(level))  # type: ignore[arg-type]
    system = text[: text.index("Files of the repository")]
    assert not [name for name in absent if f'"{name}"' in system]


@pytest.mark.parametrize("level", LEVELS)
def test_no_question_of_the_guided_image_holds_it_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    task, _ = planted(tmp_path, monkeypatch)
    replies = [f"It is wrong.\n```python\nA = {number}\n```" for number in range(3, 12)]
    guided = ScriptedModel(list(replies), ModelIdentity(spec="scripted:leak", provider="scripted", name="leak"))
    asyncio.run(run_episode(task, model=guided, folder=tmp_path / "e", key=KEY, level=level, image="guided"))
    text = "\n".join(_text(request) for request in guided.requests)
    assert "A = 1" in text
    assert [name for name in ARTIFACTS if marker(name) in text and not is_visible(name, level)] == []  # type: ignore[arg-type]
