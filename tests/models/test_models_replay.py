"""Replayed models answer from a package and refuse another conversation."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from terret.errors import (
    BlobMismatch,
    ConfigError,
    Diverged,
    EpisodeNotFound,
    JournalCorrupt,
    ModelContextExceeded,
    ScriptExhausted,
)
from terret.journal import EpisodeClosed, EpisodeOpened, EventData, Intent, Journal, Outcome, SigningKey, write_package
from terret.models import (
    Message,
    ReplayModel,
    Reply,
    Request,
    ToolCall,
    Usage,
    connect,
    request_digest,
)

FIRST = Request((Message("user", "one"),))
SECOND = Request((Message("user", "one"), Message("assistant", "x"), Message("user", "two")))
LONG = "a long reply\n" * 1000


def opened(journal: Journal, model: dict[str, Any]) -> EpisodeOpened:
    return EpisodeOpened(
        task_name="t",
        task=journal.blobs.put(b"{}"),
        model=model,
        sampling={},
        dialect="tools",
        image="free",
        level="H1",
        repository={"source": "r", "commit": None, "tree": "a" * 40, "archive": journal.blobs.put(b"x")},
        visible_artifacts=[],
        allowed_tools=[],
        intervention_policy="none",
        verification_procedure=[],
        outcome_rule="r",
        interpreter_persistence="none",
        enforcement={"tier": "none"},
        versions={},
        budget={},
        seed=0,
        public_key=journal.key.public_hex,
    )


def call(number: int, request: Request, status: str, result: dict[str, Any]) -> list[EventData]:
    args = {"digest": request_digest(request)}
    allow = {"effect": "allow", "rule": "r", "reason": ""}
    intent = Intent(f"e{number}", "model.complete", "read", args, allow, number)
    return [intent, Outcome(f"e{number}", status, result, 1.0)]


def result(journal: Journal, reply: Reply) -> dict[str, Any]:
    return {"finish": reply.finish, **msgspec.to_builtins(reply), "text": msgspec.to_builtins(journal.text(reply.text))}


REPLIES = (
    Reply(LONG, usage=Usage(10, 20, 5), seconds=1.5, first_token_s=0.5, retries=1),
    Reply("", "tool_calls", (ToolCall("c", "run", "{}"),)),
)


@pytest.fixture
def package(tmp_path: Path, key: SigningKey) -> Path:
    with Journal.create(tmp_path / "live", "e", key) as journal:
        identity = {"spec": "local/m", "provider": "local", "name": "m", "context": 2048}
        journal.append(opened(journal, identity))
        journal.append(Intent("f", "fs.read", "read", {"path": "a"}, {}, 1))
        for number, (request, reply) in enumerate(zip((FIRST, SECOND), REPLIES, strict=True)):
            for event in call(number, request, "ok", result(journal, reply)):
                journal.append(event)
        for event in call(2, SECOND, "error", {"message": "too long"}):
            journal.append(event)
        journal.append(EpisodeClosed(3, {}))
        write_package(tmp_path / "package", journal)
    return tmp_path / "package"


def ask(model: ReplayModel, request: Request) -> Reply:
    return asyncio.run(model.complete(request))


def test_recorded_replies_come_back_whole(package: Path) -> None:
    model = connect(f"replay:{package}", settings={})
    assert isinstance(model, ReplayModel)
    pieces: list[str] = []
    first = asyncio.run(model.complete(FIRST, pieces.append))
    assert (first, pieces) == (REPLIES[0], [LONG])
    assert ask(model, SECOND).tool_calls == REPLIES[1].tool_calls
    with pytest.raises(ModelContextExceeded, match="too long"):
        ask(model, SECOND)
    with pytest.raises(ScriptExhausted):
        ask(model, SECOND)
    identity = model.identity
    assert (identity.provider, identity.name, identity.context) == ("replay", "m", 2048)
    assert (identity.dialect, identity.image, identity.spec) == ("tools", "free", f"replay:{package}")


def test_another_request_diverges_and_takes_nothing(package: Path) -> None:
    model = ReplayModel(package)
    with pytest.raises(Diverged, match="model call 0"):
        ask(model, SECOND)
    assert ask(model, FIRST).text == LONG


def test_calls_of_an_earlier_process_are_passed_over(package: Path) -> None:
    model = ReplayModel(package)
    model.advance(1)
    assert ask(model, SECOND).finish == "tool_calls"


def test_a_lost_text_is_reported(package: Path) -> None:
    for blob in (package / "blobs").iterdir():
        blob.unlink()
    with pytest.raises(BlobMismatch):
        ask(ReplayModel(package), FIRST)


def test_a_folder_that_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(EpisodeNotFound):
        ReplayModel(tmp_path)
    with pytest.raises(ConfigError):
        connect("replay:", settings={})


@pytest.mark.parametrize(
    "broken", [{"finish": "stop"}, {"text": 3, "finish": "stop"}, {"text": {"size": "x"}, "finish": "stop"}]
)
def test_an_outcome_that_is_no_reply(tmp_path: Path, key: SigningKey, broken: dict[str, Any]) -> None:
    with Journal.create(tmp_path / "live", "e", key) as journal:
        journal.append(opened(journal, {"spec": "s", "provider": "p", "name": "n"}))
        for event in call(0, FIRST, "ok", broken):
            journal.append(event)
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / "journal.jsonl").write_bytes(b"".join(line + b"\n" for line in journal.lines()))
    with pytest.raises(JournalCorrupt, match="shape"):
        ask(ReplayModel(tmp_path / "p"), FIRST)


def test_a_journal_without_an_opening(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(b"")
    with pytest.raises(JournalCorrupt):
        ReplayModel(tmp_path)
