"""The text of a new task file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

_HEAD = """\
# A terret task. Check it with: terret task lint FILE
# Fields that are left out have the defaults given in the comments.

name: {name}

# Where the code is: exactly one of path, url (with commit) and files.
repository:
{repository}

# What to change and why, as you would tell a colleague.
objective: |
{objective}

# What must hold afterwards. Checks refer to the ids; a requirement is proven by the checks that cover it.
requirements:
  - id: tests-pass
    text: The tests pass.

# Commands that decide. A check passes when it ends with exit_code (default 0) and its output has expect (if given).
checks:
  - name: tests
    run: {tests}
    covers: [tests-pass]
    # expect: "2 passed"
    # exit_code: 0
    # timeout_s: 120

# Only the evaluator sees these. "files" are put into its workspace before the check runs.
# hidden:
#   checks:
#     - name: more-tests
#       run: python -m pytest -q test_hidden.py
#       covers: [tests-pass]
#       files:
#         test_hidden.py: |
#           def test_more():
#               ...
#   notes: For people who read the results.

# The repository's own commands: the whole test suite, the tests of this change, the linter.
tests: {tests}
# targeted:
#   - python -m pytest -q tests/test_one.py
# lint: ruff check .

# Files that the objective names; an agent is offered them first.
# hints:
#   - src/module.py

# budget: {{steps: 40, model_calls: 40, tokens: 400000, wall: 1800, cost: 10}}  # turns, calls, tokens, seconds, USD
# limits: {{wall_s: 60, cpu_s: 60, memory_mb: 2048, pids: 256, output_kb: 4096, disk_mb: 1024}}  # of one command
# permissions:
#   write: ["**"]
#   deny_write: ["tests/**"]
#   ask_run: ["git commit"]  # a person approves it first, see terret run --human
#   network: false
"""

_EXAMPLE_REPOSITORY = """\
  files:
    adding.py: |
      def add(a, b):
          return a - b
    test_adding.py: |
      import unittest

      from adding import add


      class AddTest(unittest.TestCase):
          def test_add(self):
              self.assertEqual(add(2, 2), 4)"""

_EXAMPLE_OBJECTIVE = "add in adding.py must return the sum of its arguments."
_OPEN_OBJECTIVE = "Describe the change here."
_UNITTEST = "python -m unittest"


def new_task(folder: Path | str, *, name: str | None = None, repository: str | None = None) -> str:
    """The YAML text of a task file to be put into ``folder``; it is valid as it is.

    Args:
        folder: Where the file will lie. ``repository`` is taken relative to it, and its name is the default name.
        name: The task's name; characters that do not do are replaced.
        repository: A folder or a git address; without it the file holds a small example of its own.
    """
    base = Path(folder)
    title = re.sub(r"[^A-Za-z0-9._-]+", "-", name if name is not None else base.resolve().name)[:100].strip("-._")
    tests, objective = "make test", _OPEN_OBJECTIVE
    if repository is None:
        source, tests, objective = _EXAMPLE_REPOSITORY, _UNITTEST, _EXAMPLE_OBJECTIVE
    elif re.match(r"[a-z]+://|[\w.-]+@[\w.-]+:", repository):
        source = f"  url: {json.dumps(repository)}\n  commit: HEAD  # pin the full commit id"
    else:
        source = f"  path: {json.dumps(repository)}  # relative to this file\n  # commit: HEAD"
        tests = detect_tests(base / Path(repository).expanduser()) or tests
    return _HEAD.format(
        name=json.dumps(title or "task"), repository=source, objective=f"  {objective}", tests=json.dumps(tests)
    )


def detect_tests(repository: Path) -> str | None:
    """The command that runs the tests of a repository folder, by what lies in it; None when nothing tells."""
    python = list(_python_tests(repository))
    if _configures_pytest(repository) or any("pytest" in text for text in python):
        return "python -m pytest -q"
    if python:
        return _UNITTEST if any("unittest" in text for text in python) else "python -m pytest -q"
    if _has_npm_test(repository / "package.json"):
        return "npm test"
    if re.search(r"^test\s*:", _text(repository / "Makefile"), re.MULTILINE):
        return "make test"
    return None


def _python_tests(repository: Path) -> Iterator[str]:
    """Texts of the test files in the usual places, at most twenty."""
    found: list[Path] = []
    for pattern in ("test_*.py", "*_test.py", "tests/test_*.py", "test/test_*.py", "tests/*/test_*.py"):
        found.extend(sorted(repository.glob(pattern)))
    yield from (_text(file) for file in found[:20])


def _configures_pytest(repository: Path) -> bool:
    if (repository / "pytest.ini").is_file() or (repository / "conftest.py").is_file():
        return True
    if "[tool:pytest]" in _text(repository / "setup.cfg") or (repository / "tests" / "conftest.py").is_file():
        return True
    import tomllib

    try:
        tools = tomllib.loads(_text(repository / "pyproject.toml")).get("tool", {})
    except tomllib.TOMLDecodeError:
        return False
    return "pytest" in tools


def _has_npm_test(file: Path) -> bool:
    try:
        scripts = cast("dict[str, Any]", json.loads(_text(file) or "{}")).get("scripts", {})
        command = str(scripts.get("test", ""))
    except (ValueError, AttributeError):
        return False
    return bool(command) and "no test specified" not in command


def _text(file: Path) -> str:
    """The file's text; empty when it cannot be read."""
    try:
        return file.read_bytes()[:1_000_000].decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
