"""Which files test the code, by the conventions of their languages and by the task's own commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Literal

Kind = Literal["python", "script", "data", "runner"]
"""How a test file is compared: syntax tree, JavaScript text, recorded data, or line by line."""

_FOLDER = re.compile(r"(?:.*[_-])?(?:tests?|testcases?|testdata|__tests__|__snapshots__)")
_SPEC_FOLDER = re.compile(r"specs?|e2e|cypress")
_PYTHON = re.compile(r"(?:test_.*|.*_tests?|tests?|conftest)\.py")
_SCRIPT = re.compile(r".*\.[cm]?[jt]sx?")
_SCRIPT_NAME = re.compile(r"(?:.*[._-])?(?:test|spec|tests)\.[cm]?[jt]sx?|test[_-].*\.[cm]?[jt]s")
_DATA = re.compile(r".*\.(?:json|jsonl|ndjson|snap|ya?ml|toml|csv|tsv|txt|xml|html|golden|expected|approved\.\w+|out)")


class TestFiles:
    """Tells test files from others.

    Args:
        commands: The task's test commands; the files and folders they name count as tests.
    """

    __test__ = False

    def __init__(self, commands: Sequence[str] = ()) -> None:
        self._named: set[str] = set()
        for command in commands:
            self._named.update(_paths(command))

    def kind(self, path: str) -> Kind | None:
        """How a changed file is to be compared; nothing when it is no test file."""
        folders, _, name = path.rpartition("/")
        parts = folders.split("/") if folders else []
        named = path in self._named or any(path.startswith(folder + "/") for folder in self._named)
        inside = named or any(_FOLDER.fullmatch(part) for part in parts)
        if name.endswith(".py"):
            return "python" if inside or _PYTHON.fullmatch(name) else None
        if _SCRIPT.fullmatch(name):
            specs = any(_SPEC_FOLDER.fullmatch(part) for part in parts)
            return "script" if inside or specs or _SCRIPT_NAME.fullmatch(name) else None
        if name.endswith(".snap") or (inside and _DATA.fullmatch(name)):
            return "data"
        return "runner" if path in self._named else None


def _paths(command: str) -> set[str]:
    """Words of a command that look like paths in the repository."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    found: set[str] = set()
    for word in words:
        plain = word.partition("::")[0].removeprefix("./").rstrip("/")
        looks = "/" in word or "." in plain or re.fullmatch(r"(?:tests?|specs?)", plain)
        if plain and looks and not plain.startswith(("-", "/", "$")) and plain not in (".", ".."):
            found.add(plain)
    return found
