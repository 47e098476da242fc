"""A short made-up episode that holds every kind of event; run this file to write it anew as the golden package."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from terret.journal import (
    ActionParsed,
    ActionRejected,
    Attributed,
    BlobStore,
    CheckRan,
    ContextOffered,
    Declared,
    Denied,
    EntropyFound,
    EpisodeClosed,
    EpisodeOpened,
    EpisodePaused,
    EpisodeResumed,
    Evaluated,
    EventData,
    Faulted,
    Guarded,
    HistoryKept,
    Intent,
    Intervened,
    Journal,
    Labelled,
    MemoryReferenced,
    MessageSent,
    Observed,
    Outcome,
    PatchTaken,
    ProcessEnded,
    ProcessMoved,
    ProcessReplaced,
    ProcessStarted,
    SigningKey,
    StateUpdated,
    Stopped,
    Text,
    canonical,
    store_text,
    write_package,
)

GOLDEN = Path(__file__).parent.parent / "golden" / "journal"
EPISODE = "20231114-221320-login-3fa2c1"
KEY = SigningKey(bytes(range(32)))
TASK = canonical(
    {
        "name": "login",
        "objective": "Reject an empty password.\nKeep the API as it is.",
        "repository": {"path": "repo"},
        "requirements": [
            {"id": "R1", "text": "an empty password is refused"},
            {"id": "R2", "text": "other log-ins work | as before"},
        ],
    }
)
PATCH = (
    b"diff --git a/src/login.py b/src/login.py\n--- a/src/login.py\n+++ b/src/login.py\n@@ -1 +1 @@\n-pass\n+raise\n"
)
ALLOW = {"effect": "allow", "rule": "default", "reason": "inside the workspace"}
FACTS = {"checks": [], "declared": True, "requirements": ["R1", "R2"], "counts": {"format_errors": 1}, "infra": []}


class StepClock:
    """A clock that goes on by a quarter of a second whenever it is read."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        self.now += 0.25
        return self.now


def opened(blobs: BlobStore) -> EpisodeOpened:
    return EpisodeOpened(
        task_name="login",
        task=blobs.put(TASK),
        model={"spec": "scripted:fix.json", "name": "scripted"},
        sampling={"temperature": 0.0, "max_tokens": 512},
        dialect="json",
        image="free",
        level="H1",
        repository={"source": "repo", "commit": None, "tree": "a" * 40, "archive": blobs.put(b"archive")},
        visible_artifacts=["task", "repository"],
        allowed_tools=["read_file", "run"],
        intervention_policy="none",
        verification_procedure=["checks"],
        outcome_rule="terret.verification.adjudicate/1",
        interpreter_persistence="none",
        enforcement={"tier": "rlimit", "network": False},
        versions={"terret": "0.1.0"},
        budget={"steps": 40, "cost": 1.5},
        seed=7,
        public_key=KEY.public_hex,
    )


def first_turns(blobs: BlobStore) -> list[EventData]:
    """A read, a rejected reply and a command that fails, up to an intent whose outcome is still to come."""
    long = store_text("FAILED tests/test_login.py\n" + "x" * 3000, blobs)
    spent = {"seconds": 0.9}
    output = {"size": long.size, "blob": long.blob, "head": long.head}
    asked = {"digest": "d" * 64, "messages": 2, "new": [], "tools": ["run"], "sampling": {}}
    replied = {"text": {"size": 4, "inline": "read"}, "finish": "stop", "tool_calls": [], "seconds": 1.5, "retries": 0}
    tokens = {"input": 812, "output": 40, "cached": 0, "cost": 0.00125}
    command = {"command": "python -m pytest -q", "timeout_s": None}
    return [
        opened(blobs),
        ContextOffered(1, [{"path": "src/login.py", "start": 1, "end": 40, "tokens": 300, "reason": "hint"}], 812, 900),
        Intent("e0", "model.complete", "read", asked, ALLOW, 1),
        Outcome("e0", "ok", replied, 1500.5, tokens),
        ActionParsed(1, "read_file", {"path": "src/login.py"}, "json"),
        Intent("e1", "fs.read", "read", {"path": "src/login.py"}, ALLOW, 1),
        Outcome("e1", "ok", {"sha256": "b" * 64, "size": 64}, 0.31),
        Observed(1, "read_file", True, Text(12, "def login():"), ["e1"]),
        ActionRejected(2, "json", "F_tool", "not_json", "the reply is not JSON", Text(5, "hello")),
        MemoryReferenced(2, "guide.md", "how to run the tests", True),
        StateUpdated(2, "agent", {"hypothesis": "empty string is truthy", "open": ["R1"]}),
        ActionParsed(3, "run", {"command": "python -m pytest -q"}, "json"),
        Intent("e2", "shell.run", "workspace", command, ALLOW, 3),
        Outcome("e2", "error", {"exit_code": 1, "output": output, "status": "ok"}, 900.0, spent, "a" * 40),
        Observed(3, "run", False, long, ["e2"], long, {"type": "exit_code", "detail": "python -m pytest -q"}),
        Attributed(3, "login passes", "login fails", "logic", ["line 4"], ["fixture"], "edit login.py", "agent"),
        ActionParsed(4, "write_file", {"path": "src/login.py"}, "json"),
        Intent("e3", "fs.write", "workspace", {"path": "src/login.py", "sha256": "c" * 64, "size": 70}, ALLOW, 4),
    ]


