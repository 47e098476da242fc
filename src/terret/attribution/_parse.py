"""From the output of a failed command to what failed."""

from __future__ import annotations

import re

import msgspec

from terret.attribution._failure import Failure, Kind
from terret.attribution._python import pytest_failures, traceback_failures, unittest_failures
from terret.attribution._script import compiler_failures, node_failures, script_failures

_STATUS: dict[str, Kind] = {
    "timeout": "timeout",
    "cpu": "timeout",
    "memory": "memory",
    "pids": "unknown",
    "disk": "unknown",
    "output": "unknown",
    "killed": "infrastructure",
}
_MISSING = re.compile(r"(?:command not found|: not found|No module named (?!.*tests?\b)|No such file or directory)")

CODES: dict[Kind, str] = {
    "assertion": "F_model",
    "exception": "F_model",
    "timeout": "F_model",
    "memory": "F_model",
    "syntax": "F_model",
    "import": "F_context",
    "compile": "F_model",
    "lint": "F_verify",
    "format": "F_tool",
    "not_found": "F_tool",
    "infrastructure": "F_unknown",
    "unknown": "F_unknown",
}
"""The failure code each kind counts under."""


def parse_failures(output: str, *, exit_code: int | None, status: str = "ok") -> list[Failure]:
    """Every failure that an output shows, at least one.

    Args:
        output: Standard output and error of the command.
        exit_code: Its exit code, ``None`` when it was stopped.
        status: ``ok`` or the limit that stopped it, as the sandbox reports it.
    """
    found = pytest_failures(output) or unittest_failures(output) or node_failures(output)
    found = found or traceback_failures(output) or compiler_failures(output) or script_failures(output)
    if status != "ok":
        kind = _STATUS.get(status, "unknown")
        message = f"the command was stopped by its {status} limit"
        found = [*found, Failure(kind, message, infrastructure=kind == "infrastructure")]
    if not found:
        found = [_unexplained(output, exit_code)]
    return [msgspec.structs.replace(failure, code=CODES[failure.kind]) for failure in found]


def _unexplained(output: str, exit_code: int | None) -> Failure:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    last = lines[-1] if lines else f"exit code {exit_code} and no output"
    kind: Kind = "not_found" if exit_code in (126, 127) or _MISSING.search(output) else "unknown"
    return Failure(kind, last[:300])
