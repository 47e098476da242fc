"""How events read: timeline, status line, report, exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from terret.cli._output import printable, table
from terret.cli._report import document, report
from terret.cli._story import Story
from terret.cli._words import LABELS, duration, exit_code, shorten, size
from terret.journal import (
    ActionParsed,
    ActionRejected,
    CheckRan,
    Declared,
    Denied,
    EpisodeClosed,
    EpisodeOpened,
    EpisodeResumed,
    Event,
    Faulted,
    Intent,
    Labelled,
    Observed,
    Outcome,
    PatchTaken,
    Stopped,
    Text,
)

OPENED = EpisodeOpened(
    task_name="mend",
    task="0" * 64,
    model={"spec": "scripted:x"},
    sampling={},
    dialect="json",
    image="free",
    level="H1",
    repository={},
    visible_artifacts=[],
    allowed_tools=[],
    intervention_policy="none",
    verification_procedure=[],
    outcome_rule="rule",
    interpreter_persistence="none",
    enforcement={"tier": "rlimit"},
    versions={},
    budget={"steps": 10, "model_calls": 10, "tokens": 1000, "wall": 60.0, "cost": 1.0},
    seed=0,
    public_key="0" * 64,
)
ALLOW = {"effect": "allow", "rule": "r", "reason": "fine"}


def told(*data, step: float = 1.0) -> Story:
    """The story of an episode with one event a second."""
    story = Story()
    for seq, payload in enumerate((OPENED, *data)):
        story.feed(Event(seq, 100.0 + seq * step, "ep-1", 0, payload, [], "", ""))
    return story


def check(name="tests", passed: bool | None = True, phase="evaluator") -> CheckRan:
    return CheckRan(phase, name, "check", "pytest", passed, 0 if passed else 1, ["R1"], "", 1500.0)


def labelled(label: str | None, **fields) -> Labelled:
    return Labelled(
        label=label,
        failure_code=fields.get("failure_code"),
        reasons=fields.get("reasons", []),
        functional_pass=True,
        false_completion=fields.get("false_completion", False),
        graded=label is not None,
    )


def test_an_action_reads_as_one_line_with_its_outcome():
    story = told(
        ActionParsed(1, "run", {"command": "pytest -q\nsecond line"}, "json"),
        Observed(1, "run", True, Text(2, inline="ok")),
        ActionParsed(2, "edit_file", {"path": "a.py", "old": "x", "new": "y"}, "json"),
        Observed(2, "edit_file", False, Text(2, inline="no"), failure={"type": "missing", "detail": "not found"}),
    )
    run, edit = story.timeline[1:]
    assert (run.step, run.what, run.detail, run.ok) == (1, "run", "pytest -q", True)
    assert (edit.step, edit.ok, edit.detail) == (2, False, "a.py → not found")
    assert run.at == 2.0


def test_every_notable_event_has_its_line():
    story = told(
        ActionRejected(1, "json", "F_tool", "malformed", "no fenced block", Text(1, inline="x")),
        Denied("e1", "fs.write", {"path": "tests/t.py"}, {"effect": "deny", "rule": "r", "reason": "protected"}, 1),
        EpisodeResumed(3, 40.0, [{"effect": "e0"}], {}),
        check(passed=None, phase="episode"),
        Declared(2, "all done", False, ["no test ran"]),
        Declared(3, "all done", True, []),
        Faulted("model", "E_MODEL_TIMEOUT", "no answer"),
        Stopped("completed", "", 3),
        PatchTaken("0" * 64, "t", [{"path": "a.py", "added": 1, "deleted": 2}]),
        labelled("failed"),
    )
    whats = [entry.what for entry in story.timeline]
    assert whats == [
        "opened",
        "reply rejected",
        "denied",
        "resumed",
        "check",
        "not yet done",
        "declared done",
        "fault",
        "stopped",
        "patch",
        "label",
    ]
    assert story.timeline[4].detail == "tests gave no result (episode)"
    assert story.timeline[-1].ok is False


def test_usage_counts_model_calls_only_and_leaves_dead_time_out():
    story = told(
        Intent("e0", "model.complete", "read", {}, ALLOW, 1),
        Outcome("e0", "ok", {}, 5.0, {"input": 300, "output": 50, "cost": 0.25}),
        Intent("e1", "shell.run", "workspace", {}, ALLOW, 1),
        Outcome("e1", "ok", {}, 5.0, {"seconds": 3.0}),
        EpisodeResumed(4, 4.0, [], {}),
    )
    assert story.used == {"steps": 1, "model_calls": 1, "tokens": 350, "wall": 1.0, "cost": 0.25}
    assert story.left("tokens") == 650
    assert story.left("nonsense") is None


def test_the_status_line_says_step_tool_tokens_time_and_last_check():
    story = told(ActionParsed(4, "run", {"command": "x"}, "json"), check(passed=False))
    assert story.status() == (
        "step 4/10 · run · 0 tokens (1,000 left) · 2.0 s (58.0 s left) · last check: tests failed"
    )
    assert Story().status().startswith("step 0")


@pytest.mark.parametrize("label", [label for label in LABELS if label])
def test_the_report_explains_each_label(label):
    reasons = ["hidden check 'edge' failed"]
    story = told(
        check(),
        check("edge", passed=False),
        labelled(label, reasons=reasons, failure_code="F_verify", false_completion=True),
        EpisodeClosed(3, {}),
    )
    text = "\n".join(report(story, Path("/far/away/ep-1")))
    assert text.startswith(f"{label}  (mend, level H1, scripted:x)")
    assert LABELS[label] in text
    assert reasons[0] in text
    assert "F_verify" in text
    assert "the evaluator says it is not" in text
    assert "checks (evaluator)" in text
    assert "terret verify /far/away/ep-1" in text


def test_the_report_of_an_unfinished_episode_says_how_to_go_on():
    text = "\n".join(report(told(check(phase="episode")), Path("/far/away/ep 1")))
    assert text.startswith("interrupted")
    assert "terret resume '/far/away/ep 1'" in text


def test_the_report_of_an_ungraded_episode_blames_nobody():
    text = "\n".join(report(told(labelled(None), EpisodeClosed(0, {})), Path("x")))
    assert text.startswith("ungraded")
    assert "never counts against the agent" in text


def test_the_document_holds_what_the_report_says():
    story = told(check(), PatchTaken("0" * 64, "t", [{"path": "a.py"}]), labelled("failed"), EpisodeClosed(1, {}))
    got = document(story, Path("/p"))
    assert got["label"] == "failed"
    assert got["package"] == "/p"
    assert got["finished"] is True
    assert got["checks"][0]["name"] == "tests"
    assert got["patch"] == [{"path": "a.py"}]
    assert got["budget"]["steps"] == 10
    assert [entry["what"] for entry in got["timeline"]] == ["opened", "check", "patch", "label"]


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("autonomous_verified_success", 0),
        ("assisted_verified_success", 0),
        ("unverified_success", 0),
        ("failed", 1),
        ("unsafe_invalid", 1),
        (None, 3),
    ],
)
def test_exit_codes_of_labels(label, code):
    assert exit_code(label) == code


def test_text_from_outside_cannot_drive_the_terminal():
    assert printable("a\x1b[2Jb\r\x00\tc\nd\x7f") == "a\\x1b[2Jb\\x0d\\x00\tc\nd\\x7f"


def test_amounts_for_people():
    assert [duration(s) for s in (0.04, 59.9, 65, 7380)] == ["0.0 s", "59.9 s", "1 min 05 s", "2 h 03 min"]
    assert [size(b) for b in (999, 98_000_000, 1_117_320_736)] == ["999 B", "98 MB", "1.1 GB"]
    assert shorten("  one\ntwo", 10) == "one"
    assert shorten("x" * 20, 10) == "x" * 9 + "…"
    assert table([("a", "b"), ("long", "c")]) == ["a     b", "long  c"]
    assert table([]) == []
