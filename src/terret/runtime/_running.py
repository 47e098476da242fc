"""A sandboxed command as an effect: what the journal keeps of how it ended, and the way back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from terret.journal import Outcome
from terret.runtime._classes import Done
from terret.sandbox import Command, Completed


class Runs(Protocol):
    """Runs commands; a :class:`terret.sandbox.Sandbox` does."""

    def run(self, command: Command) -> Completed:
        """Run one; blocks."""
        ...


async def run_command(sandbox: Runs, command: Command, text: Callable[[str], dict[str, Any]]) -> Done:
    """Run it in a thread; ``text`` stores its output."""
    done = await asyncio.to_thread(sandbox.run, command)
    result = msgspec.to_builtins(msgspec.structs.replace(done, output=b""))
    result["output"] = text(done.output.decode("utf-8", "replace"))
    status = {"ok": "ok" if done.exit_code == 0 else "error", "timeout": "timeout"}.get(done.status, "killed")
    return status, result, {"seconds": done.wall_ms / 1000, "cpu_ms": done.cpu_ms, "peak_kb": done.peak_kb}


def completed(outcome: Outcome, load: Callable[[dict[str, Any]], str]) -> Completed:
    """What an outcome recorded."""
    fields = dict(outcome.result)
    output = load(fields.pop("output")).encode()
    return msgspec.structs.replace(msgspec.convert({**fields, "output": ""}, Completed), output=output)
