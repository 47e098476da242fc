"""Files in ``.terret/`` that make a repository readable for agents, and whether they still fit it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Literal, cast

import msgspec

from terret.context._guides import agent_guide, architecture, guide_to_tests
from terret.context._manifests import read_manifests
from terret.context._repo import Repo, Texts, digests, is_test
from terret.context._survey import Survey

FOLDER = ".terret"
MANIFEST = f"{FOLDER}/manifest.json"
FORMAT = "terret.affordances/1"

_MADE_FROM = {
    "agent_guide.md": ("manifests", "sources", "documents"),
    "architecture.md": ("manifests", "sources"),
    "testing_guide.md": ("manifests", "sources", "tests"),
    "test_commands.json": ("manifests", "tests"),
    "checks.json": ("manifests", "tests"),
    "known_failures.md": ("tests",),
    "permissions.yaml": ("documents",),
}
"""Artifact to the groups of files it is made from; ``documents`` are all other files, by their presence alone."""

_LONG_STRINGS = re.compile(r'"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'')
_PYTHON_SKIPS = re.compile(
    r"^[ \t]*@(?:pytest\.mark\.|unittest\.)(?P<mark>xfail|skip|skipif|skipIf|skipUnless|expectedFailure)\b"
    r"(?P<args>[^\n]*)\n(?:[ \t]*@[^\n]*\n)*[ \t]*(?:async )?(?:def|class) (?P<name>\w+)",
    re.MULTILINE,
)
_SCRIPT_SKIPS = re.compile(
    r"^[ \t]*(?:it|test|describe)\.(?P<mark>skip|todo|failing)(?P<args>)\(\s*[\"'`](?P<name>[^\"'`\n]+)", re.MULTILINE
)


class Stale(msgspec.Struct, frozen=True):
    """An artifact that no longer says what the repository says, and why."""

    path: str
    why: str


class Planned(msgspec.Struct, frozen=True):
    """What is to be done with one artifact.

    ``new``: there is none yet. ``changed``: it is as it was made, and would be made differently now. ``same``.
    ``edited``: a person has changed it, so it is left alone.
    """

    path: str
    action: Literal["new", "changed", "same", "edited"]
    content: bytes


def affordances(repo: Repo, *, name: str) -> dict[str, bytes]:
    """The artifacts of a repository, path to content; deterministic.

    Guides, commands, checks and permissions in the shapes of a task file, known failures (tests that are skipped or
    expected to fail), and a manifest with the digests of all that they were made from.

    Args:
        repo: The repository.
        name: What it is called where its manifests do not say.
    """
    survey = Survey(repo)
    made = {
        "agent_guide.md": agent_guide(survey, name=name).encode(),
        "architecture.md": architecture(survey).encode(),
        "testing_guide.md": guide_to_tests(survey).encode(),
        "test_commands.json": _json(_commands(survey)),
        "checks.json": _json(_checks(survey)),
        "known_failures.md": _known_failures(survey).encode(),
        "permissions.yaml": _permissions(repo).encode(),
    }
    files = {
        path: {"sha256": sha256(content).hexdigest(), "from": list(_MADE_FROM[path])} for path, content in made.items()
    }
    manifest = {"format": FORMAT, "name": name, "files": files, "sources": _sources(repo)}
    return {f"{FOLDER}/{path}": content for path, content in made.items()} | {MANIFEST: _json(manifest)}


def plan(repo: Repo, *, name: str) -> list[Planned]:
    """What writing the artifacts would do to those that are there; the manifest comes last."""
    recorded = _recorded(repo)
    planned: list[Planned] = []
    for path, content in affordances(repo, name=name).items():
        present = repo.read(path)
        if present is None:
            action = "new"
        elif present == content:
            action = "same"
        elif path == MANIFEST or sha256(present).hexdigest() == _digest(recorded, path):
            action = "changed"
        else:
            action = "edited"
        planned.append(Planned(path, action, content))
    return planned


def stale(repo: Repo) -> list[Stale]:
    """Every artifact that is missing or would be made differently now; edits by people are not staleness."""
    recorded = _recorded(repo)
    if recorded is None:
        why = "it cannot be read" if repo.read(MANIFEST) is not None else "it is missing"
        return [Stale(MANIFEST, f"{why}: run terret init")]
    found: list[Stale] = []
    now = affordances(repo, name=str(recorded.get("name") or ""))
    before = _table(recorded, "sources")
    after = _sources(repo)
    for path, content in now.items():
        if path == MANIFEST:
            continue
        if repo.read(path) is None:
            found.append(Stale(path, "it is missing"))
        elif sha256(content).hexdigest() != _digest(recorded, path):
            groups = _MADE_FROM[path.removeprefix(f"{FOLDER}/")]
            found.append(Stale(path, _why([(_table(before, group), after[group]) for group in groups])))
    return found


def _why(groups: list[tuple[Mapping[str, Any], Mapping[str, str]]]) -> str:
    changes: list[str] = []
    for old, new in groups:
        changes += [f"{path} is new" for path in sorted(new.keys() - old.keys())]
        changes += [f"{path} is gone" for path in sorted(old.keys() - new.keys())]
        changes += [f"{path} changed" for path in sorted(old.keys() & new.keys()) if old[path] != new[path]]
    shown = "; ".join(changes[:3])
    more = f"; {len(changes) - 3} more" if len(changes) > 3 else ""
    return shown + more if changes else "this version of terret makes it differently"


def _sources(repo: Repo) -> dict[str, dict[str, str]]:
    """Group to path to digest of everything that the artifacts are made from."""
    texts = Texts(repo)
    manifests = [*read_manifests(texts).sources, *(p for p in texts.paths if p.lower().endswith("contributing.md"))]
    sources = texts.sources()
    others = sorted(set(texts.paths) - set(manifests) - set(sources))
    return {
        "manifests": digests(repo, manifests),
        "sources": digests(repo, [path for path in sources if not is_test(path)]),
        "tests": digests(repo, [path for path in sources if is_test(path)]),
        "documents": dict.fromkeys(others, ""),
    }


def _recorded(repo: Repo) -> dict[str, Any] | None:
    """The manifest on disk; nothing when it is missing or not one of ours."""
    try:
        found: Any = json.loads(repo.read(MANIFEST) or b"")
    except (ValueError, RecursionError):
        return None
    table = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    return table if table.get("format") == FORMAT else None


def _digest(recorded: Mapping[str, Any] | None, path: str) -> str | None:
    entry = _table(_table(recorded or {}, "files"), path.removeprefix(f"{FOLDER}/"))
    return entry.get("sha256")


def _table(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _lint(survey: Survey) -> str | None:
    found = (command.run for command in survey.commands if re.match(r"lint\b", command.name))
    return next(found, None)


def _commands(survey: Survey) -> dict[str, Any]:
    """The test-command registry: the members are those of a task file, and one test as an example."""
    named = {command.name: command.run for command in survey.commands}
    return {
        "tests": survey.testing.run_all or None,
        "one": survey.testing.one or None,
        "lint": _lint(survey),
        "commands": named,
        "covers": survey.testing.covers,
    }


def _checks(survey: Survey) -> list[dict[str, Any]]:
    """Deterministic checks in the shape of a task file's ``checks``."""
    checks = [("tests", survey.testing.run_all), ("lint", _lint(survey))]
    return [{"name": name, "run": run, "exit_code": 0, "covers": []} for name, run in checks if run]


