"""Which files a weak model is shown up front: those the task names, then those its tests use, then small sources."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from terret.runtime._agent import Agent
from terret.runtime._prompts import describe, test_commands
from terret.sandbox import Entry
from terret.tools import ToolFailure

SOURCE_SUFFIXES = {
    ".py",
    ".js",
    ".mjs",
    ".cjs",
    ".ts",
    ".jsx",
    ".tsx",
    ".go",
    ".rs",
    ".java",
    ".c",
    ".h",
    ".cpp",
    ".rb",
}
"""Files that can hold the defect."""

_TEST = re.compile(
    r"(^|/)(tests?|__tests__|specs?|python_testcases)/"
    r"|(^|/)(test_[^/]*|[^/]*_test|[^/]*\.(test|spec))\.\w+$"
    r"|(^|/)conftest\.py$"
)


class Offered:
    """A file put before the model: its path, its text and why."""

    def __init__(self, path: str, text: str, reason: str) -> None:
        self.path = path
        self.text = text
        self.reason = reason

    @property
    def item(self) -> dict[str, object]:
        """The file as the context trace records it."""
        lines = self.text.count("\n") + 1
        return {"path": self.path, "start": 1, "end": lines, "tokens": len(self.text) // 3, "reason": self.reason}


def is_test(path: str) -> bool:
    """Whether a path looks like a test rather than a source."""
    return bool(_TEST.search(path))


async def choose_files(agent: Agent, limit_chars: int, most: int = 4) -> list[Offered]:
    """The files most likely to hold the defect, best first, within ``limit_chars`` together."""
    entries = [entry for entry in await agent.kernel.list(".", 8) if _is_source(entry)]
    paths = {entry.path for entry in entries}
    named = describe(agent.task)
    places = {path: place for place, path in enumerate(agent.support.paths)}
    scored: list[tuple[int, int, str, str]] = []
    used = await _used_by_tests(agent, paths)
    for entry in entries:
        score, reason = _score(entry.path, named, agent.task.hints, used)
        if score < 90 and entry.path in places:
            score, reason = 80 - min(places[entry.path], 30), "ranked for the task"
        scored.append((-score, entry.size, entry.path, reason))
    offered: list[Offered] = []
    for _, size, path, reason in sorted(scored):
        if len(offered) >= most or (offered and size > limit_chars):
            break
        try:
            text = (await agent.kernel.read(path)).decode("utf-8", "replace")
        except ToolFailure:
            continue
        limit_chars -= len(text)
        offered.append(Offered(path, text, reason))
    return offered


def _is_source(entry: Entry) -> bool:
    path = PurePosixPath(entry.path)
    return entry.kind == "file" and path.suffix in SOURCE_SUFFIXES and not is_test(entry.path) and entry.size > 0


def _score(path: str, named: str, hints: tuple[str, ...], used: dict[str, int]) -> tuple[int, str]:
    stem = PurePosixPath(path).stem
    if path in hints:
        return 100, "named by the task"
    if path in named:
        return 90, "named in the objective"
    if len(stem) > 3 and re.search(rf"\b{re.escape(stem)}\b", named):
        return 60 + used.get(path, 0), "its name occurs in the objective"
    if path in used:
        return 40 + used[path], "used by the tests"
    return (5 if path.startswith("harness/") else 10), "a source file"


async def _used_by_tests(agent: Agent, paths: set[str]) -> dict[str, int]:
    """Sources whose module name occurs in the test files that the visible test commands name."""
    commands = " ".join(test_commands(agent.task)) if "run" in agent.tools else ""
    used: dict[str, int] = {}
    for word in re.findall(r"[\w./-]+\.\w+", commands):
        try:
            text = (await agent.kernel.read(word)).decode("utf-8", "replace")
        except ToolFailure:
            continue
        for path in paths:
            stem = PurePosixPath(path).stem
            if len(stem) > 2 and re.search(rf"\b{re.escape(stem)}\b", text):
                used[path] = used.get(path, 0) + 1
    return used
