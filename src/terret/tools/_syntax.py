"""Says whether a file still parses."""

from __future__ import annotations

import ast
import json
import warnings
from collections import deque
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import cast

MAX_CHARS = 500_000
"""Longer files are not parsed."""

_RELAXED_JSON = ("tsconfig", "jsconfig", "devcontainer", ".eslintrc", "settings", "launch", "tasks")
"""Beginnings of names of JSON files that may hold comments."""


def syntax_note(path: str, text: str) -> str | None:
    """What keeps a Python, JSON or YAML file from being parsed, with its line; None when nothing does."""
    name = PurePosixPath(path).name
    suffix = PurePosixPath(path).suffix
    if len(text) > MAX_CHARS:
        return None
    if suffix in {".py", ".pyi"}:
        fault = _python(text)
    elif suffix == ".json" and not name.startswith(_RELAXED_JSON):
        fault = _json(text)
    elif suffix in {".yaml", ".yml"}:
        fault = _yaml(text)
    else:
        fault = None
    return f"{path} does not parse: {fault}" if fault else None


def _python(text: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except ValueError as error:
        return str(error)
    except (RecursionError, MemoryError):
        return None
    return None


def _json(text: str) -> str | None:
    try:
        json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError):
        return None
    return None


def _yaml(text: str) -> str | None:
    import yaml

    loader = cast("type[yaml.SafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    try:
        events = cast("Iterator[object]", yaml.parse(text, Loader=loader))  # pyright: ignore[reportUnknownMemberType]
        deque(events, maxlen=0)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        return f"line {line}: {error.problem}"
    except (yaml.YAMLError, RecursionError) as error:
        return " ".join(str(error).split())
    return None
