"""A sandbox on an empty workspace, for every tier this machine gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from terret.sandbox import Command, Completed, Sandbox, Workspace, probe
from terret.task import Limits, Repository

SMALL = Limits(wall_s=20.0, cpu_s=20.0, memory_mb=96, pids=32, output_kb=64, disk_mb=12)


def _tiers() -> list[str]:
    best = probe().tier
    return {"full": ["full", "rlimit"], "rlimit": ["rlimit"]}.get(best or "", [])


@pytest.fixture
def small() -> Limits:
    """Tight limits, except in time."""
    return SMALL


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "work", Repository(files={"a.txt": "alpha\n"}), base_folder=None)


@pytest.fixture(params=["full", "rlimit"])
def sandbox(request: pytest.FixtureRequest, workspace: Workspace) -> Iterator[Sandbox]:
    if request.param not in _tiers():
        pytest.skip(f"this machine does not give tier {request.param}: {probe().missing}")
    with Sandbox(workspace.root, tier=request.param) as sandbox:
        yield sandbox


@pytest.fixture
def run(sandbox: Sandbox) -> Callable[..., Completed]:
    """Run a shell text with small limits."""

    def call(text: str, **options: object) -> Completed:
        return sandbox.run(Command(text, **({"limits": SMALL} | options)))  # type: ignore[arg-type]

    return call


@pytest.fixture
def python(run: Callable[..., Completed]) -> Callable[..., Completed]:
    """Run a Python program in the sandbox."""

    def call(program: str, **options: object) -> Completed:
        return run("python3 -", stdin=program.encode(), **options)

    return call
