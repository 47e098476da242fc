"""How a repository is tested: frameworks, layout, which test belongs to which source, how to run one."""

from __future__ import annotations

import re
from collections import Counter

import msgspec

from terret.context._imports import distances
from terret.context._manifests import Command, Manifests, table
from terret.context._repo import Texts, is_source, is_test, stem, suffix

_SCRIPT_FRAMEWORKS = ("jest", "vitest", "mocha", "ava", "playwright", "cypress")
_PYTHON_TEST = re.compile(r"^(?:class (?P<owner>\w+)[^\n]*:|(?P<indent> *)(?:async )?def (?P<name>test_\w+))", re.M)
_SCRIPT_TEST = re.compile(r"\b(?:test|it)\(\s*([\"'`])(?P<name>.+?)\1")

ONE = {
    "pytest": "python -m pytest -q {path}::{name}",
    "unittest": "python -m unittest {dotted}",
    "node:test": 'node --test --test-name-pattern="{name}" {path}',
    "jest": 'npx jest {path} -t "{name}"',
    "vitest": 'npx vitest run {path} -t "{name}"',
    "mocha": 'npx mocha {path} -g "{name}"',
    "go test": "go test ./{folder} -run '^{name}$'",
    "cargo test": "cargo test {name}",
}
"""How one test is run, by framework."""

ALL = {
    "pytest": "python -m pytest -q",
    "unittest": "python -m unittest",
    "node:test": "node --test",
    "jest": "npx jest",
    "vitest": "npx vitest run",
    "mocha": "npx mocha",
    "go test": "go test ./...",
    "cargo test": "cargo test",
}
"""How the whole suite is run, by framework."""


class Testing(msgspec.Struct, frozen=True):
    """What the tests look like; ``covers`` maps a test file to the sources it is about, ``one`` runs a single test."""

    __test__ = False

    frameworks: list[str]
    files: list[str]
    helpers: list[str]
    covers: dict[str, list[str]]
    run_all: str
    one: str


def read_testing(texts: Texts, graph: dict[str, set[str]], manifests: Manifests) -> Testing:
    """How the repository's tests are laid out and run, by what is in them."""
    found = [path for path in texts.sources() if is_test(path)]
    files = [path for path in found if _has_tests(path, texts[path])]
    frameworks = _frameworks(texts, files, manifests)
    helpers = [path for path in found if path not in files and texts[path].strip()]
    first = frameworks[0] if frameworks else ""
    npm = any(command.name == "test" and command.run == "npm test" for command in manifests.commands)
    run_all = "npm test" if npm and first not in ("pytest", "unittest") else ALL.get(first, "")
    return Testing(frameworks, files, helpers, _covers(files, graph, texts), run_all, _one(first, files, texts))


def _has_tests(path: str, text: str) -> bool:
    end = suffix(path)
    if end == ".py":
        return re.search(r"^\s*(?:async )?def test|TestCase\b", text, re.M) is not None
    if end == ".go":
        return "func Test" in text
    return re.search(r"\b(?:test|it|describe)\s*\(", text) is not None


def _frameworks(texts: Texts, files: list[str], manifests: Manifests) -> list[str]:
    """Frameworks by the number of test files that show them."""
    seen: Counter[str] = Counter()
    tools = table(manifests.python, "tool")
    configured = "pytest" in tools or "pytest.ini" in texts or "[tool:pytest]" in texts["setup.cfg"]
    needed = {**table(manifests.package, "devDependencies"), **table(manifests.package, "dependencies")}
    scripts = " ".join(str(run) for run in table(manifests.package, "scripts").values())
    for path in files:
        text, end = texts[path], suffix(path)
        if end == ".py":
            plain = re.search(r"^(?:import|from) unittest\b(?!\.mock)", text, re.M) and "pytest" not in text
            seen["unittest" if plain and not configured else "pytest"] += 1
        elif end == ".go":
            seen["go test"] += 1
        elif end == ".rs":
            seen["cargo test"] += 1
        elif "node:test" in text:
            seen["node:test"] += 1
        else:
            named = [name for name in _SCRIPT_FRAMEWORKS if name in text or name in needed or name in scripts]
            seen[named[0] if named else "node:test"] += 1
    if not files and "Cargo.toml" in texts and any("#[test]" in texts[path] for path in texts.sources()):
        seen["cargo test"] += 1
    return [name for name, _ in sorted(seen.items(), key=lambda item: (-item[1], item[0]))]


def _covers(files: list[str], graph: dict[str, set[str]], texts: Texts) -> dict[str, list[str]]:
    """The sources each test file imports, those that share its name first."""
    found: dict[str, list[str]] = {}
    for path in files:
        near = distances(graph, {path}, 1)
        about = re.sub(r"^test_|_tests?$|\.(?:test|spec)$", "", stem(path)).lower()
        named = {item for item in texts.sources() if stem(item).lower().strip("_") == about and not is_test(item)}
        sources = {item for item in near if is_source(item) and not is_test(item)} | named
        found[path] = sorted(sources, key=lambda item: (item not in named, item.endswith("__init__.py"), item))
    return found


def _one(framework: str, files: list[str], texts: Texts) -> str:
    """A command that runs a single, really existing test."""
    form = ONE.get(framework)
    ends = {"pytest": ".py", "unittest": ".py", "go test": ".go", "cargo test": ".rs"}
    for path in sorted(files, key=lambda item: (item.count("/"), item)) if form else []:
        end = suffix(path)
        if end != ends.get(framework, end) or (framework not in ends and end in ends.values()):
            continue
        owner, name = _first_test(path, texts[path])
        if name and form:
            dotted = ".".join([path.rsplit(".", 1)[0].replace("/", "."), *([owner] if owner else []), name])
            shown = f"{owner}::{name}" if owner and framework == "pytest" else name
            return form.format(path=path, name=shown, dotted=dotted, folder=path.rpartition("/")[0])
    return ""


def _first_test(path: str, text: str) -> tuple[str, str]:
    """Class and name of the first test of a file."""
    if suffix(path) == ".py":
        owner = ""
        for match in _PYTHON_TEST.finditer(text):
            if match["owner"]:
                owner = match["owner"]
            else:
                return (owner if match["indent"] else ""), match["name"]
        return "", ""
    if suffix(path) == ".go":
        match = re.search(r"func (Test\w+)", text)
        return "", match[1] if match else ""
    match = _SCRIPT_TEST.search(text)
    return "", match["name"] if match else ""


def commands(manifests: Manifests, testing: Testing) -> list[Command]:
    """The commands of a repository, its tests first; ``source`` is the file that says so."""
    found = [Command("tests", testing.run_all, "found by its test files")] if testing.run_all else []
    tools = table(manifests.python, "tool")
    linters = (("ruff", "ruff check ."), ("mypy", "mypy ."), ("pyright", "pyright"), ("black", "black --check ."))
    found += [Command(f"lint ({name})", run, "pyproject.toml") for name, run in linters if name in tools]
    known = {command.run for command in found}
    return found + [command for command in manifests.commands if command.run not in known]
