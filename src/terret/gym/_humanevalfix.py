"""HumanEvalFix: Python functions with one seeded bug each, from the rows of HumanEvalPack."""

from __future__ import annotations

from pathlib import Path

import msgspec

from terret.errors import SuiteError
from terret.gym._data import read_text, text_patch
from terret.gym._python import (
    BUDGET,
    CASE_LIMIT,
    CHECK_TIMEOUT_S,
    LIMITS,
    PYTEST_INI,
    interface_check,
    parse,
)
from terret.gym._suite import SuiteTask
from terret.task import Check, Hidden, Permissions, Repository, Requirement, Task

_OBJECTIVE = """\
The function {name} in solution.py has a bug. Mend it so that it solves this problem:

{instruction}

The tests in test_solution.py must pass. Do not change the tests.
"""

_TEST = """\
import random

from solution import *
from solution import {name}


{check}


def {test}():
    random.seed(0)
    check({name})
"""

_NO_EXAMPLE = """\
from solution import {name}


def test_defined():
    assert callable({name})
"""


class _Row(msgspec.Struct):
    """The columns used of one row of the data."""

    task_id: str
    prompt: str
    declaration: str
    buggy_solution: str
    entry_point: str
    instruction: str
    test: str
    example_test: str = ""
    canonical_solution: str = ""


class HumanEvalFix:
    """The suite; ``data`` is the folder of ``python.jsonl``, or that file.

    The program is the prompt (imports, declaration, docstring) and the buggy body; ``example_test`` is visible,
    ``test`` hidden.
    """

    name = "humanevalfix"
    title = "folder with python.jsonl"
    needs_data = True
    is_sequence = False

    def tasks(self, data: Path | None) -> list[SuiteTask]:
        """One task for each row, in the order of the file.

        Raises:
            SuiteError: The file is missing or a row cannot be used.
        """
        file = data / "python.jsonl" if data is not None and data.is_dir() else data
        if file is None or not file.is_file():
            raise SuiteError("not a HumanEvalFix folder", where=str(data), hint=f"it must be a {self.title}")
        tasks: list[SuiteTask] = []
        for number, line in enumerate(read_text(file).split("\n"), 1):
            if line.strip():
                tasks.append(_suite_task(_row(line, f"{file}:{number}"), f"{file}:{number}"))
        if not tasks:
            raise SuiteError("the file has no rows", where=str(file))
        ids = [task.id for task in tasks]
        if len(set(ids)) < len(ids):
            twice = next(name for name in ids if ids.count(name) > 1)
            raise SuiteError("a task is given twice", value=twice, where=str(file), hint="keep one of them")
        return tasks


def _row(line: str, where: str) -> _Row:
    try:
        row = msgspec.json.decode(line, type=_Row)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise SuiteError(f"a row cannot be used: {error}", where=where) from None
    if not row.entry_point.isidentifier():
        raise SuiteError("the entry point is not a Python name", value=row.entry_point, where=where)
    return row


def _suite_task(row: _Row, where: str) -> SuiteTask:
    name = row.entry_point
    source = row.prompt.lstrip("\n") + row.buggy_solution
    parse(source, where)
    reference = None
    if row.canonical_solution:
        reference = text_patch("solution.py", source, row.prompt.lstrip("\n") + row.canonical_solution)
    number = row.task_id.rpartition("/")[2]
    support = {"conftest.py": CASE_LIMIT, "pytest.ini": PYTEST_INI, "test_solution.py": _visible(row, where)}
    command = "python -m pytest -q test_solution.py"
    visible = Check("visible-tests", command, "passed", 0, ("visible", "whole"), CHECK_TIMEOUT_S)
    interface = interface_check("solution", name, source, ("interface",))
    hidden = Check(
        "all-tests",
        f"{command} test_hidden.py -c pytest.ini",
        "passed",
        0,
        ("visible", "whole"),
        CHECK_TIMEOUT_S,
        {**support, "test_hidden.py": _test(row, row.test, "test_hidden", where)},
    )
    task = Task(
        name=f"humanevalfix-{number}",
        repository=Repository(files={"solution.py": source, **support}),
        objective=_OBJECTIVE.format(name=name, instruction=row.instruction.strip()),
        requirements=(
            Requirement("visible", "The tests in test_solution.py pass."),
            Requirement("whole", f"{name} solves the problem for every input it allows."),
            Requirement("interface", f"Callers of {name} need not change: same name, same parameters."),
        ),
        checks=(visible, interface) if interface else (visible,),
        hidden=Hidden(checks=(hidden,)),
        tests=command,
        budget=BUDGET,
        permissions=Permissions(deny_write=("conftest.py", "pytest.ini", "test_solution.py")),
        limits=LIMITS,
        hints=("solution.py", "test_solution.py"),
        regression_timeout_s=CHECK_TIMEOUT_S,
    )
    return SuiteTask(f"python-{number}", task, reference, {"examples": bool(row.example_test.strip())})


def _visible(row: _Row, where: str) -> str:
    if not row.example_test.strip():
        return _NO_EXAMPLE.format(name=row.entry_point)
    return _test(row, row.example_test, "test_examples", where)


def _test(row: _Row, text: str, test: str, where: str) -> str:
    """A row's test as a pytest file: its ``check`` function as it is, its closing call as a test function."""
    body = text.strip().removesuffix(f"check({row.entry_point})").rstrip()
    parse(body, where)
    return _TEST.format(name=row.entry_point, check=body, test=test)
