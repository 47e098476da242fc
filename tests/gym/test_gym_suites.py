"""What the suite readers make of their data."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from terret.errors import SuiteError
from terret.gym import SuiteTask, load_suite, suites
from terret.task import Check, lint_task, redacted, task_json

ROW = {
    "task_id": "Python/7",
    "prompt": 'import math\n\n\ndef half(x: float) -> float:\n    """ Half of x.\n    >>> half(4)\n    2.0\n    """\n',
    "declaration": "import math\n\n\ndef half(x: float) -> float:\n",
    "buggy_solution": "    return x / 3\n",
    "canonical_solution": "    return x / 2\n",
    "bug_type": "value misuse",
    "failure_symptoms": "incorrect output",
    "entry_point": "half",
    "signature": "half(x: float) -> float",
    "docstring": "Half of x.\n>>> half(4)\n2.0",
    "instruction": "Write a Python function `half(x: float) -> float` to solve the following problem:\nHalf of x.",
    "example_test": "def check(half):\n    assert half(4) == 2.0\ncheck(half)\n",
    "test": "\n\n\ndef check(half):\n    assert half(4) == 2.0\n    assert half(9) == 4.5\n\ncheck(half)",
}


def put(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def run_check(task: SuiteTask, check: Check, folder: Path, patch: bytes = b"") -> tuple[bool, str]:
    """A check in a plain folder, as the evaluator runs it: the repository, the patch, then the check's own files."""
    put(folder, task.task.repository.files or {})
    if patch:
        subprocess.run(["git", "apply", "-"], input=patch, cwd=folder, check=True)
    put(folder, check.files)
    command = check.run.replace("python ", f"{sys.executable} -B ", 1)
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    return done.returncode == (check.exit_code or 0) and (check.expect or "") in output, output


def jsonl(folder: Path, *rows: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "python.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_the_known_suites() -> None:
    assert [(name, suite.name, suite.needs_data) for name, suite in suites().items()] == [
        ("starter", "starter", False),
        ("starter-long", "starter-long", False),
        ("quixbugs", "quixbugs", True),
        ("humanevalfix", "humanevalfix", True),
    ]
    assert all(suite.title for suite in suites().values())


def test_selection(quixbugs: Path) -> None:
    assert [task.id for task in load_suite("quixbugs", quixbugs)] == ["count", "double", "length"]
    assert [task.id for task in load_suite("quixbugs", str(quixbugs), limit=2)] == ["count", "double"]
    assert [task.id for task in load_suite("quixbugs", quixbugs, only=["length", "count"])] == ["count", "length"]
    assert [task.id for task in load_suite("quixbugs", quixbugs, only=["length", "count"], limit=1)] == ["count"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "quixbug"}, r"no such suite \(got 'quixbug'\); did you mean 'quixbugs'"),
        ({"name": "other"}, "no such suite.*there are: starter, starter-long, quixbugs, humanevalfix"),
        ({"name": "quixbugs"}, "'quixbugs' needs its data; pass --data DIR"),
        ({"name": "quixbugs", "data": "/no/where"}, "/no/where: not a QuixBugs folder; it must be a folder with"),
        ({"name": "humanevalfix", "data": "/no/where"}, "/no/where: not a HumanEvalFix folder"),
        ({"name": "starter", "data": "/no/where"}, "/no/where: no task in this folder"),
    ],
)
def test_a_suite_that_cannot_be_loaded(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SuiteError, match=message) as caught:
        load_suite(**arguments)
    assert (caught.value.code, caught.value.exit_code) == ("E_SUITE", 2)


def test_a_selection_that_cannot_be_made(quixbugs: Path) -> None:
    with pytest.raises(SuiteError, match=r"no such task \(got 'doubel'\); did you mean 'double'"):
        load_suite("quixbugs", quixbugs, only=["doubel"])
    with pytest.raises(SuiteError, match="limit is not positive"):
        load_suite("quixbugs", quixbugs, limit=0)


def test_json_cases_are_split_by_index(quixbugs: Path) -> None:
    task = load_suite("quixbugs", quixbugs, only=["double"])[0]
    files = task.task.repository.files
    assert files is not None
    assert files["json_testcases/double.json"] == "[[1], 2]\n[[3], 6]\n"
    assert files["python_programs/double.py"] == (quixbugs / "python_programs/double.py").read_text()
    assert files["python_testcases/test_double.py"] == (quixbugs / "python_testcases/test_double.py").read_text()
    assert "python_testcases/load_testdata.py" in files
    assert not any("node" in path or "correct" in path for path in files)
    hidden = task.task.hidden.checks[0].files
    assert hidden["json_testcases/double.json"] == (quixbugs / "json_testcases/double.json").read_text()
    assert task.meta == {"cases": 4, "visible_cases": 2}
    assert b"[4]" not in task_json(redacted(task.task))


