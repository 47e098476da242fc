"""The guides an agent reads: written from the repository and the visible part of the task, bounded, always the same."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from terret.context._rank import rank
from terret.context._repo import Repo, is_document
from terret.context._survey import Survey
from terret.context._symbol import Symbol, cut
from terret.task import Task, redacted

LIMIT = 5_800
"""Characters of one guide."""


def guides(repo: Repo, task: Task, *, history: Sequence[str] = ()) -> dict[str, str]:
    """The guides of a repository for a task, artifact name to Markdown.

    ``agent_guide`` says what the repository is and how one works in it, ``architecture`` what is where,
    ``testing_guide`` how it is tested, ``context_protocol`` what to read first. Nothing of the task's hidden part,
    tags or metadata enters them.

    Args:
        repo: The repository as the agent finds it.
        task: The task.
        history: Recent history, latest first: changed paths or subjects of commits.
    """
    shown = redacted(task)
    survey = Survey(repo)
    return {
        "agent_guide": agent_guide(survey, shown, history),
        "architecture": architecture(survey),
        "testing_guide": guide_to_tests(survey, shown),
        "context_protocol": context_protocol(repo, shown, history),
    }


def agent_guide(survey: Survey, task: Task | None = None, history: Sequence[str] = (), name: str = "") -> str:
    """What the repository is, its layout, commands and habits."""
    manifests = survey.manifests
    parts = [
        f"# {manifests.name or name or 'This repository'}: guide",
        manifests.purpose,
        _section("Layout", _layout(survey)),
        _section("Commands", _commands(survey, task)),
        _section("Conventions found in the code", survey.conventions),
        _section("Dependencies", [", ".join(manifests.dependencies[:30])] if manifests.dependencies else []),
        _section("What you may change", _permissions(task) if task else []),
        _section("Documents", [path for path in survey.texts.paths if is_document(path)][:15]),
        _section("Recent history", [cut(line, 100) for line in history if line.strip()][:10]),
    ]
    return bounded(parts)


def architecture(survey: Survey) -> str:
    """Rooms with their files and main definitions, who imports whom, where it starts."""
    starts = [f"`{item.name}`: {item.run} ({item.source})" for item in survey.manifests.entry_points[:12]]
    uses = [f"{room} imports from {', '.join(others[:8])}" for room, others in survey.room_imports().items()]
    common = sorted(survey.used.items(), key=lambda item: (-item[1], item[0]))[:8]
    central = [f"{path} (imported by {n} files)" for path, n in common if n > 1]
    return bounded(
        [
            "# Architecture",
            _section("Entry points", starts),
            _section("Imports between folders", uses[:25]),
            _section("Most imported files", central),
            _section("Files and what they define", _rooms(survey)),
        ]
    )


def guide_to_tests(survey: Survey, task: Task | None = None) -> str:
    """Frameworks, where tests lie, what they are about, how to run all and one."""
    testing = survey.testing
    run: list[str] = []
    if task is not None:
        run += [f"The tests of this change: `{command}`" for command in task.targeted]
        run += [f"All tests: `{task.tests}`"] if task.tests else []
    elif testing.run_all:
        run.append(f"All tests: `{testing.run_all}`")
    if testing.one:
        run.append(f"One test, for example: `{testing.one}`")
    covers = [
        f"{path}: {', '.join(sources[:4]) or 'no source of the repository is imported'}"
        for path, sources in testing.covers.items()
    ]
    advice = [
        "Run the tests of the file you change first, all tests before you finish.",
        "A test that fails before your change shows the defect; read what it expected and what it got.",
        "Never weaken, skip or delete a test to make it pass.",
    ]
    return bounded(
        [
            "# Testing guide",
            _section("Frameworks", testing.frameworks or ["No test files were found."]),
            _section("How to run", run),
            _section("Good practice", advice),
            _section("Helpers of the tests", testing.helpers[:12]),
            _section("Test files and the sources they are about", covers),
        ]
    )


def context_protocol(repo: Repo, task: Task, history: Sequence[str] = ()) -> str:
    """How to choose what to read, with the files that most probably matter for the task."""
    query = "\n".join([task.objective, *(requirement.text for requirement in task.requirements)])
    spans = rank(repo, query, budget_tokens=12_000, tests=task.targeted, hints=task.hints, history=history)
    first: dict[str, list[str]] = {}
    for span in spans:
        first.setdefault(span.path, [span.reason]).append(f"{span.start}-{span.end}")
    listed = [f"{path} (lines {', '.join(lines[1:][:4])}): {lines[0]}" for path, lines in list(first.items())[:15]]
    rules = [
        "Read the top of the list below before any other file; stop as soon as you can name the place to change.",
        "Search for an exact word of the objective or the error message rather than reading folders.",
        "From a failing test go to the function it calls; from a function to those who call it.",
        "Before you change a signature, search for every use of it.",
        "Read a file again after you changed it, not before; the rest stays as you saw it.",
    ]
    return bounded(
        [
            "# What to read",
            _section("How to choose", rules),
            _section("Probably relevant for this task, best first", listed),
        ]
    )


def bounded(parts: Iterable[str]) -> str:
    """The parts as one text of at most ``LIMIT`` characters, cut at the end of a line."""
    text = "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"
    if len(text) <= LIMIT:
        return text
    kept = text[: LIMIT - 40].rsplit("\n", 1)[0]
    return f"{kept}\n({text.count(chr(10)) - kept.count(chr(10))} more lines left out)\n"


def _section(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""


def _layout(survey: Survey) -> list[str]:
    """The folders two levels deep with what they hold, and the files at the root."""
    counts: Counter[str] = Counter()
    ends: dict[str, Counter[str]] = {}
    roots: list[str] = []
    for path in survey.texts.paths:
        folders = path.split("/")[:-1]
        if not folders:
            roots.append(path)
            continue
        folder = "/".join(folders[:2])
        counts[folder] += 1
        ends.setdefault(folder, Counter())[posixpath.splitext(path)[1] or "other"] += 1
    lines: list[str] = []
    for folder, n in sorted(counts.items())[:30]:
        kinds = ", ".join(end for end, _ in sorted(ends[folder].items(), key=lambda item: (-item[1], item[0]))[:3])
        about = _about(survey, folder)
        lines.append(f"{folder}/: {n} file{'s' if n > 1 else ''} ({kinds}){f': {about}' if about else ''}")
    return [*lines, *([f"at the root: {', '.join(roots[:20])}"] if roots else [])]


def _about(survey: Survey, folder: str) -> str:
    """The first line of a package's own docstring."""
    match = re.match(r'\s*[rR]?"""\s*([^\n"]+)', survey.texts[f"{folder}/__init__.py"])
    return cut(match[1], 100) if match else ""


