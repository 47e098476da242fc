"""run, show, verify and resume from the outside, with a scripted model in a real sandbox."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.sandbox

TASK = """\
name: adding
repository:
  files:
    adding.py: "def add(a, b):\\n    return a - b\\n"
objective: add must return the sum.
requirements:
  - {id: R1, text: add returns the sum}
checks:
  - name: sum
    run: python -c "import adding; assert adding.add(2, 3) == 5"
    covers: [R1]
hidden:
  checks:
    - name: zero
      run: python -c "import adding; assert adding.add(0, 0) == 0 and adding.add(-1, 1) == 0"
"""

GOOD = [
    ("edit_file", {"path": "adding.py", "old": "a - b", "new": "a + b"}),
    ("declare_complete", {"summary": "mended"}),
]
LAZY = [("declare_complete", {"summary": "done"})]


def script(calls) -> str:
    """A script file in which the model makes these calls in the fenced JSON dialect."""
    replies = [f"```json\n{json.dumps({'tool': tool, 'args': args})}\n```" for tool, args in calls]
    return json.dumps({"replies": replies, "model": {"dialect": "json", "image": "free"}})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the task, an honest and a lazy model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.yaml").write_text(TASK)
    (tmp_path / "good.json").write_text(script(GOOD))
    (tmp_path / "lazy.json").write_text(script(LAZY))
    return tmp_path


def package_of(ran) -> Path:
    return Path(ran.document["package"])


def test_run_show_verify(cli, place):
    ran = cli("run", "task.yaml", "--model", "scripted:good.json", "--json")
    assert ran.code == 0, ran.err
    document = ran.document
    assert document["label"] in {"unverified_success", "autonomous_verified_success"}
    assert document["functional_pass"] is True
    assert document["used"]["model_calls"] == 2
    package = package_of(ran)
    assert package.parent == Path("episodes")

    for name in (package, package.name, package.name[:-3]):
        shown = cli("show", name)
        assert shown.code == 0
        assert document["label"] in shown.out
        assert f"terret verify {package}" in shown.out
    assert cli("show", package, "--json").document["checks"] == document["checks"]
    assert "edit_file" in cli("show", package, "--timeline").out
    events = cli("show", package, "--events", "--json").document
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert len(cli("show", package, "--events").out.splitlines()) == len(events)
    assert cli("show", package, "--patch").out == (package / "patch.diff").read_text()

    verified = cli("verify", package)
    assert verified.code == 0, verified.err
    assert "rerun" in verified.out
    assert verified.out.splitlines()[-1].startswith(f"verified: {package.name}")


def test_the_end_report_and_the_progress_lines(cli, place):
    ran = cli("run", "task.yaml", "--model", "scripted:good.json", "--out", "kept")
    assert ran.code == 0
    assert "edit_file" in ran.err
    for part in (
        "checks (evaluator)",
        "timeline",
        "change",
        "adding.py",
        "used",
        "package",
        "next",
        "terret verify kept/",
    ):
        assert part in ran.out
    quiet = cli("run", "task.yaml", "--model", "scripted:good.json", "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_a_false_completion_exits_1_and_says_so(cli, place):
    ran = cli("run", "task.yaml", "--model", "scripted:lazy.json")
    assert ran.code == 1
    assert ran.out.startswith("failed")
    assert "the evaluator says it is not" in ran.out


def test_budget_options_reach_the_episode(cli, place):
    ran = cli("run", "task.yaml", "--model", "scripted:good.json", "--budget", "steps=1,wall=99", "--json")
    assert ran.document["budget"]["steps"] == 1
    assert ran.document["budget"]["wall"] == 99
    assert ran.document["stop_reason"] == "budget_steps"


@pytest.mark.parametrize(
    ("args", "code", "part"),
    [
        (["--budget", "stpes=3"], "E_CONFIG", "stpes"),
        (["--budget", "steps"], "E_CONFIG", "steps"),
        (["--budget", "steps=-1"], "E_CONFIG", "-1"),
        (["--budget", "steps=2.5"], "E_CONFIG", "2.5"),
        (["--budget", "cost=nan"], "E_CONFIG", "nan"),
        (["--level", "H9"], "E_CONFIG", "H9"),
        (["--ablate", "gravity"], "E_CONFIG", "gravity"),
        (["--image", "oils"], "E_CONFIG", "oils"),
        (["--dialect", "cockney"], "E_CONFIG", "cockney"),
        (["--tier", "full", "--no-sandbox"], "E_CONFIG", "--no-sandbox"),
        (["--model", "scripted:none.json"], "E_CONFIG", "none.json"),
        (["--model", "magic"], "E_CONFIG", "magic"),
        (["--model", "local/nothing"], "E_MODEL_NOT_FOUND", "nothing"),
    ],
)
def test_bad_options_are_one_line_and_leave_nothing(cli, place, args, code, part):
    ran = cli("run", "task.yaml", "--model", "scripted:good.json", *args)
    assert ran.code in (2, 3)
    assert ran.err.count("\n") == 1
    assert f"[{code}]" in ran.err
    assert part in ran.err
    assert not list(place.glob("episodes/*/live"))


def test_an_exhausted_script_suspends_and_resume_goes_on(cli, place):
    (place / "short.json").write_text(script(GOOD[:1]))
    ran = cli("run", "task.yaml", "--model", "scripted:short.json", "--json")
    assert ran.code == 3
    assert ran.document["label"] is None
    assert ran.document["faults"][0]["code"] == "E_MODEL_SCRIPT"
    package = package_of(ran)
    assert f"terret resume {package}" in ran.err

    live = cli("show", package)
    assert live.code == 0
    assert live.out.startswith("interrupted")
    assert f"terret resume {package}" in live.out
    assert cli("show", package, "--patch").code == 10

    (place / "short.json").write_text(script(GOOD))
    resumed = cli("resume", package)
    assert resumed.code == 0, resumed.err
    assert "resumed" in resumed.out
    assert resumed.out.count("edit_file") == 1
    assert cli("verify", package).code == 0
    again = cli("resume", package, "--json")
    assert (again.code, again.document["finished"]) == (0, True)


def test_ctrl_c_leaves_an_episode_that_resume_finishes(place):
    slow = [*GOOD[:1], ("run", {"command": "touch started; sleep 5"}), *GOOD[1:]]
    (place / "slow.json").write_text(script(slow))
    terret = [sys.executable, "-m", "terret"]
    running = subprocess.Popen(
        [*terret, "run", "task.yaml", "--model", "scripted:slow.json"],
        cwd=place,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert running.stderr is not None
    for line in running.stderr:
        if "edit_file" in line:
            break
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=40)
    assert running.returncode == 130
    line = err.splitlines()[-1]
    assert line.startswith("terret: interrupted; go on with: terret resume ")
    assert line.endswith("[E_INTERRUPTED]")
    (package,) = (place / "episodes").iterdir()
    assert (package / "live").exists()
    resumed = subprocess.run(
        [*terret, "resume", package.name], cwd=place, capture_output=True, text=True, timeout=50, check=False
    )
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.count("edit_file") == 1


@pytest.mark.parametrize("view", [[], ["--timeline"], ["--patch"], ["--events"]])
def test_show_of_nothing_is_one_line(cli, place, view):
    for name in ("episodes/none", "none", "task.yaml", "."):
        ran = cli("show", name, *view)
        assert ran.code == 2
        assert ran.err.count("\n") == 1
        assert "[E_EPISODE]" in ran.err


def test_verify_refuses_damage_with_the_exit_code_of_its_kind(cli, place):
    package = package_of(cli("run", "task.yaml", "--model", "scripted:good.json", "--json"))
    (package / "patch.diff").write_text("")
    ran = cli("verify", package, "--no-rerun", "--json")
    assert ran.code == ran.document["exit_code"] == 18
    (package / "journal.jsonl").unlink()
    assert cli("verify", package, "--no-rerun").code == 10


def test_verify_insists_on_a_key_and_exports(cli, place):
    package = package_of(cli("run", "task.yaml", "--model", "scripted:good.json", "--json"))
    elsewhere = place / "else" / "where"
    shutil.copytree(package, elsewhere)
    signer = cli("verify", elsewhere, "--no-rerun", "--json").document["key"]
    assert cli("verify", elsewhere, "--no-rerun", "--key", signer.upper()).code == 0
    assert cli("verify", elsewhere, "--no-rerun", "--key", "ab" * 32).code == 20
    assert cli("verify", elsewhere, "--no-rerun", "--key", "short").code == 2
    assert cli("verify", elsewhere, "--to", "x").code == 2

    printed = cli("verify", elsewhere, "--no-rerun", "--export", "in-toto")
    assert printed.code == 0
    assert printed.document["payloadType"] == "application/vnd.in-toto+json"
    assert "verified:" in printed.err
    written = cli("verify", elsewhere, "--no-rerun", "--export", "in-toto", "--to", "deep/statement.json")
    assert json.loads((place / "deep" / "statement.json").read_text())["payload"] == printed.document["payload"]
    assert "deep/statement.json" in written.out
