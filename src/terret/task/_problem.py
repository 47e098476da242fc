"""What can be wrong with a task file, and where."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

Keys = tuple[str | int, ...]
"""The way from the root of a document to one of its values."""

Severity = Literal["error", "warning"]

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Problem(msgspec.Struct, frozen=True):
    """One thing to mend; ``where`` is ``FILE:LINE: PATH`` for YAML and ``FILE: PATH`` for JSON.

    An ``error`` keeps the task from running; a ``warning`` says that it will prove less than its author may think.
    """

    where: str
    message: str
    value: Any = None
    hint: str | None = None
    severity: Severity = "error"


class Finding(msgspec.Struct, frozen=True):
    """A problem that still knows its place as keys."""

    at: Keys
    message: str
    value: Any = None
    hint: str | None = None
    severity: Severity = "error"


def show_keys(at: Keys) -> str:
    """Keys as people write them: ``checks[0].covers[1]``; ``$`` is the root."""
    text = ""
    for key in at:
        if isinstance(key, int):
            text += f"[{key}]"
        elif _PLAIN_KEY.fullmatch(key):
            text += f".{key}" if text else key
        else:
            text += f"[{key!r}]"
    return text or "$"
