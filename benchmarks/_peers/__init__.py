"""Peers measured in the same run, each in an environment of its own.

A peer is a small script that runs so many agents of so many steps the way its documentation does it, on a fake model,
and prints one JSON object. It is installed on demand into a folder of the cache; one that cannot be had says why.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

INSTALL_S: Final = 300.0
RUN_S: Final = 240.0


class Peer(NamedTuple):
    """A peer: what to install, and what a step of it is."""

    name: str
    requirements: tuple[str, ...]
    step: str
    durable: bool


PEERS: Final = (
    Peer(
        "langgraph",
        ("langgraph", "langgraph-checkpoint-sqlite", "aiosqlite"),
        "a node of a graph; its state is checkpointed in SQLite after every step",
        durable=True,
    ),
    Peer("dbos", ("dbos",), "a step of a durable workflow; its output is written to SQLite", durable=True),
    Peer("pydantic_ai", ("pydantic-ai-slim",), "a model turn with one tool call; nothing is stored", durable=False),
    Peer(
        "inspect_ai",
        ("inspect-ai",),
        "a model turn of a sample on mockllm; the log is written as samples end",
        durable=False,
    ),
)


def measure(peer: Peer, agents: int, steps: int, model_s: float, long: int) -> dict[str, Any]:
    """What the peer's script printed, or ``{"absent": why}``."""
    try:
        python = environment(peer)
        done = subprocess.run(
            [
                str(python),
                str(Path(__file__).parent / f"{peer.name}_peer.py"),
                *map(str, (agents, steps, model_s, long)),
            ],
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
            env=_clean() | {"PYTHONDONTWRITEBYTECODE": "1"},
        )
    except subprocess.TimeoutExpired as error:
        return {"absent": f"{peer.name} took longer than {error.timeout:g} s"}
    except (OSError, RuntimeError) as error:
        return {"absent": str(error)}
    if done.returncode != 0:
        return {"absent": f"its script failed: {_last(done.stderr)}"}
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return {"absent": f"its script printed no figures: {_last(done.stdout)}"}


def environment(peer: Peer) -> Path:
    """The interpreter of the peer's environment, made when there is none.

    Raises:
        RuntimeError: It cannot be made; says why.
        subprocess.TimeoutExpired: It took too long.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "terret" / "peers"
    tag = f"{peer.name}-{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache / tag
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    uv = shutil.which("uv")
    make = [uv, "venv", "--quiet", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
    install = [uv, "pip", "install", "--quiet", "--python"] if uv else []
    _call([*make, str(folder)])
    _call([*install, str(python), *peer.requirements] if uv else [str(python), *_PIP, *peer.requirements])
    (folder / "ready").touch()
    return python


_PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def _call(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False, env=_clean())
    if done.returncode != 0:
        raise RuntimeError(f"it cannot be installed: {_last(done.stderr)}")


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("WARNING")]
    return (lines[-1] if lines else "it says nothing")[:200]
