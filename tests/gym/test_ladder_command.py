"""``terret ladder`` from the command line to the packages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from terret.cli import main
from terret.gym import read_metrics
from terret.journal import check_package

TASK = """\
name: {id}
repository: {{path: repo}}
objective: Make the file say {id}.
checks:
  - {{name: says, run: "grep -q {id} file.txt"}}
"""

Ladder = Callable[..., tuple[int, str, str]]


def call(tool: str, **args: str) -> str:
    return f"```json\n{json.dumps({'tool': tool, 'args': args})}\n```"


DONE = call("declare_complete", summary="done")
SOLVE = [call("write_file", path="file.txt", content="one\n"), DONE]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite in the starter form: task ``one`` is solved by its script, task ``two`` declared without a change."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        folder = tmp_path / "suite" / name
        (folder / "repo").mkdir(parents=True)
        (folder / "repo" / "file.txt").write_text("nothing\n")
        (folder / "task.yaml").write_text(TASK.format(id=name))
        (folder / "scripted.yaml").write_text(json.dumps(SOLVE if name == "one" else [DONE]))
    return tmp_path / "suite"


@pytest.fixture
def ladder(capsys: pytest.CaptureFixture[str]) -> Ladder:
    """``ladder("starter", ...)`` runs that command: exit code, stdout, stderr."""

    def run(*args: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["ladder", *map(str, args)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["starter", "--model", "scripted", "--levels", "H0,H9"], "H9"),
        (["starter", "--model", "scripted", "--levels", ","], "--levels"),
        (["starter", "--model", "scripted", "--levels", "H0,H0"], "twice"),
        (["starter", "--model", "scripted", "--ablate", "sense"], "sense"),
        (["starter", "--model", "magic"], "magic"),
        (["starter", "--model", "scripted", "--only", "nope"], "nope"),
        (["nope", "--model", "scripted"], "nope"),
        (["starter", "--model", "scripted", "--budget", "luck=3"], "luck"),
    ],
)
def test_bad_calls_are_one_line_and_leave_nothing_behind(ladder, tmp_path, monkeypatch, args, part):
    monkeypatch.chdir(tmp_path)
    code, out, err = ladder(*args, "--out", "L")
    assert (code, out) == (2, "")
    assert part in err.splitlines()[-1]
    assert "Traceback" not in err
    assert not (tmp_path / "L" / "episodes").exists()


@pytest.mark.sandbox
def test_a_ladder_is_run_kept_reported_and_not_run_again(ladder, data, tmp_path):
    args = ["starter", "--data", data, "--model", "scripted", "--levels", "h1,H0", "--out", "L", "--jobs", "2"]
    code, out, err = ladder(*args, "--only", "one", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert [totals["level"] for totals in found["totals"]] == ["H0", "H1"]
    assert found["totals"][0]["figures"]["functional_pass"]["value"] == 1.0
    assert found["card"]["command"].startswith("terret ladder starter --data ")
    assert found["card"]["choice"] == "the tasks named: one"
    assert json.loads((tmp_path / "L" / "ladder.json").read_text()) == found

    for script in data.glob("*/scripted.yaml"):
        script.write_text("[]" if script.parent.name == "one" else json.dumps([DONE]))
    code, out, err = ladder(*args, "--levels", "H0")
    assert code == 0, err
    assert "functional pass" in out
    assert " 1/2 50%" in out
    assert "two r1 scripted: failed" in err
    assert " one r1" not in err
    assert "episodes/h0-two-r1" in (tmp_path / "L" / "report.html").read_text()
    for package in (tmp_path / "L" / "episodes").iterdir():
        check_package(package)

    code, _, err = ladder(*args, "--seed", "3")
    assert code == 2
    assert "seed" in err


@pytest.mark.sandbox
def test_a_suspended_cell_is_resumed_by_the_same_command(ladder, data, tmp_path):
    script = data / "one" / "scripted.yaml"
    script.write_text(json.dumps(SOLVE[:1]))
    args = ["starter", "--data", data, "--model", "scripted", "--levels", "H0", "--only", "one", "--out", "L"]
    code, out, err = ladder(*args)
    assert code == 3, err
    assert "suspended" in err
    assert "infrastructure: not finished" in out
    (folder,) = (tmp_path / "L" / "episodes").iterdir()
    assert (folder / "live" / "journal.db").is_file()
    script.write_text(json.dumps(SOLVE))
    code, out, err = ladder(*args)
    assert code == 0, err
    journal = (folder / "journal.jsonl").read_text()
    assert journal.count('"kind":"episode.resumed/1"') == 1
    assert journal.count('"kind":"episode.opened/1"') == 1
    assert read_metrics(folder).functional_pass is True


@pytest.mark.sandbox
@pytest.mark.slow
def test_two_starter_tasks_show_the_evidence_of_their_levels(ladder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tasks = "interval-merge,csv-report"
    args = ["--model", "scripted", "--levels", "H0,H3", "--only", tasks, "--jobs", "2", "--out", "L", "--json"]
    code, out, err = ladder("starter", *args)
    assert code == 0, err
    h0, h3 = json.loads(out)["totals"]
    assert h0["graded"] == h3["graded"] == 2
    assert h0["labels"] == {"unverified_success": 2}
    assert h3["labels"] == {"autonomous_verified_success": 2}
    assert {name for name, count in h0["evidence"].items() if count} == {"final_patch"}
    assert {name for name, count in h3["evidence"].items() if count == 2} >= {
        *("reproduction_log", "requirement_checks", "verification_report", "tool_trace", "final_patch")
    }


def test_a_task_without_a_script_is_an_error_of_its_cell(ladder, data: Any):
    (data / "one" / "scripted.yaml").unlink()
    args = ["starter", "--data", data, "--model", "scripted", "--levels", "H0", "--only", "one", "--out", "L"]
    code, _, err = ladder(*args)
    assert code == 3
    assert "no scripted solution" in err


@pytest.mark.sandbox
@pytest.mark.parametrize("memory", ["fresh", "shared"])
def test_cells_share_memory_only_when_asked(ladder, data, tmp_path, memory):
    args = ["starter", "--data", data, "--model", "scripted", "--levels", "H1,H2", "--repeats", 2, "--only", "one"]
    ladder(*args, "--memory", memory, "--out", "L", "--quiet")
    kept = sorted((tmp_path / "L" / "memory").glob("*/notes.jsonl"))
    # H1 has a memory of its own, and neither reads nor writes it.
    assert len(kept) == (1 if memory == "shared" else 0)
    recorded = {json.loads(file.read_text())["memory"] for file in (tmp_path / "L").glob("episodes/*/episode.json")}
    assert len(recorded) == (2 if memory == "shared" else 1)
    assert {str(file.parent) for file in kept} <= recorded
    assert memory == "shared" or recorded == {"none"}
    card = json.loads((tmp_path / "L" / "ladder.json").read_text())["card"]
    assert card["memory"] == memory
    code, _, err = ladder(*args, "--memory", "shared" if memory == "fresh" else "fresh", "--out", "L")
    assert (code, "memory" in err) == (2, True)
