"""The guided image at H3, with a model that is of no help."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from episode_killed import KEY

from terret.journal import Declared, Stopped, check_package
from terret.models import ModelIdentity, ScriptedModel
from terret.runtime import Episode, run_episode
from terret.task import Budget, Check, Hidden, Repository, Task

pytestmark = pytest.mark.sandbox

PICK = """def pick(box):
    if box.c < 0 or box.a < 0:
        return 0
    return box.b
"""
TESTS = """from types import SimpleNamespace as Box

from pick import pick

def test_negative():
    assert pick(Box(a=-1, b=2, c=1)) == 0

def test_first():
    assert pick(Box(a=1, b=2, c=1)) == 1
"""
TASK = Task(
    name="pick",
    repository=Repository(files={"pick.py": PICK, "test_pick.py": TESTS}),
    objective="pick returns the wrong side of the box.",
    tests="python -m pytest -q test_pick.py",
    targeted=("python -m pytest -q test_pick.py",),
    hidden=Hidden(
        checks=(
            Check(
                "a",
                'python -c "from types import SimpleNamespace as B; import pick; assert pick.pick(B(a=1,b=2,c=3))==1"',
            ),
        )
    ),
    budget=Budget(model_calls=3),
)


def run(folder: Path, task: Task, *replies: str) -> Episode:
    model = ScriptedModel(list(replies), ModelIdentity(spec="scripted:x", provider="scripted", name="x"))
    return asyncio.run(run_episode(task, model=model, folder=folder, key=KEY, level="H3", image="guided"))


def test_two_answers_and_no_evidence_are_not_declared(tmp_path: Path) -> None:
    episode = run(tmp_path / "e", TASK, *["no idea"] * 3)
    assert episode.stop_reason == "undecided"
    assert not episode.false_completion
    events = check_package(tmp_path / "e").events
    assert not any(isinstance(event.data, Declared) for event in events)
    assert any(isinstance(event.data, Stopped) and "nothing tells them apart" in event.data.detail for event in events)
    assert b"+    return box." in (tmp_path / "e" / "patch.diff").read_bytes(), "the likeliest is left in place"


def test_the_model_decides_where_nothing_else_does(tmp_path: Path) -> None:
    right = PICK.replace("box.b", "box.a")
    episode = run(tmp_path / "e", TASK, "no idea", f"It takes the middle.\n```python\n{right}```", "no idea")
    assert (episode.stop_reason, episode.functional_pass) == ("completed", True)
    assert b"+    return box.a" in (tmp_path / "e" / "patch.diff").read_bytes()


def test_one_answer_is_taken_without_the_model(tmp_path: Path) -> None:
    more = TESTS + "\ndef test_other():\n    assert pick(Box(a=1, b=2, c=3)) == 1\n"
    task = msgspec.structs.replace(TASK, repository=Repository(files={"pick.py": PICK, "test_pick.py": more}))
    episode = run(tmp_path / "e", task, *["no idea"] * 3)
    assert (episode.stop_reason, episode.functional_pass) == ("completed", True)
    assert episode.usage["model_calls"] == 1


def test_a_lucky_draw_that_nothing_else_speaks_for_is_left_in_place_and_not_declared(tmp_path: Path) -> None:
    right = PICK.replace("box.b", "box.a")
    episode = run(tmp_path / "e", TASK, "no idea", "no idea", f"It takes the middle.\n```python\n{right}```")
    assert (episode.stop_reason, episode.functional_pass) == ("undecided", True)
    assert b"+    return box.a" in (tmp_path / "e" / "patch.diff").read_bytes()
