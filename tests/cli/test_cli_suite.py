"""terret suite list, validate and run, and terret demo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TASK = """\
name: {id}
repository: {{path: repo}}
objective: Make the file say {id}.
checks:
  - {{name: says, run: "grep -q {id} file.txt"}}
"""
PATCH = """\
diff --git a/file.txt b/file.txt
--- a/file.txt
+++ b/file.txt
@@ -1 +1 @@
-nothing
+{id}
"""


def call(tool: str, **args: str) -> str:
    return f"```json\n{json.dumps({'tool': tool, 'args': args})}\n```"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite in the starter form: task ``one`` has a good script, task ``two`` one that gives up."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        folder = tmp_path / "suite" / name
        (folder / "repo").mkdir(parents=True)
        (folder / "repo" / "file.txt").write_text("nothing\n")
        (folder / "task.yaml").write_text(TASK.format(id=name))
        (folder / "reference.patch").write_text(PATCH.format(id=name))
        done = call("declare_complete", summary="done")
        good = [call("write_file", path="file.txt", content="one\n"), done]
        (folder / "scripted.yaml").write_text(json.dumps(good if name == "one" else [done]))
    return tmp_path / "suite"


def test_list(cli):
    names = {row["name"] for row in cli("suite", "list", "--json").document}
    assert {"starter", "quixbugs", "humanevalfix"} <= names
    assert "built in" in cli("suite", "list").out


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["run", "nope", "--model", "scripted"], "nope"),
        (["run", "quixbugs", "--model", "scripted"], "--data"),
        (["run", "starter", "--model", "scripted", "--only", "nope"], "nope"),
        (["run", "starter", "--model", "magic"], "magic"),
        (["run", "starter", "--model", "scripted", "--data", "nowhere"], "nowhere"),
        (["validate", "starter", "--only", "x,y"], "x"),
    ],
)
def test_bad_calls_are_one_line(cli, tmp_path, monkeypatch, args, part):
    monkeypatch.chdir(tmp_path)
    ran = cli("suite", *args)
    assert ran.code == 2
    assert part in ran.err
    assert "Traceback" not in ran.err
    assert ran.err.splitlines()[-1].endswith("]")


@pytest.mark.sandbox
def test_run_gives_rows_and_totals_and_goes_on(cli, data):
    ran = cli("suite", "run", "starter", "--data", data, "--model", "scripted", "--out", "rows", "--json")
    assert ran.code == 0, ran.err
    first, second = ran.document["rows"]
    assert (first["id"], first["functional_pass"], second["functional_pass"]) == ("one", True, False)
    assert second["false_completion"] is True
    assert Path(first["package"], "journal.jsonl").is_file()
    summary = ran.document["summary"]
    assert (summary["graded"], summary["functional_pass"]["successes"]) == (2, 1)

    for script in data.glob("*/scripted.yaml"):
        script.write_text("[]")
    again = cli("suite", "run", "starter", "--data", data, "--model", "scripted", "--out", "rows")
    assert again.code == 0
    assert "95% interval" in again.out
    assert "2 tasks, 2 graded, 0 not graded" in again.out


@pytest.mark.sandbox
def test_a_fault_leaves_a_task_ungraded_and_the_run_at_3(cli, data):
    (data / "two" / "scripted.yaml").write_text("[]")
    ran = cli("suite", "run", "starter", "--data", data, "--model", "scripted", "--json")
    assert ran.code == 3
    first, second = ran.document["rows"]
    assert first["error"] is None
    assert "E_MODEL_SCRIPT" in second["error"]
    assert ran.document["summary"]["graded"] == 1


@pytest.mark.sandbox
def test_validate(cli, data):
    ran = cli("suite", "validate", "starter", "--data", data, "--repeats", "1")
    assert ran.code == 0, ran.out + ran.err
    assert "2 of 2 tasks ok" in ran.out
    (data / "two" / "reference.patch").write_text(PATCH.format(id="wrong"))
    ran = cli("suite", "validate", "starter", "--data", data, "--repeats", "1", "--json")
    assert ran.code == 1
    assert [row["reference_passes"] for row in ran.document["rows"]] == [True, False]


@pytest.mark.sandbox
def test_the_scripted_demo_fixes_the_bug_and_verifies_a_copy(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = cli("demo", "--model", "scripted", "--out", "here")
    assert ran.code == 0, ran.out + ran.err
    assert "success" in ran.out.splitlines()[0]
    assert "timeline" in ran.out
    assert "package  here/" in ran.out
    assert ran.out.splitlines()[-1].startswith("verified: ")
    (package,) = (path.parent for path in (tmp_path / "here").glob("*/journal.jsonl"))
    assert cli("show", package, "--json").document["label"] in ran.out.splitlines()[-1]


def test_the_demo_says_how_to_get_its_model(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERRET_MODELS", str(tmp_path / "none"))
    ran = cli("demo")
    assert ran.code == 3
    assert "terret model pull qwen2.5-coder-1.5b" in ran.err
