"""A workspace, providers that count, and processes that run over them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from terret.journal import Event, Journal, SigningKey
from terret.permissions import CapabilityTable
from terret.runtime import HttpReply, HttpRequest
from terret.runtime.primitives import ProcessPrimitives, Providers
from terret.runtime.process import End
from terret.runtime.schedule import Scheduler, Seat
from terret.sandbox import Command, Completed, Workspace
from terret.task import Repository

KEY = SigningKey(bytes(range(32)))

FILES = {"src/a.py": "x = 1\n", "src/secret/key.txt": "x = hidden\n", "src2/b.py": "x = 2\n", "notes.md": "x\n"}


class CountingShell:
    """Runs nothing; says what it was asked to run, or what ``outputs`` hold for it."""

    def __init__(self, outputs: Mapping[str, bytes] | None = None) -> None:
        self.outputs = outputs or {}
        self.commands: list[Command] = []

    def run(self, command: Command) -> Completed:
        """The output of a command."""
        self.commands.append(command)
        known = next((text for start, text in self.outputs.items() if command.run.startswith(start)), b"ran\n")
        return Completed("ok", 0, None, known, False, len(known), 1.0, 1.0, 1)


class CountingHttp:
    """Answers every request with its own body and headers."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []

    async def __call__(self, request: HttpRequest) -> HttpReply:
        """The reply."""
        self.requests.append(request)
        shown = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
        return HttpReply(200, {}, shown.encode() + b"\n" + request.body)


def workspace(folder: Path) -> Workspace:
    return Workspace.create(folder, Repository(files=FILES), base_folder=None)


def drive(
    folder: Path,
    providers: Providers,
    table: CapabilityTable,
    body: Callable[[ProcessPrimitives], Awaitable[Any]],
    *,
    children: Mapping[str, Callable[[ProcessPrimitives], Awaitable[Any]]] | None = None,
    **spawn: Any,
) -> tuple[End, list[Event]]:
    """Run a process to its end, anew or from its journal."""

    def seated(inner: Callable[[ProcessPrimitives], Awaitable[Any]]) -> Callable[[Seat], Awaitable[Any]]:
        return lambda seat: inner(ProcessPrimitives(seat, providers))

    async def run() -> tuple[End, list[Event]]:
        images = {"agent": seated(body), **{name: seated(inner) for name, inner in (children or {}).items()}}
        exists = (folder / "journal.db").exists()
        with Journal.open(folder, KEY) if exists else Journal.create(folder, "primitives", KEY) as journal:
            scheduler = Scheduler(images, journal=journal, human=providers.human)
            end = await scheduler.join(scheduler.spawn("agent", authority=table, **spawn))
            assert end is not None
            return end, journal.events()

    return asyncio.run(run())
