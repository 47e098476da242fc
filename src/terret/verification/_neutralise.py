"""Changes outside the tests that keep them from failing: configuration, start-up hooks, forged exits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from terret.verification._forged import forged_python, forged_script
from terret.verification._results import Finding
from terret.verification._runner_config import config_findings

_STARTUP = frozenset({"sitecustomize.py", "usercustomize.py"})
_SHADOWS = frozenset(
    {"pytest", "_pytest", "unittest", "pluggy", "doctest", "nose", "xdist", "hypothesis", "coverage", "sys", "os"}
)
_RUNNERS = re.compile(r"(?:^|/)node_modules/(?:\.bin/|@jest/|@vitest/|jest|mocha|vitest|ava|tap|tape|chai|jasmine)")
_INSTALLED = re.compile(r"(?:^|/)(?:site-packages|dist-packages)/(?:_?pytest|pluggy|unittest|nose|xdist)")


def neutralising(
    path: str, before: bytes | None, after: bytes | None, *, is_test: bool, commands: Sequence[str]
) -> list[Finding]:
    """What one changed file does to keep tests from failing."""
    if after is None or after == before:
        return list(_lost(path, before))
    found = [*_names(path, before), *config_findings(path, before, after, commands)]
    name = path.rpartition("/")[2]
    if name.endswith(".py"):
        found += forged_python(path, before, after, is_test=is_test)
    elif re.fullmatch(r".*\.[cm]?[jt]sx?", name) and "node_modules/" not in path:
        found += forged_script(path, before, after, is_test=is_test)
    return found


def _names(path: str, before: bytes | None) -> Iterator[Finding]:
    name = path.rpartition("/")[2]
    if name in _STARTUP or name.endswith(".pth"):
        yield Finding("startup_hook", path, f"every Python process runs {name} before anything else")
    if _RUNNERS.search(path) or _INSTALLED.search(path):
        yield Finding("runner_edited", path, "an installed test runner was changed")
    top = path.partition("/")[0].removesuffix(".py")
    if before is None and top in _SHADOWS and (path == f"{top}.py" or path.startswith(f"{top}/")):
        yield Finding("runner_shadowed", path, f"import {top} finds this file instead of the real module")


def _lost(path: str, before: bytes | None) -> Iterator[Finding]:
    """A deleted conftest may have held fixtures that assert."""
    if before is not None and path.rpartition("/")[2] == "conftest.py" and b"fixture" in before:
        yield Finding("conftest_deleted", path, "fixtures were deleted", "note")
