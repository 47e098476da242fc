"""The synchronous face: run, resume and verify in one call each."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from pathlib import Path
from typing import Any

from terret.journal import Scrubber, SigningKey, default_key_path
from terret.models import Model, connect
from terret.runtime._episode import resume_episode, run_episode
from terret.runtime._result import Episode
from terret.runtime._verify import VerifyReport, verify_package
from terret.task import Task, load_task

_SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")


def run(task: Task | Path | str, *, model: Model | str, out: Path | str = "episodes", **options: Any) -> Episode:
    """Run a task and leave its package in a new folder below ``out``.

    Args:
        task: A task, or the path of a task file.
        model: A model, or a spec such as ``local/qwen2.5-coder-1.5b``.
        out: Folder that gets the episode's folder.
        options: What :func:`terret.runtime.run_episode` takes.

    Raises:
        TerretError: See :mod:`terret.errors`.
    """
    base: Path | None = None
    if not isinstance(task, Task):
        base = Path(task).parent
        task = load_task(task)
    options.setdefault("base_folder", base)
    options.setdefault("key", SigningKey.load_or_create(default_key_path()))
    options.setdefault("scrubber", environment_scrubber())
    folder = Path(out) / episode_id(task.name)
    return asyncio.run(_run(task, model, folder, options))


def resume(folder: Path | str, **options: Any) -> Episode:
    """Go on with an interrupted episode; takes what :func:`terret.runtime.resume_episode` takes."""
    options.setdefault("key", SigningKey.load_or_create(default_key_path()))
    options.setdefault("connect", connect)
    options.setdefault("scrubber", environment_scrubber())
    return asyncio.run(resume_episode(Path(folder), **options))


def verify(folder: Path | str, **options: Any) -> VerifyReport:
    """Prove a package; takes what :func:`terret.runtime.verify_package` takes."""
    return verify_package(Path(folder), **options)


def episode_id(name: str) -> str:
    """A new, sortable and file-safe id for an episode of a task."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{name}-{secrets.token_hex(3)}"


def environment_scrubber() -> Scrubber:
    """A scrubber that knows the values of the caller's secret-looking environment variables."""
    known = {
        name: value
        for name, value in os.environ.items()
        if len(value) >= 8 and any(part in name.upper() for part in _SECRET_NAMES)
    }
    return Scrubber(known)


async def _run(task: Task, model: Model | str, folder: Path, options: dict[str, Any]) -> Episode:
    owned = connect(model) if isinstance(model, str) else None
    used = owned or model
    assert not isinstance(used, str)
    try:
        return await run_episode(task, model=used, folder=folder, **options)
    finally:
        if owned is not None:
            await owned.aclose()