def _known_failures(survey: Survey) -> str:
    found = [line for path in survey.texts.sources() if is_test(path) for line in _skipped(survey, path)]
    lines = found[:60] or ["- none found: no test is skipped or expected to fail"]
    return "\n".join(
        [
            "# Known failures",
            "",
            "What fails here for reasons of its own. An agent reads this before it blames its change.",
            "Add what you know: the command, what it prints, why, and since when.",
            "",
            "## Tests marked as skipped or expected to fail",
            "",
            *lines,
            "",
        ]
    )


def _skipped(survey: Survey, path: str) -> Iterator[str]:
    text = survey.texts[path]
    python = path.endswith(".py")
    found = _PYTHON_SKIPS.finditer(_LONG_STRINGS.sub("", text)) if python else _SCRIPT_SKIPS.finditer(text)
    for match in found:
        reason = re.search(r"(?:reason\s*=\s*|\()[\"']([^\"']+)", match["args"])
        yield f"- {path}: `{match['name']}` ({match['mark']}){f': {reason[1]}' if reason else ''}"


def _permissions(repo: Repo) -> str:
    """A task file's ``permissions``: what decides about the repository itself is not the agent's to change."""
    guarded = {
        ".github/**": r"\.github/",
        ".gitlab-ci.yml": r"\.gitlab-ci\.yml$",
        ".circleci/**": r"\.circleci/",
        "**/*.env": r"(?:.*/)?[^/]*\.env$",
        "**/*.pem": r".*\.pem$",
        "**/*.lock": r".*\.lock$",
        "package-lock.json": r"package-lock\.json$",
        "LICENSE": r"LICENSE$",
        "CODEOWNERS": r"CODEOWNERS$",
    }
    denied = [glob for glob, rule in guarded.items() if any(re.match(rule, path) for path in repo.paths)]
    lines = ["# What an agent may change here; copy it into a task file under permissions.", "write:", '  - "**"']
    lines += ["deny_write:", *(f'  - "{glob}"' for glob in denied)] if denied else ["deny_write: []"]
    return "\n".join([*lines, "deny_run: []", "network: false", ""])
