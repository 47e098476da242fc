"""QuixBugs: single Python functions with one real bug each, in the public layout of that collection."""

from __future__ import annotations

import json
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
    imported_names,
    interface_check,
    parse,
    test_functions,
    without_functions,
)
from terret.gym._suite import SuiteTask
from terret.task import Check, Hidden, Permissions, Repository, Requirement, Task

_OBJECTIVE = """\
The function {name} in {program} has a bug: one line is wrong or missing.
The text at the end of that file is its specification.
Mend the function so that it does what the specification says and the tests in {test} pass.
Do not change the tests.
"""


class QuixBugs:
    """The suite; ``data`` is a checkout of the collection or any part of it in the same layout.

    Of the cases of a program those with an even index (from 0, in the order of the file) are visible: the lines of
    its JSON file, or else the test functions. The hidden check runs all of them.
    """

    name = "quixbugs"
    title = "folder with python_programs/, python_testcases/, json_testcases/ and conftest.py"
    needs_data = True
    is_sequence = False

    def tasks(self, data: Path | None) -> list[SuiteTask]:
        """One task for each program that has a test file, by name.

        Raises:
            SuiteError: The folder does not have the layout, or one of its files cannot be used.
        """
        if data is None or not (data / "python_programs").is_dir() or not (data / "python_testcases").is_dir():
            raise SuiteError("not a QuixBugs folder", where=str(data), hint=f"it must be a {self.title}")
        programs = sorted(file.stem for file in (data / "python_programs").glob("*.py"))
        found = [name for name in programs if (data / "python_testcases" / f"test_{name}.py").is_file()]
        if not found:
            raise SuiteError(
                "no program in this folder has a test file",
                where=str(data),
                hint="python_programs/NAME.py needs python_testcases/test_NAME.py",
            )
        return [_suite_task(data, name) for name in found]


class _Cases(msgspec.Struct):
    """Test files of one program: those the agent sees, those with every case, and how many cases each has."""

    shown: dict[str, str]
    whole: dict[str, str]
    counts: tuple[int, int]


def _suite_task(data: Path, name: str) -> SuiteTask:
    program, test = f"python_programs/{name}.py", f"python_testcases/test_{name}.py"
    source = read_text(data / program)
    cases = _cases(data, name, test)
    support = _support(data, source, read_text(data / test))
    reference = None
    correct = data / "correct_python_programs" / f"{name}.py"
    if correct.is_file():
        reference = text_patch(program, source, read_text(correct))
    command = f"python -m pytest -q {test}"
    visible = Check("visible-tests", command, "passed", 0, ("visible", "whole"), CHECK_TIMEOUT_S)
    interface = interface_check(f"python_programs.{name}", name, source, ("interface",))
    # Every file the run depends on is put back, so that no change to the tests can reach the hidden check.
    files = {**{path: text for path, text in support.items() if path != program}, **cases.whole}
    hidden = Check("all-tests", f"{command} -c pytest.ini", "passed", 0, ("visible", "whole"), CHECK_TIMEOUT_S, files)
    task = Task(
        name=f"quixbugs-{name}",
        repository=Repository(files={program: source, **support, **cases.shown}),
        objective=_OBJECTIVE.format(name=name, program=program, test=test),
        requirements=(
            Requirement("visible", f"The tests in {test} pass."),
            Requirement("whole", f"{name} does what its specification says for every input it allows."),
            Requirement("interface", f"Callers of {name} need not change: same name, same parameters."),
        ),
        checks=(visible, interface) if interface else (visible,),
        hidden=Hidden(checks=(hidden,)),
        tests=command,
        budget=BUDGET,
        permissions=Permissions(deny_write=("python_testcases/**", "json_testcases/**", "conftest.py", "pytest.ini")),
        limits=LIMITS,
        hints=(program, test),
        regression_timeout_s=CHECK_TIMEOUT_S,
    )
    return SuiteTask(name, task, reference, {"cases": cases.counts[1], "visible_cases": cases.counts[0]})


def _cases(data: Path, name: str, test: str) -> _Cases:
    text = read_text(data / test)
    tree = parse(text, str(data / test))
    if "load_testdata" in imported_names(tree):
        path = f"json_testcases/{name}.json"
        lines = _case_lines(data / path)
        shown = lines[::2]
        return _Cases({test: text, path: "".join(shown)}, {test: text, path: "".join(lines)}, (len(shown), len(lines)))
    functions = test_functions(tree)
    left_out = set(functions[1::2])
    filtered = without_functions(text, tree, left_out)
    return _Cases({test: filtered}, {test: text}, (len(functions) - len(left_out), len(functions)))


def _case_lines(file: Path) -> list[str]:
    """The cases of a JSON file, one a line: ``[[arguments...], expected]``."""
    lines = [f"{line}\n" for line in read_text(file).splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        try:
            json.loads(line)
        except ValueError as error:
            raise SuiteError(f"a test case is not JSON: {error}", where=f"{file}:{number}") from None
    if not lines:
        raise SuiteError("the file has no test cases", where=str(file))
    return lines


def _support(data: Path, program: str, test: str) -> dict[str, str]:
    """The files both sides need: pytest's configuration, and the helper modules that are imported."""
    files = {
        "conftest.py": read_text(data / "conftest.py"),
        "pytest.ini": PYTEST_INI,
        "python_testcases/conftest.py": CASE_LIMIT,
    }
    for folder, source in (("python_programs", program), ("python_testcases", test)):
        for name in sorted(imported_names(parse(source, folder))):
            if (data / folder / f"{name}.py").is_file():
                files[f"{folder}/{name}.py"] = read_text(data / folder / f"{name}.py")
    return files
