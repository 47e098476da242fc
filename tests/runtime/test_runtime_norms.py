"""A charter on the effect path: recorded when the episode opens, journalled with its axioms, the same on resume."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from episode_killed import KEY, TASK, Died, call, dying

from terret.journal import Denied, Intent, check_package
from terret.models import ModelIdentity, ScriptedModel
from terret.norms import parse_charter
from terret.runtime import Episode, resume_episode, run_episode

pytestmark = pytest.mark.sandbox

CHARTER = parse_charter(
    """
norms:
  - {name: keep-old, level: legal, operator: required, primitives: [fs.write, fs.delete], args: {path: old.txt}}
  - {name: tidy, level: stylistic, operator: ought, primitives: [fs.write]}
"""
)
REPLIES = [
    call("write_file", path="old.txt", content="new\n"),
    call("write_file", path="new.txt", content="new\n"),
    call("declare_complete", summary="done"),
]


def model() -> ScriptedModel:
    return ScriptedModel(REPLIES, ModelIdentity(spec="scripted:test", provider="scripted", name="test"))


def run(folder: Path, dies_after: int = 0, **options: object) -> Episode:
    listen = dying(dies_after)
    return asyncio.run(run_episode(TASK, model=model(), folder=folder, key=KEY, listener=listen, **options))  # type: ignore[arg-type]


def decisions(folder: Path) -> list[tuple[str, str, list[str]]]:
    events = [event.data for event in check_package(folder).events]
    writes = [data for data in events if isinstance(data, Intent | Denied) and data.primitive == "fs.write"]
    return [(data.decision["effect"], data.decision["rule"], data.decision.get("trail", [])) for data in writes]


EXPECTED = [
    (
        "deny",
        "norm:floor_2_superordinate_legal",
        ["keep-old: axiom_6.3_moral_priority", "tidy: user_level_dominant", "floor_2_superordinate_legal"],
    ),
    ("allow", "write:**", []),
]


def test_a_charter_denies_and_its_axioms_are_journalled(tmp_path: Path) -> None:
    run(tmp_path / "e", norms=CHARTER)
    assert decisions(tmp_path / "e") == EXPECTED
    run(tmp_path / "free")
    assert [effect for effect, _, _ in decisions(tmp_path / "free")] == ["allow", "allow"]


def test_an_interrupted_episode_goes_on_under_its_charter(tmp_path: Path) -> None:
    with pytest.raises(Died):
        run(tmp_path / "e", dies_after=6, norms=CHARTER)
    asyncio.run(resume_episode(tmp_path / "e", key=KEY, connect=lambda spec: model()))
    assert decisions(tmp_path / "e") == EXPECTED
