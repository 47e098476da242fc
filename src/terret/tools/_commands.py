"""Tools that run commands, and that show the change and earlier output."""

# The primitives are no argument of a tool, so no docstring describes them.
# ruff: noqa: D417

from __future__ import annotations

import re

from terret.errors import PackageError
from terret.tools._condense import page, readable, split_lines
from terret.tools._declare import tool
from terret.tools._result import Finished, Primitives, ToolFailure, ToolResult

_HANDLE = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_MEMORY = re.compile(r"low|medium|high|[1-9][0-9]{0,5}[mg]b?", re.IGNORECASE)

_STOPPED = {
    "timeout": "the time ran out; run less, or give a longer timeout_s",
    "memory": "it used too much memory; handle the data piece by piece, or run fewer things at once",
    "cpu": "it used too much CPU time; look for a loop that does not end, or do less",
    "pids": "it started too many processes; run fewer at once",
    "disk": "it wrote too much; write less, or remove what is not needed",
    "output": "it printed too much; redirect the output to a file or filter it",
    "killed": "it was killed",
}


@tool
async def run(
    primitives: Primitives, command: str, timeout_s: float | None = None, memory: str | None = None
) -> ToolResult:
    """Run a shell command in the root of the repository; there is no network and no input.

    Args:
        command: What to run, for bash.
        timeout_s: Seconds after which it is stopped; left out, the limit of the task.
        memory: What it will need: low, medium, high, or a size such as 512m or 2g.
    """
    if not command.strip() or "\0" in command:
        raise ToolFailure("bad_arguments", "give a command without NUL characters")
    if timeout_s is not None and timeout_s <= 0:
        raise ToolFailure("bad_arguments", f"timeout_s={timeout_s:g}: give a positive number of seconds")
    if memory is not None and not _MEMORY.fullmatch(memory):
        raise ToolFailure("bad_arguments", f"memory={memory}: give low, medium, high, or a size such as 512m or 2g")
    # Only a hint that was given is passed on, so that primitives without one serve too.
    done = await (primitives.run(command, timeout_s) if memory is None else primitives.run(command, timeout_s, memory))
    failure = _failure(done)
    first = f"exit code {done.exit_code}" if done.status == "ok" else f"stopped ({done.status}): {_why(done)}"
    text = readable(done.output).rstrip("\n")
    lines = [first, text or "(no output)"]
    if done.truncated:
        lines.append(f"[only {len(done.output)} of {done.total_bytes} bytes of output were kept]")
    return ToolResult("\n".join(lines), ok=failure is None, failure=failure)


def _why(done: Finished) -> str:
    why = _STOPPED.get(done.status, "it did not end by itself")
    peak = f" (it had {done.peak_kb // 1024} MB)" if done.status == "memory" and done.peak_kb else ""
    return why.replace("memory;", f"memory{peak};")


def _failure(done: Finished) -> dict[str, str] | None:
    if done.status != "ok":
        return {"type": done.status, "detail": _why(done)}
    if done.exit_code != 0:
        return {"type": "exit_code", "detail": f"exit code {done.exit_code}"}
    return None


@tool
async def inspect_diff(primitives: Primitives) -> str:
    """Show everything changed since the start, as a diff."""
    return (await primitives.diff()).rstrip("\n") or "nothing is changed yet"


@tool
async def read_output(primitives: Primitives, handle: str, start: int = 1, end: int | None = None) -> str:
    """Read on in a result that was too long to be shown whole.

    Args:
        handle: The handle the shortened result names.
        start: First line, counted from 1.
        end: Last line, included; left out, as much as fits.
    """
    found = _HANDLE.fullmatch(handle.strip())
    if not found:
        raise ToolFailure("no_output", "a handle is the 64 hex digits that a shortened result names")
    try:
        text = await primitives.blob(found[1])
    except PackageError:
        raise ToolFailure("no_output", f"no result has the handle {handle.strip()}") from None
    return page("output", split_lines(text) or [""], start, end)
