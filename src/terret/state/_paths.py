"""File paths named in prose."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PATH = re.compile(
    r"(?<![\w/.:@-])(?:\.?[\w-][\w.-]*/)+[\w.-]*\w\b"
    r"|(?<![\w/.:@-])[\w-]+(?:\.[\w-]+)*\.[A-Za-z]\w{0,5}\b"
)
_POSITION = re.compile(r":\d+(?:[:-]\d+)?$")
_EXTENSIONS = frozenset(
    (
        "py",
        "pyi",
        "js",
        "jsx",
        "ts",
        "tsx",
        "mjs",
        "cjs",
        "json",
        "yaml",
        "yml",
        "toml",
        "cfg",
        "ini",
        "md",
        "rst",
        "txt",
        "html",
        "css",
        "sh",
        "c",
        "h",
        "cc",
        "cpp",
        "hpp",
        "rs",
        "go",
        "java",
        "rb",
        "php",
        "sql",
        "lock",
    )
)


def paths_in(text: str) -> list[str]:
    """Relative file paths a text names, those with a well-known extension; each once."""
    found = (plain_path(match.group()) for match in _PATH.finditer(text))
    return list(dict.fromkeys(path for path in found if is_file_name(path)))


def is_file_name(path: str) -> bool:
    """Whether a path is relative and ends in a well-known extension."""
    name = path.rsplit("/", 1)[-1]
    return "." in name.lstrip(".") and name.rsplit(".", 1)[-1].lower() in _EXTENSIONS and not path.startswith("/")


def plain_path(path: str) -> str:
    """A path without quotes, line number and leading ``./``."""
    return _POSITION.sub("", path.strip().strip("`'\"")).removeprefix("./")


def same_file(path: str, full: str) -> bool:
    """Whether ``path`` is ``full`` or its last segments."""
    return full == path or full.endswith(f"/{path}")


def among(path: str, known: Iterable[str]) -> bool:
    """Whether one of the known files may be meant by ``path``."""
    return any(same_file(path, plain_path(other)) for other in known)
