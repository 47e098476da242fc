"""The values that go in and out of the sandbox room."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from terret.task import Limits

Tier = Literal["full", "rlimit", "none"]
"""``full`` is namespaces + seccomp + a cgroup; ``rlimit`` is namespaces + seccomp + resource limits and a watchdog;
``none`` is a plain subprocess, only on explicit request."""

Status = Literal["ok", "timeout", "memory", "cpu", "pids", "disk", "output", "killed"]
"""How a command ended: ``ok`` by itself (whatever its exit code), otherwise the limit that ended it."""


class Missing(msgspec.Struct, frozen=True):
    """Something this machine lacks: what, why it does not work, and the command or setting that mends it."""

    what: str
    why: str
    fix: str


class Report(msgspec.Struct, frozen=True):
    """What this machine offers.

    ``tier`` is the best available (None: no isolation at all); ``features`` maps a name to whether it works, or to
    its version, kind or place.
    """

    tier: Tier | None
    features: dict[str, bool | str]
    missing: list[Missing]


class Command(msgspec.Struct, frozen=True):
    """One command line for ``bash -c``.

    ``cwd`` is relative to the workspace; without ``stdin`` the command reads end-of-file; ``env`` adds to the
    """

    run: str
    cwd: str = "."
    stdin: bytes | None = None
    env: dict[str, str] = {}
    limits: Limits = Limits()
    network: bool = False
    scratch: bool = False
    memory: str | None = None


class Completed(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a command ended.

    ``output`` is stdout and stderr merged, cut to ``limits.output_kb`` by keeping head and tail; ``total_bytes`` is its
    full length. ``exit_code`` is None when the command was stopped before it ended; ``signal`` is what killed the
    command or its last process. ``cpu_ms`` and ``peak_kb`` cover the whole process tree (peak: the largest process
    where there is no cgroup). ``resources`` holds further figures where there are any: ``pids`` (most at a time),
    ``memory_stall_ms`` and ``cpu_stall_ms`` (pressure), ``waited_ms`` (for admission), ``paused_ms`` and ``raised`` (at
    its soft limit), ``soft_mb`` (that limit at the end). ``egress`` tells of every request to the outside: ``method``,
    ``host``, ``port``, ``path``, ``allowed``, ``rule``, ``reason``, and what came of it (``status``, ``sent``,
    ``received``, names of the ``secrets`` put in).
    """

    status: Status
    exit_code: int | None
    signal: int | None
    output: bytes
    truncated: bool
    total_bytes: int
    wall_ms: float
    cpu_ms: float
    peak_kb: int
    resources: dict[str, float] = {}
    egress: list[dict[str, Any]] = []


class Entry(msgspec.Struct, frozen=True):
    """One name in a workspace folder; ``path`` is relative to the workspace, ``size`` in bytes."""

    path: str
    kind: Literal["file", "dir", "link"]
    size: int


class FileChange(msgspec.Struct, frozen=True):
    """One path that differs between two trees: added, modified, deleted or of another type; lines 0 when binary."""

    path: str
    status: Literal["A", "M", "D", "T"]
    added: int
    deleted: int


Refusal = Literal["outside", "missing", "not_a_file", "too_large", "protected", "link", "no_space"]
"""Why a file primitive refused."""


class FileRefused(Exception):
    """A file primitive did not act; the reason is for the agent, nothing is broken."""

    def __init__(self, path: str, reason: Refusal) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason: Refusal = reason
