"""What a failed observation says, apart from what it means."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal[
    "assertion",
    "exception",
    "timeout",
    "memory",
    "syntax",
    "import",
    "compile",
    "lint",
    "format",
    "not_found",
    "infrastructure",
    "unknown",
]
"""``not_found``: a command or file that does not exist. ``infrastructure``: the sandbox or the machine."""


class Frame(msgspec.Struct, frozen=True):
    """One place of a traceback, outermost first."""

    path: str
    line: int
    function: str = ""


class Failure(msgspec.Struct, frozen=True):
    """One failure read from an output.

    ``test`` names the failing test, ``call`` the expression that was compared, ``expected`` and ``observed`` its two
    values as text. ``code`` is the failure code it counts under.
    """

    kind: Kind
    message: str
    test: str | None = None
    path: str | None = None
    line: int | None = None
    expected: str | None = None
    observed: str | None = None
    call: str | None = None
    frames: list[Frame] = []
    code: str = "F_unknown"
    infrastructure: bool = False


class Attribution(msgspec.Struct, frozen=True):
    """A failure separated into observation, expectation and diagnosis."""

    observed: str
    expected: str
    failure_type: str
    evidence: list[str]
    alternatives: list[str]
    next_action: str
