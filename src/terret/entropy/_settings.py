"""Settings of linters, type checkers and coverage that demand less than before."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, cast

from terret.entropy._burden import Burden, burden
from terret.entropy._change import Change, FileDiff
from terret.entropy._paths import base

_FILES = re.compile(
    r"pyproject\.toml|setup\.cfg|tox\.ini|\.?ruff\.toml|\.?mypy\.ini|\.flake8|\.pylintrc|\.coveragerc|\.importlinter|pyrightconfig\.json"
    r"|tsconfig.*\.json|\.eslintrc(?:\.json)?|\.nycrc(?:\.json)?|package\.json"
)
_CHECKER = re.compile(
    r"ruff|mypy|pyright|pylint|flake8|coverage|pycodestyle|pydocstyle|bandit|importlinter|isort|black|pytest|report"
    r"|compilerOptions|rules|eslintConfig|messages control|MESSAGES CONTROL|nyc"
    r"|\.pylintrc|\.flake8|ruff\.toml|pyrightconfig|eslintrc|\.coveragerc|run"
)
_MORE_IS_LESS = re.compile(
    r"(?:.*[-_.])?(?:ignore|ignores|disable|exclude|omit|per-file-ignores|exclude_lines|exclude_also|ignore_imports|ignore-words).*"
)
_LESS_IS_LESS = re.compile(r"(?:extend-)?select|enable|contracts|files|include")
_BOUND = re.compile(r"fail[_-]under|branches|lines|functions|statements|threshold")
_CEILING = re.compile(r"max[-_](?:complexity|line[-_]length|args|branches|statements|locals|returns)|line[-_]length")
_STRICT = re.compile(r"strict.*|disallow_.*|warn_.*|check_.*|no_implicit.*|no[A-Z]\w+|report\w+|branch|strict_\w+")
_LAX = re.compile(r"ignore_errors|ignore_missing_imports|follow_imports|skipLibCheck|allow_\w+|exit[_-]zero")


def loosened(change: Change) -> Iterator[Burden]:
    """Every setting that demands less."""
    for file in change.files:
        if file.old is not None and file.new is not None and _FILES.fullmatch(base(file.path)):
            yield from _compare(file)


def _compare(file: FileDiff) -> Iterator[Burden]:
    old, new = _read(file.path, file.old or ""), _read(file.path, file.new or "")
    if old is None or new is None:
        return
    for key in sorted(old.keys() | new.keys()):
        section, _, name = key.rpartition("/")
        if _tool(key) not in {_tool(other) for other in old}:
            continue
        if _CHECKER.search(section or base(file.path)) and old.get(key) != new.get(key):
            reason = _weaker(name, old.get(key), new.get(key), section)
            if reason:
                yield burden("checks_loosened", file.path, _line(file, name), f"{key}: {reason}")


def _tool(key: str) -> str:
    """What a setting belongs to; one that had no settings before cannot demand less."""
    parts = key.split("/")
    return "/".join(parts[:2]) if parts[0] == "tool" else parts[0]


def _weaker(name: str, old: Any, new: Any, section: str) -> str:
    if isinstance(old, list | None) and isinstance(new, list | None):
        before, after = cast(list[object], old or []), cast(list[object], new or [])
        gained = [str(item) for item in after if item not in before]
        lost = [str(item) for item in before if item not in after]
        lax = _MORE_IS_LESS.fullmatch(name) or "ignore" in section.rpartition("/")[2]
        if lax and gained and not (lost and len(gained) <= len(lost)):
            return f"added {', '.join(gained)}"
        return f"lost {', '.join(lost)}" if _LESS_IS_LESS.fullmatch(name) and lost and len(gained) < len(lost) else ""
    return _scalar(name, old, new)


def _scalar(name: str, old: Any, new: Any) -> str:
    before, after = _number(old), _number(new)
    if _BOUND.fullmatch(name) and before is not None and (after is None or after < before):
        return f"{old} became {new}"
    if _CEILING.fullmatch(name) and before is not None and (after is None or after > before) and name != "line-length":
        return f"{old} became {new}"
    if _LAX.fullmatch(name) and _truth(new) and not _truth(old):
        return f"{old} became {new}"
    if _STRICT.fullmatch(name) and _truth(old) and new is not None and not _truth(new):
        return f"{old} became {new}"
    if (
        name == "typeCheckingMode"
        and old is not None
        and ("off", "basic", "standard", "strict", None).index(new)
        < (
            "off",
            "basic",
            "standard",
            "strict",
            None,
        ).index(old)
    ):
        return f"{old} became {new}"
    return ""


def _number(value: object) -> float | None:
    try:
        return float(str(value)) if not isinstance(value, bool) else None
    except ValueError:
        return None


def _truth(value: object) -> bool:
    return str(value).lower() not in ("none", "false", "0", "off", "no", "", "skip", "silent")


def _line(file: FileDiff, name: str) -> int:
    pattern = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    rows = [line for line, text in file.added if pattern.search(text)]
    return rows[0] if rows else (file.added or [(0, "")])[0][0]


def _read(path: str, text: str) -> dict[str, Any] | None:
    """Every setting by its ``section/name``; nothing when the file cannot be read."""
    name = base(path)
    try:
        if name.endswith(".toml"):
            return {key.replace("tool/ruff/lint/", "tool/ruff/"): value for key, value in _flat(tomllib.loads(text))}
        if name.endswith(".json") or name == ".eslintrc":
            return dict(_flat(json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))))
        parser = configparser.RawConfigParser(strict=False)
        parser.read_string(text)
        return {
            f"{section}/{key}": _words(key, value)
            for section in parser.sections()
            for key, value in parser.items(section)
        }
    except (ValueError, RecursionError, configparser.Error):
        return None


def _words(name: str, value: str) -> Any:
    """An option that is a list, as one; another as it stands."""
    if _MORE_IS_LESS.fullmatch(name) or _LESS_IS_LESS.fullmatch(name):
        return [word for word in re.split(r"[,\n]\s*", value) if word.strip()]
    return value


def _flat(value: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in cast(Mapping[str, Any], value).items():
            yield from _flat(item, f"{prefix}/{key}" if prefix else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in cast(list[Any], value)):
        for at, item in enumerate(cast(list[object], value)):
            fields = cast(Mapping[str, object], item) if isinstance(item, Mapping) else dict[str, object]()
            yield from _flat(cast(object, item), f"{prefix}/{fields.get('name', fields.get('module', at))}")
    else:
        yield prefix, value