def test_test_functions_are_split_by_index(quixbugs: Path) -> None:
    task = load_suite("quixbugs", quixbugs, only=["length"])[0]
    files = task.task.repository.files
    assert files is not None
    shown = files["python_testcases/test_length.py"]
    assert "def test1" in shown
    assert "def test3" in shown
    assert "def helper" in shown
    assert "test2" not in shown
    assert "skipif" not in shown
    whole = task.task.hidden.checks[0].files["python_testcases/test_length.py"]
    assert whole == (quixbugs / "python_testcases/test_length.py").read_text()
    assert files["python_testcases/node.py"] == (quixbugs / "python_testcases/node.py").read_text()
    assert "python_programs/node.py" not in files
    assert task.meta == {"cases": 3, "visible_cases": 2}
    assert task.reference is None


@pytest.mark.parametrize("name", ["double", "length"])
def test_a_single_case_is_visible(name: str, quixbugs: Path) -> None:
    (quixbugs / "json_testcases/double.json").write_text("[[1], 2]\n\n")
    file = quixbugs / "python_testcases/test_length.py"
    file.write_text(file.read_text().replace("def test2", "def no_test2").replace("def test3", "def no_test3"))
    assert load_suite("quixbugs", quixbugs, only=[name])[0].meta == {"cases": 1, "visible_cases": 1}


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("json_testcases/double.json", b"[[1], 2]\n[[2], 4\n", r"double.json:2: a test case is not JSON"),
        ("json_testcases/double.json", b"\n", r"double.json: the file has no test cases"),
        ("json_testcases/double.json", None, r"double.json: a data file is missing; fetch"),
        ("conftest.py", None, r"conftest.py: a data file is missing"),
        ("python_programs/double.py", b"def double(:\n", r"is not Python"),
        ("python_programs/double.py", b"\xff", r"double.py: a data file is not UTF-8 text \(got 'byte 0'\)"),
        ("python_testcases/test_double.py", b"def (", r"test_double.py: a data file is not Python"),
        ("python_testcases/test_double.py", b"a = '\0'", r"is not Python"),
        ("correct_python_programs/double.py", b"\xff", r"not UTF-8"),
    ],
)
def test_damaged_quixbugs_data(path: str, content: bytes | None, message: str, quixbugs: Path) -> None:
    if content is None:
        (quixbugs / path).unlink()
    else:
        (quixbugs / path).write_bytes(content)
    with pytest.raises(SuiteError, match=message):
        load_suite("quixbugs", quixbugs)


def test_quixbugs_without_any_test_file(tmp_path: Path) -> None:
    put(tmp_path, {"python_programs/a.py": "", "python_testcases/readme": ""})
    with pytest.raises(SuiteError, match="no program in this folder has a test file"):
        load_suite("quixbugs", tmp_path)


def test_quixbugs_checks_tell_right_from_wrong(quixbugs: Path, tmp_path: Path) -> None:
    task = load_suite("quixbugs", quixbugs, only=["double"])[0]
    visible, interface, hidden = *task.task.checks, task.task.hidden.checks[0]
    assert (visible.name, interface.name, hidden.name) == ("visible-tests", "interface", "all-tests")
    # The bug shows in the hidden half only.
    assert run_check(task, visible, tmp_path / "a")[0] is True
    assert run_check(task, interface, tmp_path / "b")[0] is True
    assert run_check(task, hidden, tmp_path / "c")[0] is False
    assert task.reference is not None
    for number, check in enumerate((visible, interface, hidden)):
        passed, output = run_check(task, check, tmp_path / f"d{number}", task.reference)
        assert passed, output


def test_an_endless_loop_is_a_failed_case_and_the_others_still_run(quixbugs: Path, tmp_path: Path) -> None:
    task = load_suite("quixbugs", quixbugs, only=["count"])[0]
    passed, output = run_check(task, task.task.hidden.checks[0], tmp_path / "a")
    assert not passed
    assert "2 failed, 1 passed" in output
    assert "this case was still running after 6 s" in output
    assert "while n:" in output


@pytest.mark.parametrize(
    ("program", "holds"),
    [
        ("def double(n, times=1):\n    return n", True),
        ("def double(n, times=1, *, more=None):\n    return n", True),
        ("double = lambda n, times: n", False),
        ("def double(m, times=1):\n    return m", False),
        ("def double(n):\n    return n", False),
        ("def double(n, times=1, *, more):\n    return n", False),
        ("def other(n, times=1):\n    return n", False),
    ],
)
def test_the_interface_check(program: str, holds: bool, quixbugs: Path, tmp_path: Path) -> None:
    task = load_suite("quixbugs", quixbugs, only=["double"])[0]
    assert task.task.repository.files is not None
    task.task.repository.files["python_programs/double.py"] = program
    assert run_check(task, task.task.checks[1], tmp_path / "a")[0] is holds