def _commands(survey: Survey, task: Task | None) -> list[str]:
    stated: list[str] = []
    if task is not None:
        stated += [f"tests of this change: `{command}`" for command in task.targeted]
        stated += [f"all tests: `{task.tests}`"] if task.tests else []
        stated += [f"lint: `{task.lint}`"] if task.lint else []
    found = [
        f"{command.name}: `{command.run}` ({command.source})"
        for command in survey.commands
        if task is None or command.name != "tests" or not task.tests
    ]
    return [*stated, *found[:15]]


def _permissions(task: Task) -> list[str]:
    allowed, denied = task.permissions.write, task.permissions.deny_write
    lines = ["anything in the repository" if allowed == ("**",) else f"files that match: {', '.join(allowed)}"]
    return [*lines, *([f"never files that match: {', '.join(denied)}"] if denied else [])]


def _rooms(survey: Survey) -> list[str]:
    """Every source with its main definitions; the more files, the fewer definitions each."""
    most = max(1, min(8, 90 // max(1, len(survey.sources))))
    lines: list[str] = []
    for room, paths in survey.rooms().items():
        if len(survey.sources) > 60:
            lines.append(f"{room}/: {', '.join(posixpath.basename(path) for path in paths[:12])}")
            continue
        for path in paths:
            names = [_shown(symbol) for symbol in _main_symbols(survey.outline(path))[:most]]
            lines.append(f"{path}: {'; '.join(names)}" if names else path)
    return lines


def _main_symbols(symbols: Sequence[Symbol]) -> list[Symbol]:
    """Public functions and classes first, then public methods; constants only where there is nothing else."""
    public = [symbol for symbol in symbols if not symbol.name.startswith(("_", "#"))]
    top = [symbol for symbol in public if symbol.kind in ("function", "class")]
    return [*top, *(s for s in public if s.kind == "method")] or [s for s in symbols if s.kind != "method"]


def _shown(symbol: Symbol) -> str:
    head = re.sub(r"^(?:export\s+)?(?:default\s+)?(?:async\s+)?(?:def|function|class)\s+", "", symbol.signature)
    name = f"class {head}" if symbol.kind == "class" else f"{symbol.parent}.{head}" if symbol.parent else head
    return cut(f"`{cut(name, 90)}`" + (f" {symbol.doc}" if symbol.doc else ""), 170)
