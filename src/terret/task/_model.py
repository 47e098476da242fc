"""The task specification: what is asked, what counts as done, and what may be used."""

from __future__ import annotations

from typing import Any

import msgspec


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every part of a task file: immutable, unknown fields refused."""


class Repository(Spec, frozen=True):
    """Where the code is: exactly one of ``path`` (folder, relative to the task file), ``url`` (git) or ``files``.

    ``commit`` is any git revision; required with ``url``. A folder without git history is taken as it stands.
    ``files`` maps relative paths to contents, for self-contained tasks.
    """

    path: str | None = None
    url: str | None = None
    commit: str | None = None
    files: dict[str, str] | None = None


class Requirement(Spec, frozen=True):
    """One thing the change must achieve; ``id`` is referred to by checks (``covers``)."""

    id: str
    text: str


class Check(Spec, frozen=True):
    """A deterministic check: a shell command and what it must give.

    Passes when the exit code equals ``exit_code`` (default 0, or any when only ``expect`` is given) and ``expect``,
    if set, occurs in the output. ``files`` are written into the evaluator's workspace before the run (hidden tests).
    """

    name: str
    run: str
    expect: str | None = None
    exit_code: int | None = None
    covers: tuple[str, ...] = ()
    timeout_s: float = 120.0
    files: dict[str, str] = {}


class Budget(Spec, frozen=True):
    """Hard limits of one episode: turns, model calls, total tokens, wall seconds, USD."""

    steps: int = 40
    model_calls: int = 40
    tokens: int = 400_000
    wall: float = 1800.0
    cost: float = 10.0


class EgressRule(Spec, frozen=True):
    """One host that commands may reach through the proxy: ``api.example.org`` or ``*.example.org`` (names below it).

    ``methods`` may hold ``CONNECT``: a tunnel, in which nothing more is seen. With ``tls`` a plain ``http://`` request
    is sent on encrypted, to port 443. ``private`` opens addresses of this machine and its network.
    """

    host: str
    methods: tuple[str, ...] = ("GET", "HEAD")
    ports: tuple[int, ...] = (80, 443)
    tls: bool = False
    private: bool = False


class SecretRule(Spec, frozen=True):
    """A secret that commands use without seeing it: the variable ``name`` holds a placeholder inside.

    The proxy puts the value of that variable outside in its place, in one ``header`` of requests to one ``host``.
    """

    name: str
    host: str
    header: str = "Authorization"


class Permissions(Spec, frozen=True):
    """What the agent may change: globs relative to the repository; deny wins. ``network`` is off unless true.

    ``ask_write`` and ``ask_run`` are what of the allowed a person has to approve first. ``hosts`` are those the agent
    may send HTTP requests to: ``api.example.org``, ``*.example.org``, ``localhost:8080``.
    ``egress`` is what commands may reach, ``secrets`` what they may use there.
    """

    write: tuple[str, ...] = ("**",)
    deny_write: tuple[str, ...] = ()
    deny_run: tuple[str, ...] = ()
    ask_write: tuple[str, ...] = ()
    ask_run: tuple[str, ...] = ()
    network: bool = False
    egress: tuple[EgressRule, ...] = ()
    secrets: tuple[SecretRule, ...] = ()
    hosts: tuple[str, ...] = ()


class Limits(Spec, frozen=True):
    """Resource limits of one sandboxed command."""

    wall_s: float = 60.0
    cpu_s: float = 60.0
    memory_mb: int = 2048
    pids: int = 256
    output_kb: int = 4096
    disk_mb: int = 1024


class EnvironmentSpec(Spec, frozen=True):
    """What commands see: extra variables, and host folders mounted read-only (tool chains)."""

    vars: dict[str, str] = {}
    read_only: tuple[str, ...] = ()


class Hidden(Spec, frozen=True):
    """Evaluator only; visible to the agent at no level."""

    checks: tuple[Check, ...] = ()
    notes: str = ""


class Task(Spec, frozen=True):
    """One task file.

    ``tests`` and ``lint`` are the repository's own commands (full regression and lint), ``targeted`` the commands
    of the tests this change is about, ``hints`` the files the objective names (offered first).
    """

    name: str
    repository: Repository
    objective: str
    requirements: tuple[Requirement, ...] = ()
    checks: tuple[Check, ...] = ()
    hidden: Hidden = Hidden()
    tests: str | None = None
    targeted: tuple[str, ...] = ()
    lint: str | None = None
    budget: Budget = Budget()
    permissions: Permissions = Permissions()
    limits: Limits = Limits()
    environment: EnvironmentSpec = EnvironmentSpec()
    hints: tuple[str, ...] = ()
    regression_timeout_s: float = 300.0
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
