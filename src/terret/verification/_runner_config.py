"""Test-runner configuration: what selects the tests that run, and what makes their failure count."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from terret.verification._results import Finding

Options = dict[str, str]

_NARROWING = re.compile(
    r"--(?:ignore|ignore-glob|deselect|collect-only|co|noconftest|setup-only|setup-plan|fixtures|version|help|lf"
    r"|last-failed|override-ini|pyargs|confcutdir|rootdir|exitfirst-pass|suppress-no-test-exit-code)(?:=.*)?"
    r"|-(?:k|m|c|p|o|h)(?:.*)"
)
_HARMLESS_PLUGIN = re.compile(r"-p\s*no:(?:cacheprovider|warnings|randomly)")
_SELECTION = frozenset({"python_files", "python_classes", "python_functions", "norecursedirs", "collect_ignore"})
_INI = {"pytest.ini": "pytest", ".pytest.ini": "pytest", "tox.ini": "pytest", "setup.cfg": "tool:pytest"}
_SWALLOW = re.compile(
    r"\|\|\s*(?:true|:|exit 0|echo\b)|;\s*(?:true|exit 0)\s*$|^\s*(?:true|:|exit 0|echo\b[^&|;]*)\s*$"
)
_JS_CONFIG = re.compile(
    r"(?:.*/)?(?:jest|vitest|vite|mocha|ava|karma|jasmine)\.config\.\w+|(?:.*/)?\.mocharc(?:\.\w+)?"
)
_JS_NARROWING = re.compile(
    r"testPathIgnorePatterns|modulePathIgnorePatterns|testMatch|testRegex|testNamePattern|passWithNoTests|\bgrep\b"
    r"|\binvert\b|\bignore\b|\bexclude\b|\bfiles\b|\bspec\b|\bsetupFiles\w*|globalSetup|globalTeardown|testRunner|\breporters?\b"
)


def config_findings(path: str, before: bytes | None, after: bytes, commands: Sequence[str] = ()) -> Iterator[Finding]:
    """How one changed file changes which tests run."""
    name = path.rpartition("/")[2]
    if name in _INI:
        section = _INI[name]
        yield from _pytest(path, _ini(before, section), _ini(after, section))
    elif name == "pyproject.toml":
        yield from _pytest(path, _toml(before), _toml(after))
    elif name == "package.json":
        yield from _package(path, _json(before), _json(after))
    elif _JS_CONFIG.fullmatch(path):
        yield from _added_lines(path, before, after, _JS_NARROWING.search)
    elif name in ("Makefile", "makefile", "GNUmakefile", "noxfile.py", "justfile", "Taskfile.yml"):
        yield from _make(path, before, after, commands)


def _pytest(path: str, old: Options | None, new: Options | None) -> Iterator[Finding]:
    """``None`` stands for a file without a pytest section."""
    if new is None:
        if old is not None:
            yield Finding("selection_changed", path, "the pytest section is gone or unreadable")
        return
    was = old or {}
    added = _flags(new.get("addopts", "")) - _flags(was.get("addopts", ""))
    for flag in sorted(added):
        if _NARROWING.fullmatch(flag) and not _HARMLESS_PLUGIN.fullmatch(flag):
            yield Finding("selection_changed", path, f"addopts gets {flag}")
    for option in sorted(_SELECTION):
        if option in new and new[option] != was.get(option):
            yield Finding("selection_changed", path, f"{option} = {new[option]}")
    lost = set(was.get("testpaths", "").split()) - set(new.get("testpaths", "").split())
    if lost and new.get("testpaths"):
        yield Finding("selection_changed", path, f"testpaths loses {', '.join(sorted(lost))}")
    elif "testpaths" in new and "testpaths" not in was:
        yield Finding("selection_changed", path, f"testpaths = {new['testpaths']}", "note")
    if was.get("xfail_strict", "").lower() in ("true", "1") and new.get("xfail_strict", "").lower() not in (
        "true",
        "1",
    ):
        yield Finding("selection_changed", path, "xfail_strict is off")


def _flags(text: str) -> set[str]:
    """The options of a command line, each with its value."""
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    flags: set[str] = set()
    for at, word in enumerate(words):
        if word.startswith("-"):
            value = words[at + 1] if at + 1 < len(words) and not words[at + 1].startswith("-") else ""
            flags.add(word if "=" in word or not value else f"{word} {value}" if len(word) == 2 else f"{word}={value}")
    return flags


def _ini(content: bytes | None, section: str) -> Options | None:
    if content is None:
        return None
    from configparser import ConfigParser, Error

    parser = ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(content.decode("utf-8", "replace"))
    except Error:
        return None
    return dict(parser[section]) if parser.has_section(section) else None


def _toml(content: bytes | None) -> Options | None:
    import tomllib

    try:
        data: Any = tomllib.loads((content or b"").decode("utf-8", "replace"))
    except tomllib.TOMLDecodeError:
        return None
    for name in ("tool", "pytest"):
        data = cast(dict[str, Any], data).get(name) if isinstance(data, dict) else None
    options = cast(dict[str, Any], data).get("ini_options", data) if isinstance(data, dict) else None
    if not isinstance(options, dict):
        return None
    return {key: _words(value) for key, value in cast(dict[str, Any], options).items()}


def _words(value: Any) -> str:
    return " ".join(map(str, cast(list[Any], value))) if isinstance(value, list) else str(value)


def _json(content: bytes | None) -> dict[str, Any]:
    try:
        data: Any = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return {}
    return cast(dict[str, Any], data) if isinstance(data, dict) else {}


def _package(path: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Finding]:
    scripts, was = _section(new, "scripts"), _section(old, "scripts")
    for name in sorted(set(was) | set(scripts)):
        if not re.search(r"test|lint|check|verify", name) or scripts.get(name) == was.get(name):
            continue
        text = str(scripts.get(name, ""))
        if name not in scripts or _SWALLOW.search(text):
            yield Finding("test_script_changed", path, f"{name}: {text or 'removed'}")
        elif name in was:
            yield Finding("test_script_changed", path, f"{name}: {was[name]} became {text}", "note")
    for tool in ("jest", "mocha", "ava", "vitest", "tap"):
        settings, earlier = _section(new, tool), _section(old, tool)
        for key in sorted(settings):
            if _JS_NARROWING.search(key) and settings[key] != earlier.get(key):
                yield Finding("selection_changed", path, f"{tool}.{key} = {settings[key]}")


def _section(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def _added_lines(
    path: str, before: bytes | None, after: bytes, suspicious: Callable[[str], object]
) -> Iterator[Finding]:
    old = set((before or b"").decode("utf-8", "replace").splitlines())
    for line in after.decode("utf-8", "replace").splitlines():
        if line not in old and suspicious(line):
            yield Finding("selection_changed", path, line.strip()[:120])


def _make(path: str, before: bytes | None, after: bytes, commands: Sequence[str]) -> Iterator[Finding]:
    """Recipes of targets that test: a changed one is worth a look, one that swallows failure is not a test."""
    old, new = _recipes(before or b""), _recipes(after)
    named = {word for command in commands for word in command.split()}
    for target in sorted(set(old) | set(new)):
        if not (target in named or re.search(r"test|check|lint", target)) or old.get(target) == new.get(target):
            continue
        recipe = new.get(target)
        swallows = recipe is None or any(_SWALLOW.search(line) or line.startswith("-") for line in recipe)
        if target in old or swallows:
            shown = "removed" if recipe is None else "; ".join(recipe)[:120]
            yield Finding("test_script_changed", path, f"{target}: {shown}", "unsafe" if swallows else "note")


def _recipes(content: bytes) -> dict[str, list[str]]:
    recipes: dict[str, list[str]] = {}
    current: list[str] = []
    for line in content.decode("utf-8", "replace").splitlines():
        if match := re.match(r"([\w.-]+)\s*:(?!=)", line):
            current = recipes.setdefault(match.group(1), [])
        elif line.startswith(("\t", "    ")) and line.strip():
            current.append(line.strip().lstrip("@"))
    return recipes