def test_changed_tests_do_not_reach_the_hidden_check(quixbugs: Path, tmp_path: Path) -> None:
    task = load_suite("quixbugs", quixbugs, only=["double"])[0]
    files = task.task.repository.files
    assert files is not None
    files["json_testcases/double.json"] = "[[1], 2]\n"
    files["pytest.ini"] = "[pytest]\naddopts = --collect-only\n"
    files["conftest.py"] = "collect_ignore_glob = ['*']\n"
    files["python_testcases/test_double.py"] = "def test_double(): pass\n"
    assert run_check(task, task.task.hidden.checks[0], tmp_path / "a")[0] is False


def test_humanevalfix_rows(tmp_path: Path) -> None:
    (task,) = load_suite("humanevalfix", jsonl(tmp_path / "data", ROW))
    assert (task.id, task.task.name) == ("python-7", "humanevalfix-7")
    files = task.task.repository.files
    assert files is not None
    assert files["solution.py"] == f"{ROW['prompt']}{ROW['buggy_solution']}"
    assert "Half of x." in task.task.objective
    assert "half(9)" not in task_json(redacted(task.task)).decode()
    assert "half(9)" in task.task.hidden.checks[0].files["test_hidden.py"]
    assert load_suite("humanevalfix", tmp_path / "data" / "python.jsonl") == [task]
    checks = (*task.task.checks, *task.task.hidden.checks)
    assert [run_check(task, check, tmp_path / check.name)[0] for check in checks] == [False, True, False]
    assert task.reference is not None
    assert all(run_check(task, check, tmp_path / f"r-{check.name}", task.reference)[0] for check in checks)


def test_humanevalfix_rows_without_example_or_reference(tmp_path: Path) -> None:
    row = {**ROW, "example_test": "", "canonical_solution": ""}
    (task,) = load_suite("humanevalfix", jsonl(tmp_path / "data", row))
    assert task.reference is None
    assert run_check(task, task.task.checks[0], tmp_path / "a")[0] is True
    assert run_check(task, task.task.hidden.checks[0], tmp_path / "b")[0] is False


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no rows"),
        ([{**ROW, "prompt": 1}], r"python.jsonl:1: a row cannot be used: Expected `str`, got `int` - at `\$.prompt`"),
        ([{key: value for key, value in ROW.items() if key != "test"}], r"missing required field `test`"),
        ([ROW, {**ROW, "task_id": "Python/8", "buggy_solution": "    return ("}], r"python.jsonl:2: .*not Python"),
        ([{**ROW, "test": "def check(half:\ncheck(half)"}], r"python.jsonl:1: .*not Python"),
        ([{**ROW, "entry_point": "half; import os"}], "not a Python name"),
        ([ROW, ROW], r"given twice \(got 'python-7'\)"),
        ([[]], "a row cannot be used"),
    ],
)
def test_damaged_humanevalfix_data(rows: list[Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=message):
        load_suite("humanevalfix", jsonl(tmp_path / "data", *rows))


def test_starter_layout(tmp_path: Path) -> None:
    text = "name: a\nrepository: {path: repo}\nobjective: Mend it.\nmetadata: {kind: bug}\n"
    put(tmp_path, {"one/task.yaml": text, "one/repo/x": "1", "one/reference.patch": "diff", "two/task.yaml": text})
    put(tmp_path, {"two/repo/x": "1"})
    one, two = load_suite("starter", tmp_path)
    assert (one.id, one.reference, one.meta) == ("one", b"diff", {"kind": "bug"})
    assert one.task.repository.path == str((tmp_path / "one" / "repo").resolve())
    assert (two.id, two.reference) == ("two", None)


def test_every_fixture_task_is_a_valid_task_file(quixbugs: Path, tmp_path: Path) -> None:
    for task in (*load_suite("quixbugs", quixbugs), *load_suite("humanevalfix", jsonl(tmp_path / "data", ROW))):
        file = tmp_path / "task.json"
        file.write_bytes(task_json(task.task))
        assert lint_task(file) == [], task.id


@pytest.mark.parametrize(("suite", "count"), [("quixbugs", 20), ("humanevalfix", 82)])
def test_the_real_data(suite: str, count: int, real_data: Callable[[str], Path], tmp_path: Path) -> None:
    tasks = load_suite(suite, real_data(suite))
    assert len(tasks) >= count
    assert len({task.id for task in tasks}) == len(tasks)
    for task in tasks:
        file = tmp_path / "task.json"
        file.write_bytes(task_json(task.task))
        assert lint_task(file) == [], task.id
        if "cases" in task.meta:
            assert task.meta["visible_cases"] == (task.meta["cases"] + 1) // 2
            assert task.meta["cases"] >= 2
