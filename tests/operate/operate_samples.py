"""Episodes in every state, made without a sandbox: journals written by hand, packages sealed from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from terret.journal import (
    ActionParsed,
    ActionRejected,
    BlobStore,
    CheckRan,
    Denied,
    EpisodeClosed,
    EpisodeOpened,
    EpisodePaused,
    Evaluated,
    EventData,
    Faulted,
    Intent,
    Journal,
    Labelled,
    Outcome,
    PatchTaken,
    SigningKey,
    Stopped,
    write_package,
)

KEY = SigningKey(bytes(range(32)))
ALLOW = {"effect": "allow", "rule": "default:run", "reason": "inside"}
DENY = {"effect": "deny", "rule": "harness", "reason": "protected"}
START = 1_700_000_000.0
ARCHIVE = b"the repository, the same in every episode " * 400
FACTS: dict[str, Any] = {
    "checks": [],
    "patch_files": [],
    "applied": True,
    "apply_error": "",
    "weakened": [],
    "boundary": [],
    "declared": True,
    "stop_reason": "completed",
    "infra": [],
    "episode_checks": [],
    "interventions": 0,
    "requirements": ["R1"],
    "empty_patch": True,
    "counts": {},
}


class Ticking:
    """Unix time that goes on by a second whenever it is read."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def opened(blobs: BlobStore, task: str = "login") -> EpisodeOpened:
    content = b'{"name":"%b","objective":"mend it","requirements":[{"id":"R1","text":"it works"}]}' % task.encode()
    return EpisodeOpened(
        task_name=task,
        task=blobs.put(content),
        model={"spec": "scripted:fix.json", "name": "scripted"},
        sampling={},
        dialect="json",
        image="free",
        level="H1",
        repository={"source": "repo", "commit": None, "tree": "a" * 40, "archive": blobs.put(ARCHIVE)},
        visible_artifacts=[],
        allowed_tools=["run"],
        intervention_policy="none: no human takes part",
        verification_procedure=[],
        outcome_rule="terret.verification.adjudicate/1",
        interpreter_persistence="none",
        enforcement={"tier": "rlimit"},
        versions={"terret": "0.1.0"},
        budget={"steps": 40.0},
        seed=0,
        public_key=KEY.public_hex,
    )


def turns(count: int = 2) -> list[EventData]:
    """Turns of a model call of 1.5 s and a command; the second is denied."""
    made: list[EventData] = []
    for turn in range(1, count + 1):
        name = f"e{2 * turn - 2}", f"e{2 * turn - 1}"
        usage = {"input": 100.0, "output": 20.0, "cached": 10.0, "cost": 0.25}
        made += [
            Intent(name[0], "model.complete", "read", {"messages": 2 * turn}, ALLOW, turn),
            Outcome(name[0], "ok", {"text": {"size": 4, "inline": "look"}, "finish": "stop"}, 1500.0, usage),
            ActionParsed(turn, "run", {"command": "pytest"}, "json"),
        ]
        if turn == 2:
            made.append(Denied(name[1], "shell.run", {"command": "pytest"}, DENY, turn))
        else:
            made.append(Intent(name[1], "shell.run", "workspace", {"command": "pytest"}, ALLOW, turn))
            made.append(Outcome(name[1], "error", {"exit_code": 1}, 80.0))
    return made


def ending(blobs: BlobStore, facts: dict[str, Any] | None = None) -> list[EventData]:
    """The end of an episode whose label follows from its facts."""
    import msgspec

    from terret.verification import Facts, adjudicate

    known = {**FACTS, **(facts or {})}
    verdict = adjudicate(msgspec.convert(known, Facts))
    return [
        ActionRejected(2, "json", "F_tool", "not_json", "no JSON", msgspec.convert({"size": 0, "inline": ""}, _text())),
        Faulted("model", "E_MODEL_TIMEOUT", "late", True),
        Stopped("completed", "done", 2),
        PatchTaken(blobs.put(b""), "a" * 40, []),
        CheckRan("evaluator", "sum", "check", "pytest", False, 1, ["R1"], "", 10.0),
        Evaluated(known),
        Labelled(**msgspec.to_builtins(verdict)),
        EpisodeClosed(2, {"steps": 2, "tokens": 240}),
    ]


def live(folder: Path, *more: EventData, task: str = "login", start: float = START, keep_open: bool = False) -> Journal:
    """An unfinished episode in a folder; its journal is closed unless it is to be held."""
    journal = Journal.create(folder / "live", folder.name, KEY, clock=Ticking(start))
    for data in [opened(journal.blobs, task), *turns(), *more]:
        journal.append(data)
    journal.commit()
    if not keep_open:
        journal.close()
    return journal


def finished(folder: Path, *, task: str = "login", start: float = START, facts: dict[str, Any] | None = None) -> Path:
    """A sealed package."""
    import shutil

    journal = Journal.create(folder / "live", folder.name, KEY, clock=Ticking(start))
    with journal:
        for data in [opened(journal.blobs, task), *turns(), *ending(journal.blobs, facts)]:
            journal.append(data)
        write_package(folder, journal)
    shutil.rmtree(folder / "live")
    return folder


def paused() -> EpisodePaused:
    return EpisodePaused(2, "ada@host", "lunch")


def _text() -> type:
    from terret.journal import Text

    return Text
