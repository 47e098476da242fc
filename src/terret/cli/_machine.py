"""What terret needs from the machine, looked at one by one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import msgspec

from terret.cli._words import size
from terret.errors import TerretError

ROOM_NEEDED = 500_000_000
"""Bytes that should be free for workspaces and packages."""

EXTRAS = {
    "run": {"httpx": "HTTP models", "rich": "live progress"},
    "local": {"xllamacpp": "local models"},
    "suites": {"pytest": "Python suites"},
}
"""Extra to the modules it brings and what each is for."""

PROGRAMS = {
    "git": ("repositories and workspaces", "apt-get install git"),
    "rg": ("the search tool", "pip install 'terret[run]'"),
    "node": ("JavaScript tasks", "apt-get install nodejs"),
}
"""Program to what it is for and how to get it; only git is needed for every episode."""


class Finding(msgspec.Struct, frozen=True):
    """One thing the machine has, lacks, or lacks without need (``warning``); ``fix`` says how to get it."""

    what: str
    state: Literal["ok", "warning", "missing"]
    detail: str
    fix: str | None = None


def examine() -> list[Finding]:
    """Every finding about this machine, needs first."""
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python,
        _sandbox,
        _programs,
        _extras,
        _models,
        _key,
        _disk,
    )
    return [finding for look in looks for finding in look()]


def _python() -> Iterator[Finding]:
    from terret import __version__

    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", "ok", f"{version}, terret {__version__}, {sys.prefix}")


def _programs() -> Iterator[Finding]:
    for name, (purpose, fix) in PROGRAMS.items():
        yield _program(name, purpose, fix, needed=name == "git")


def _program(name: str, purpose: str, fix: str, *, needed: bool) -> Finding:
    # The sandbox looks into the interpreter's own bin folder first.
    path = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if path is None:
        return Finding(name, "missing" if needed else "warning", f"not found; needed for {purpose}", fix)
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(name, "missing" if needed else "warning", f"{path} does not run: {error}", fix)
    return Finding(name, "ok", f"{(done.stdout or done.stderr).strip().splitlines()[0]}, {path}")


def _sandbox() -> Iterator[Finding]:
    from terret.sandbox import probe

    report = probe(refresh=True)
    if report.tier is None:
        fix = report.missing[0].fix if report.missing else None
        yield Finding("sandbox", "missing", "no isolation works here; only --no-sandbox would run", fix)
    else:
        yield Finding("sandbox", "ok", f"tier {report.tier}")
    for name, value in sorted(report.features.items()):
        if value is not False and name not in PROGRAMS:
            yield Finding(f"  {name}", "ok", "works" if value is True else str(value))
    for missing in (part for part in report.missing if part.what not in PROGRAMS):
        yield Finding(f"  {missing.what}", "warning", missing.why, missing.fix)


def _extras() -> Iterator[Finding]:
    for extra, modules in EXTRAS.items():
        absent = [f"{name} ({purpose})" for name, purpose in modules.items() if find_spec(name) is None]
        if absent:
            yield Finding(
                f"extra {extra}", "warning", "not here: " + ", ".join(absent), f"pip install 'terret[{extra}]'"
            )
        else:
            yield Finding(f"extra {extra}", "ok", ", ".join(modules))


def _models() -> Iterator[Finding]:
    from terret.models import catalogue, installed, models_folder

    here = [name for name in catalogue() if installed(name) is not None]
    if here:
        yield Finding("models", "ok", ", ".join(f"local/{name}" for name in here))
    else:
        yield Finding(
            "models",
            "warning",
            f"none in {models_folder()}",
            "terret model pull qwen2.5-coder-1.5b, or --model http://HOST:PORT/v1#NAME",
        )


def _key() -> Iterator[Finding]:
    from terret.journal import SigningKey, default_key_path

    path = default_key_path()
    if not path.exists():
        yield Finding("signing key", "ok", f"none yet; the first run makes {path}")
        return
    try:
        yield Finding("signing key", "ok", f"{SigningKey.load(path).public_hex}, {path}")
    except TerretError as error:
        yield Finding("signing key", "missing", error.message, error.hint)


def _disk() -> Iterator[Finding]:
    free = shutil.disk_usage(Path.cwd()).free
    if free < ROOM_NEEDED:
        yield Finding("disk", "warning", f"{size(free)} free here", f"make room: {size(ROOM_NEEDED)} should do")
    else:
        yield Finding("disk", "ok", f"{size(free)} free here")
