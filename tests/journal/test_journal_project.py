"""Projections: pure, complete, deterministic, blind to a resumption."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_samples import PATCH, TASK, everything, first_turns, last_turns, opened, record, resumption, whole

from terret.errors import BlobMismatch
from terret.journal import (
    KINDS,
    SOURCES,
    TIME_FIELDS,
    ActionParsed,
    BlobStore,
    CheckRan,
    Declared,
    Event,
    EventData,
    Intent,
    Journal,
    Labelled,
    Outcome,
    SigningKey,
    StateUpdated,
    project,
    read_journal_jsonl,
)

DOCS = Path(__file__).parents[2] / "docs" / "journal.md"


def projected(payloads: Sequence[EventData], folder: Path) -> dict[str, bytes]:
    with record(folder, payloads) as journal:
        return project(journal.events(), journal.blobs)


def rows(content: bytes) -> list[dict[str, Any]]:
    assert content == b"" or content.endswith(b"\n")
    return [msgspec.json.decode(line) for line in content.splitlines()]


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


@pytest.fixture
def files(tmp_path: Path, blobs: BlobStore) -> dict[str, bytes]:
    return projected(whole(blobs), tmp_path)


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_times(member) for name, member in value.items() if name not in TIME_FIELDS}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def test_every_file_is_there_even_for_an_episode_that_just_began(tmp_path: Path, blobs: BlobStore) -> None:
    for count in (0, 1, 5, 13, 18):
        files = projected(whole(blobs)[:count], tmp_path / str(count)) if count == 0 else None
        if files is None:
            with record(tmp_path / str(count), []) as journal:
                for data in whole(journal.blobs)[:count]:
                    journal.append(data)
                files = project(journal.events(), journal.blobs)
        assert set(files) == set(SOURCES) - {"records/process.jsonl"}
        for path, content in files.items():
            if path.endswith(".jsonl"):
                rows(content)
            elif path.endswith(".json") and content:
                assert isinstance(msgspec.json.decode(content), dict)


def test_an_unfinished_effect_has_no_status(tmp_path: Path, blobs: BlobStore) -> None:
    files = projected(first_turns(blobs), tmp_path)
    last = rows(files["traces/tool.jsonl"])[-1]
    assert (last["effect"], last["status"], last["failure"]) == ("e3", None, None)
    assert msgspec.json.decode(files["traces/outcome.json"])["finished"] is False
    assert files["patch.diff"] == b""
    assert rows(files["traces/action.jsonl"])[-1]["ok"] is None


def test_traces_after_a_resumption_equal_those_of_an_uninterrupted_run(tmp_path: Path) -> None:
    blobs = [BlobStore(tmp_path / name / "blobs") for name in ("a", "b")]
    plain = projected([*first_turns(blobs[0]), *last_turns(blobs[0])], tmp_path / "a")
    resumed = projected([*first_turns(blobs[1]), resumption(), *last_turns(blobs[1])], tmp_path / "b")
    for path in SOURCES:
        if path.startswith("traces/") and path.endswith(".jsonl"):
            assert without_times(rows(plain[path])) == without_times(rows(resumed[path])), path
    ends = [without_times(msgspec.json.decode(files["traces/outcome.json"])) for files in (plain, resumed)]
    assert ends[0] == ends[1]
    assert [row["effect"] for row in rows(resumed["traces/tool.jsonl"])].count("e3") == 1


def test_each_file_is_made_of_the_kinds_it_names_and_no_others(tmp_path: Path, blobs: BlobStore) -> None:
    with record(tmp_path, everything(blobs)) as journal:
        events = journal.events()
        whole_files = project(events, blobs)
        for path, kinds in SOURCES.items():
            fed = [event for event in events if kind_of(event) in kinds]
            assert project(fed, blobs)[path] == whole_files[path], path
            for kind in kinds:
                starved = [event for event in fed if kind_of(event) != kind]
                assert project(starved, blobs)[path] != whole_files[path], f"{path} does not need {kind}"


def kind_of(event: Event) -> str:
    return str(event.data.__struct_config__.tag)


def test_every_kind_feeds_some_trace_or_record() -> None:
    fed = {kind for path, kinds in SOURCES.items() if path != "report.md" for kind in kinds}
    assert fed == set(KINDS) - {"history/1"}, "history holds states of the workspace, nothing to tell"


def test_the_documentation_lists_the_sources_of_every_file() -> None:
    table = dict(re.findall(r"^\| `([^`]+)` \| (`[^|]+) \|$", DOCS.read_text(), re.MULTILINE))
    stated = {path: tuple(re.findall(r"`([^`]+)`", kinds)) for path, kinds in table.items()}
    assert {path: stated.get(path) for path in SOURCES} == SOURCES


def test_the_action_trace_joins_actions_with_what_came_of_them(files: dict[str, bytes]) -> None:
    trace = rows(files["traces/action.jsonl"])
    assert [(row["action"], row["op"], row["ok"], row["effects"]) for row in trace] == [
        (0, "read_file", True, ["e1"]),
        (1, None, False, []),
        (2, "run", False, ["e2"]),
        (3, "write_file", True, ["e3"]),
        (4, "run", False, []),
        (5, "run", True, ["e5"]),
        (6, "declare_complete", False, []),
        (7, "declare_complete", True, []),
    ]
    assert trace[1]["failure"] == {"type": "not_json", "code": "F_tool", "detail": "the reply is not JSON"}
    assert trace[5]["by"] == "runtime"


def test_a_refused_and_a_runtime_declaration_are_actions(tmp_path: Path) -> None:
    payloads: list[EventData] = [
        ActionParsed(1, "declare_complete", {"summary": "done"}, "json"),
        Declared(1, "done", False, ["no evidence", "stale"]),
        Declared(2, "done by rule", True, [], "runtime"),
    ]
    first, second = rows(projected(payloads, tmp_path)["traces/action.jsonl"])
    assert (first["type"], first["ok"], first["failure"]["detail"]) == ("action", False, "no evidence; stale")
    assert (second["type"], second["op"], second["by"], second["ok"]) == (
        "declared",
        "declare_complete",
        "runtime",
        True,
    )


def test_the_tool_trace_says_what_failed_and_whether_it_recovered(tmp_path: Path) -> None:
    payloads: list[EventData] = []

    def effect(primitive: str, args: dict[str, Any], status: str, result: dict[str, Any]) -> None:
        name = f"e{len(payloads) // 2}"
        payloads.append(Intent(name, primitive, "read", args, {"effect": "allow"}, 1))
        payloads.append(Outcome(name, status, result, 5.0))

    effect("shell.run", {"command": "pytest"}, "error", {"exit_code": 2})
    effect("shell.run", {"command": "make"}, "timeout", {"exit_code": None, "status": "timeout"})
    effect("fs.read", {"path": "a"}, "error", {"failure": "missing", "message": "no such file"})
    effect("fs.read", {"path": "b"}, "ok", {"size": 3})
    effect("shell.run", {"command": "pytest"}, "ok", {"exit_code": 0})
    effect("shell.run", {"command": "big"}, "killed", {"status": "memory", "exit_code": None})
    effect("shell.run", {"command": "x"}, "error", {"fault": "E_SANDBOX", "message": "broken"})
    effect("fs.write", {"path": "a"}, "ok", {})
    effect("mail.send", {"to": "x"}, "unknown", {})
    effect("model.complete", {"digest": "d"}, "ok", {})
    trace = rows(projected(payloads, tmp_path)["traces/tool.jsonl"])
    shown = [(row["target"], row["failure"], row["recovered"], row["timed_out"]) for row in trace]
    assert shown == [
        ("pytest", "exit_code", True, False),
        ("make", "timeout", False, True),
        ("a", "missing", False, False),
        ("b", None, None, False),
        ("pytest", None, None, False),
        ("big", "memory", False, False),
        ("x", "E_SANDBOX", False, False),
        ("a", None, None, False),
        ('{"to":"x"}', "unknown", False, False),
    ]
    assert trace[0]["exit_code"] == 2


def test_the_context_trace_says_what_influenced_the_work(files: dict[str, bytes]) -> None:
    offered, consulted, memory = rows(files["traces/context.jsonl"])
    assert offered["items"][0]["path"] == "src/login.py"
    assert (consulted["artifact"], consulted["contributed"], consulted["influenced"]) == (
        "src/login.py",
        "64 bytes",
        True,
    )
    assert (memory["artifact"], memory["influenced"]) == ("guide.md", True)


def test_records(files: dict[str, bytes]) -> None:
    assert files["records/task.json"] == TASK
    assert files["patch.diff"] == PATCH
    assert msgspec.json.decode(files["records/state.json"]) == {"hypothesis": "empty string is truthy", "open": []}
    kinds = [row["type"] for row in rows(files["records/observation.jsonl"])]
    assert [kinds.count(kind) for kind in ("model", "observation", "fault", "resumed")] == [1, 6, 1, 1]
    permissions = rows(files["records/permission.jsonl"])
    assert [(row["effect"], row["granted"]) for row in permissions] == [
        ("e0", True),
        ("e1", True),
        ("e2", True),
        ("e3", True),
        ("e4", False),
        (None, True),
        ("e5", True),
    ]
    card = msgspec.json.decode(files["episode.json"])
    assert (card["label"], card["level"], card["started"]) == ("unverified_success", "H1", 1_700_000_000.25)
    assert card["ended"] > card["started"]


def test_the_matrix_of_evidence_never_counts_an_unknown_result(files: dict[str, bytes]) -> None:
    first, second = msgspec.json.decode(files["verification.json"])["requirements"]
    assert [(item["check"], item["phase"]) for item in first["checks"]] == [
        ("pytest", "episode"),
        ("hidden 1", "evaluator"),
    ]
    assert (first["met"], second["met"]) == (True, None)


def test_a_failed_check_leaves_its_requirement_unmet(tmp_path: Path, blobs: BlobStore) -> None:
    payloads: list[EventData] = [
        opened(blobs),
        CheckRan("evaluator", "a", "check", "a", True, 0, ["R1"], "", 1.0),
        CheckRan("evaluator", "b", "check", "b", False, 1, ["R1"], "", 1.0),
    ]
    first, second = msgspec.json.decode(projected(payloads, tmp_path)["verification.json"])["requirements"]
    assert (first["met"], second["met"]) == (False, None)


def test_usage_adds_up(files: dict[str, bytes]) -> None:
    usage = msgspec.json.decode(files["traces/outcome.json"])["usage"]
    assert (usage["model_calls"], usage["input_tokens"], usage["output_tokens"], usage["cost"]) == (1, 812, 40, 0.00125)
    assert (usage["effects"], usage["failed_effects"], usage["recovered_effects"]) == (4, 1, 1)


def test_the_report_tells_the_story(files: dict[str, bytes]) -> None:
    report = files["report.md"].decode()
    for part in (
        "# Episode 20231114",
        "> Reject an empty password.",
        "**unverified_success**",
        "all checks pass",
        "Turn 3",
        "`run` command=python -m pytest -q",
        "denied: fs.delete",
        "resumed after 42.5 s",
        "| hidden 1 | hidden | passed | 0 | R1 |",
        "| regression | regression | unknown |",
        "| src/login.py | M | 1 | 1 |",
        "| steps | 7 | 40 |",
        "E_MODEL_TIMEOUT",
        "no-new-test",
    ):
        assert part in report, part


def test_a_report_is_not_broken_by_what_agents_write(tmp_path: Path, blobs: BlobStore) -> None:
    payloads: list[EventData] = [
        opened(blobs),
        ActionParsed(1, "run", {"command": "echo '| a |'\n# heading\n" + "x" * 5000}, "bash"),
        CheckRan("evaluator", "a | b\nc", "check", "x", False, 1, [], "pipe | here", 1.0),
        Labelled("failed", "F_tool", ["first\nsecond"], False, False, True),
    ]
    report = projected(payloads, tmp_path)["report.md"].decode()
    assert "# heading" not in [line.strip() for line in report.splitlines()]
    assert "| a \\| b c | check | failed | 1 |" in report
    assert max(map(len, report.splitlines())) < 400


def test_a_missing_task_or_patch_is_named(tmp_path: Path, blobs: BlobStore) -> None:
    with record(tmp_path, whole(blobs)) as journal, pytest.raises(BlobMismatch, match="missing"):
        project(journal.events(), BlobStore(tmp_path / "nowhere"))


numbers = st.integers(0, 9) | st.floats(0, 9)
payloads = st.one_of(
    st.builds(StateUpdated, st.integers(1, 5), st.just("agent"), st.dictionaries(st.text(max_size=3), numbers)),
    st.builds(
        Intent,
        st.sampled_from(["e0", "e1"]),
        st.sampled_from(["fs.read", "fs.write", "model.complete", "shell.run"]),
        st.just("read"),
        st.dictionaries(st.sampled_from(["path", "command", "x"]), st.text(max_size=3)),
        st.just({"effect": "allow"}),
        st.integers(1, 3),
    ),
    st.builds(
        Outcome,
        st.sampled_from(["e0", "e1", "e2"]),
        st.sampled_from(["ok", "error", "timeout", "killed", "unknown"]),
        st.dictionaries(st.sampled_from(["size", "exit_code", "failure", "x"]), numbers | st.text(max_size=3)),
        numbers,
        st.dictionaries(st.sampled_from(["input", "output", "cost"]), numbers),
    ),
    st.builds(ActionParsed, st.integers(1, 3), st.text(max_size=4), st.just({}), st.just("json")),
    st.builds(
        CheckRan,
        st.sampled_from(["episode", "evaluator"]),
        st.text(max_size=3),
        st.just("check"),
        st.just("x"),
        st.none() | st.booleans(),
        st.none() | st.integers(0, 3),
        st.lists(st.sampled_from(["R1", "R2"])),
        st.just(""),
        numbers,
    ),
)


@given(st.lists(payloads, max_size=12))
def test_projections_are_the_same_bytes_after_a_round_trip(chosen: list[EventData]) -> None:
    with tempfile.TemporaryDirectory() as name:
        blobs = BlobStore(Path(name) / "blobs")
        with record(Path(name), [opened(blobs), *chosen]) as journal:
            live = project(journal.events(), blobs)
            raw = b"".join(line + b"\n" for line in journal.lines())
            key: SigningKey = journal.key
        assert project(read_journal_jsonl(raw), blobs) == live
        with Journal.open(Path(name), key) as again:
            assert project(again.events(), blobs) == live
