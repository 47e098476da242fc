"""What a change took away: symbols, files, options, commands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple, cast

from terret.entropy._change import Change, mentions
from terret.entropy._paths import (
    base,
    is_build,
    is_document,
    is_lock,
    is_python,
    is_script,
    is_source,
    is_test,
    stem,
    suffix,
)
from terret.entropy._python import assigned, constants, definitions, imports
from terret.entropy._script import scan, script_names

_OPTION = re.compile(r"[\"'](--[a-zA-Z][\w-]+)")
_VARIABLE = re.compile(
    r"(?:environ(?:\.get)?[\[(]|getenv\(|process\.env\.|process\.env\[|env::var\(|Getenv\()\s*[\"']?([A-Z][A-Z0-9_]{2,})"
)
_TARGET = re.compile(r"^([\w./-]+)\s*:(?!=)", re.MULTILINE)
_GENERIC = frozenset(
    {"__init__.py", "index.js", "index.ts", "main.py", "README.md", "conftest.py", "Makefile", "setup.py"}
)
_DEFINES = (
    r"\b(?:def|class|function\*?|const|let|var|fn|func|interface|type|enum|struct|as|import)\s+{0}\b"
    r"|(?<![\w.]){0}\s*(?::[^=\n]+)?=(?!=)|self\.{0}\s*="
)


class Name(NamedTuple):
    """A symbol that is gone; ``owner`` is its class, ``plain`` whether it is also a word of prose."""

    name: str
    owner: str
    path: str
    plain: bool


class Vanished:
    """Everything that is gone and defined nowhere else.

    Args:
        change: The change.
    """

    def __init__(self, change: Change) -> None:
        self.change = change

    @cached_property
    def names(self) -> list[Name]:
        """Functions, classes, methods and constants."""
        found: dict[str, Name] = {}
        for path, qualified in self._removed():
            owner, _, name = qualified.rpartition(".")
            if name.startswith("__") or len(name) < 3 or name.lower().startswith("test") or name in found:
                continue
            if not self._defined(name):
                found[name] = Name(name, owner, path, _is_word(name))
        return [found[name] for name in sorted(found)]

    def _removed(self) -> Iterator[tuple[str, str]]:
        for file in self.change.files:
            if file.old is None or _is_aside(file.path):
                continue
            if is_python(file.path):
                old, new = self.change.tree(file.path, old=True), self.change.tree(file.path)
                if old is None or (new is None and file.new is not None):
                    continue
                kept = set(definitions(new)) | assigned(new.body) | _imported(new) if new else set[str]()
                for name in sorted((set(definitions(old)) | constants(old)) - kept):
                    yield file.path, name
            elif is_script(file.path):
                before = script_names(scan(file.path, file.old).code)
                for name in sorted(before - script_names(scan(file.path, file.new or "").code)):
                    if not file.new or not mentions(scan(file.path, file.new).code, name):
                        yield file.path, name

    def _defined(self, name: str) -> bool:
        pattern = re.compile(_DEFINES.format(re.escape(name)))
        method = re.compile(rf"^\s+(?:async\s+|static\s+|get\s+)*{re.escape(name)}\s*\([^()\n]*\)\s*\{{", re.MULTILINE)
        for path, text in self.change.sources():
            if name in text and (pattern.search(text) or (is_script(path) and method.search(text))):
                return True
        return False

    @cached_property
    def options(self) -> list[str]:
        """Command-line options and environment variables."""
        found: set[str] = set()
        for file in self.change.files:
            if is_source(file.path) and not _is_aside(file.path):
                for _, line in file.removed:
                    found.update(_OPTION.findall(line))
                    found.update(_VARIABLE.findall(line))
        return sorted(option for option in found if not self._anywhere(option))

    def _anywhere(self, word: str) -> bool:
        pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
        for path in self.change.paths:
            if not is_document(path) and not is_lock(path) and (is_source(path) or suffix(path) != ".json"):
                text = self.change.text(path)
                if text is not None and word in text and pattern.search(text):
                    return True
        return False

    @cached_property
    def paths(self) -> dict[str, list[str]]:
        """Deleted files, each with the spellings that mean it."""
        found: dict[str, list[str]] = {}
        names = {base(path) for path in self.change.paths}
        for path in self.change.deleted:
            if path in _GENERIC:
                continue
            forms = [path]
            short = re.sub(r"^(?:src|lib)/", "", path)
            if short.count("/"):
                forms.append(short)
            name = base(path)
            if name not in names and name not in _GENERIC and len(stem(name)) > 2 and not _is_aside(path):
                forms.append(name)
            if is_python(path) and short.count("/"):
                forms.append(short.removesuffix(".py").replace("/", "."))
            found[path] = forms
        return found

    @cached_property
    def commands(self) -> list[str]:
        """Make targets and npm scripts, as one calls them."""
        found: list[str] = []
        for file in self.change.files:
            if is_build(file.path) and "akefile" in file.path:
                gone = set(_TARGET.findall(file.old or "")) - set(_TARGET.findall(file.new or ""))
                found += [f"make {target}" for target in gone if not target.startswith(".")]
            elif base(file.path) == "package.json":
                gone = set(_scripts(file.old)) - set(_scripts(file.new))
                found += [f"{tool} {name}" for name in gone for tool in ("npm run", "yarn", "pnpm", "npm")]
        return sorted(found)


def _is_aside(path: str) -> bool:
    """Whether nobody reads a text to learn about this program."""
    return is_test(path) or re.search(r"(?:^|/)(?:examples?|docs?|samples?|demos?)/", path) is not None


def _scripts(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    scripts = cast(dict[str, Any], value).get("scripts") if isinstance(value, dict) else None
    return cast(dict[str, Any], scripts) if isinstance(scripts, dict) else {}


def _imported(tree: Any) -> set[str]:
    return {item.bound for item in imports(tree)}


def _is_word(name: str) -> bool:
    """Whether a name without its context could be prose: one word in small letters or capitals."""
    return re.fullmatch(r"[A-Z]?[a-z]+|[A-Z]+", name) is not None
