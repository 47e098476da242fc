"""Suspicious lines: the visible tests run once under a line tracer, scored by how failing and passing tests differ."""

from __future__ import annotations

import shlex
from typing import NamedTuple

from terret.attribution import coverage_runner, parse_coverage, suspects
from terret.runtime._agent import Agent
from terret.runtime._offer import is_test
from terret.tools import ToolFailure

TRACE_S = 60.0
"""Seconds the traced run may take."""


class Suspicion(NamedTuple):
    """Score by line (from 1) by file, and the top lines as text for people and models."""

    lines: dict[str, dict[int, float]]
    top: list[str]


async def suspicious_lines(agent: Agent, test_command: str) -> Suspicion:
    """Localise the fault of the workspace's Python files; empty when the tests cannot be traced or all pass."""
    words = shlex.split(test_command)
    if words[:2] not in (["python", "-m"], ["python3", "-m"]) or words[2:3] not in (["pytest"], ["unittest"]):
        return Suspicion({}, [])
    command = shlex.join(["python", "-c", coverage_runner(), words[2], *words[3:]])
    done = await agent.kernel.check(command, TRACE_S)
    report = parse_coverage(done.output.decode("utf-8", "replace"))
    lines: dict[str, dict[int, float]] = {}
    top: list[str] = []
    for suspect in suspects(report):
        if is_test(suspect.path):
            continue
        lines.setdefault(suspect.path, {})[suspect.line] = suspect.score
        if len(top) < 5:
            top.append(await _described(agent, suspect.path, suspect.line))
    return Suspicion(lines, top)


async def _described(agent: Agent, path: str, line: int) -> str:
    try:
        text = (await agent.kernel.read(path)).decode("utf-8", "replace").splitlines()
    except ToolFailure:
        return f"{path}:{line}"
    code = text[line - 1].strip() if 0 < line <= len(text) else ""
    return f"{path}:{line}: {code}"