def last_turns(blobs: BlobStore) -> list[EventData]:
    """From the missing outcome to the end."""
    deny = {"effect": "deny", "rule": "harness", "reason": "harness/ is protected"}
    command = {"command": "python -m pytest -q", "timeout_s": None}
    return [
        Outcome("e3", "ok", {}, 2.5, tree="e" * 40),
        Observed(4, "write_file", True, Text(7, "written"), ["e3"]),
        StateUpdated(4, "runtime", {"open": []}),
        ActionParsed(5, "run", {"command": "rm -r harness"}, "json"),
        Denied("e4", "fs.delete", {"path": "harness/guide.md"}, deny, 5),
        Guarded(
            5,
            "after_tool_call",
            "read_file",
            "allow",
            [{"part": "scanner", "rule": "jailbreak", "evidence": "do anything now", "score": 30}],
        ),
        Observed(5, "run", False, Text(6, "denied"), [], None, {"type": "denied", "detail": "harness/ is protected"}),
        ActionParsed(6, "run", {"command": "python -m pytest -q"}, "", by="runtime"),
        Intent("e5", "shell.run", "workspace", command, ALLOW, 6),
        Outcome("e5", "ok", {"exit_code": 0, "output": {"size": 2, "inline": "ok"}}, 850.0, {}, "e" * 40),
        Observed(6, "run", True, Text(2, "ok"), ["e5"]),
        CheckRan("episode", "pytest", "targeted", "pytest", True, 0, ["R1"], "", 850.0, after_edit=1),
        Intervened(6, "hint", "look at login", False, True, 1, "context"),
        Faulted("model", "E_MODEL_TIMEOUT", "the endpoint did not answer in time", True),
        Declared(6, "the tests pass", False, ["R2 has no evidence"], "runtime"),
        ActionParsed(7, "declare_complete", {"summary": "refuses empty passwords"}, "json"),
        Declared(7, "refuses empty passwords", True, []),
        Observed(7, "declare_complete", True, Text(8, "accepted")),
        Stopped("declared", "the agent declared the task complete", 7),
        PatchTaken(blobs.put(PATCH), "e" * 40, [{"path": "src/login.py", "status": "M", "added": 1, "deleted": 1}]),
        HistoryKept(2, None, "a state holds a secret"),
        CheckRan("evaluator", "hidden 1", "hidden", "pytest", True, 0, ["R1"], "", 410.0, Text(2, "ok"), "as expected"),
        CheckRan("evaluator", "regression", "regression", "pytest", None, None, ["R2"], "timeout", 300000.0),
        EntropyFound("test", 1, "no-new-test", "src/login.py changed without a test"),
        Evaluated(FACTS),
        Labelled("unverified_success", None, ["all checks pass"], True, False, True),
        EpisodeClosed(7, {"steps": 7, "model_calls": 1, "tokens": 852, "wall": 11.5, "cost": 0.00125}),
    ]


def processes() -> list[EventData]:
    """The life of one agent process beside the episode's own, and a pause."""
    held = [{"resource": "fs:src/*", "rights": ["read"], "effect": "allow"}]
    return [
        ProcessStarted(
            0, 0, "spawn", "reviewer", {"look": "src"}, "team", 1, ".", ["read_file"], {"tokens": 9.0}, held
        ),
        ProcessMoved("running", "waiting_event", "wait", {"kind": "message", "key": "", "until": None}),
        MessageSent(1, "hint", {"look": "login.py"}),
        ProcessMoved("waiting_event", "runnable", "message"),
        ProcessReplaced("writer", None, ["write_file"], ["c1"]),
        ProcessEnded("exited", {"found": 1}, {"tokens": 7.0}),
        EpisodePaused(4, "ada@host", "maintenance"),
    ]


def resumption() -> EpisodeResumed:
    unknown = [{"effect": "e3", "primitive": "fs.write", "rule": "restore and repeat", "note": "it stayed inside"}]
    return EpisodeResumed(17, 42.5, unknown, {"terret": "0.1.0"})


def whole(blobs: BlobStore) -> list[EventData]:
    """Every kind of event but those of agent processes, with a resumption in the middle."""
    return [*first_turns(blobs), resumption(), *last_turns(blobs)]


def everything(blobs: BlobStore) -> list[EventData]:
    """The same with agent processes beside it."""
    return [*first_turns(blobs), resumption(), *processes(), *last_turns(blobs)]


def record(folder: Path, payloads: Sequence[EventData]) -> Journal:
    """A journal that holds the payloads; blobs they name must be in ``folder/blobs`` already."""
    clock = StepClock()
    journal = Journal.create(folder, EPISODE, KEY, clock=clock)
    for data in payloads:
        if isinstance(data, EpisodeResumed):
            clock.now += data.gap_s
        journal.append(data)
    journal.commit()
    return journal


def write_golden(target: Path) -> None:
    """Replace the golden package."""
    with tempfile.TemporaryDirectory() as name:
        live = Path(name)
        with record(live, everything(BlobStore(live / "blobs"))) as journal:
            shutil.rmtree(target, ignore_errors=True)
            write_package(target, journal)


if __name__ == "__main__":
    write_golden(GOLDEN)
