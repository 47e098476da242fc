"""Makes small packages with known numbers, through the journal and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from terret.gym import Cell, CellResult, read_metrics
from terret.journal import (
    CheckRan,
    EpisodeClosed,
    EpisodeOpened,
    Evaluated,
    EventData,
    Intent,
    Journal,
    Labelled,
    Observed,
    Outcome,
    PatchTaken,
    SigningKey,
    Stopped,
    Text,
    canonical,
    write_package,
)
from terret.runtime import Level, allowed_tools, visible_artifacts

KEY = SigningKey(bytes(range(32)))
ALLOW = {"effect": "allow", "rule": "default", "reason": "inside"}
TESTS = "python -m pytest -q"


def effect(name: str, primitive: str, args: dict[str, Any], status: str = "ok", **outcome: Any) -> list[EventData]:
    """An effect that began and ended."""
    result = {"exit_code": 0 if status == "ok" else 1} if primitive == "shell.run" else {}
    kind = "read" if primitive in ("fs.read", "fs.list") else "workspace"
    return [
        Intent(name, primitive, kind, args, ALLOW, 1),
        Outcome(name, status, {**result, **outcome.pop("result", {})}, 1.0, **outcome),
    ]


def call(name: str, tokens: tuple[int, int], cost: float = 0.0) -> list[EventData]:
    """A model call."""
    usage = {"input": float(tokens[0]), "output": float(tokens[1]), "cost": cost}
    return [
        Intent(name, "model.complete", "external", {"digest": name}, ALLOW, 1),
        Outcome(name, "ok", {"finish": "stop"}, 5.0, usage),
    ]


def failed(kind: str = "exit_code") -> Observed:
    """An observation of a failure."""
    return Observed(1, "run", False, Text(4, "1 != 2"), failure={"type": kind, "detail": ""})


def check(covers: Sequence[str], *, passed: bool = True, kind: str = "check", name: str = "c") -> CheckRan:
    """A check that ran inside the episode."""
    return CheckRan("episode", name, kind, name, passed, 0, list(covers), "", 1.0)


def make(
    folder: Path,
    events: Sequence[EventData] = (),
    *,
    level: Level = "H3",
    task: str = "t",
    label: str | None = "unverified_success",
    passed: bool | None = True,
    false_completion: bool = False,
    requirements: Sequence[str] = (),
    episode_checks: Sequence[dict[str, Any]] = (),
    wall: float = 1.0,
    patch: bytes = b"diff",
) -> Path:
    """Write a finished package; ``label`` None makes it ungraded."""
    live = folder / "live"
    live.mkdir(parents=True)
    with Journal.create(live, folder.name, KEY) as journal:
        put = journal.blobs.put
        opened = EpisodeOpened(
            task_name=task,
            task=put(canonical({"name": task, "tests": TESTS})),
            model={"spec": "scripted", "name": "scripted", "digest": None},
            sampling={"temperature": 0.0},
            dialect="json",
            image="free",
            level=level,
            repository={"archive": put(b"archive"), "source": "repo", "commit": None, "tree": "0" * 40},
            visible_artifacts=visible_artifacts(level),
            allowed_tools=allowed_tools(level),
            intervention_policy="none",
            verification_procedure=["checks"],
            outcome_rule="terret.verification.adjudicate/1",
            interpreter_persistence="none",
            enforcement={"tier": "full"},
            versions={"terret": "0"},
            budget={"steps": 4.0},
            seed=0,
            public_key=KEY.public_hex,
        )
        facts = {"requirements": list(requirements), "episode_checks": list(episode_checks), "checks": []}
        code = "F_verify" if label == "failed" else None
        for event in (
            opened,
            *events,
            Stopped("declared", "", 3),
            PatchTaken(put(patch), "1" * 40, []),
            Evaluated(facts),
            Labelled(label, code, [], passed, false_completion, label is not None),
            EpisodeClosed(3, {"wall": wall}),
        ):
            journal.append(event)
        write_package(folder, journal)
    import shutil

    shutil.rmtree(live)
    return folder


def result(out: Path, cell: Cell, events: Sequence[EventData] = (), **how: Any) -> CellResult:
    """A finished cell with a package below ``out``."""
    package = f"episodes/{cell.id}"
    make(out / package, events, level=cell.level, task=cell.task, **how)
    return CellResult(cell, "finished", package, metrics=read_metrics(out / package))
