"""Runs one command in one fresh sandbox and watches it to its end."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable
from typing import Protocol

from terret.errors import SandboxError
from terret.sandbox._launch import Cage
from terret.sandbox._output import HeadTail
from terret.sandbox._types import Completed, Status
from terret.sandbox._watch import Watch

FIRST_TICK, SLOWEST_TICK = 0.004, 0.05
"""Seconds between two looks of the watchdog: short at first, then doubling."""


class Listener(Protocol):
    """A further source to listen to; ``done`` once it has heard what it waits for."""

    done: bool

    def fileno(self) -> int:
        """The descriptor to wait for."""
        ...

    def listen(self) -> bool:
        """Take in what is there; False at the end of the source."""
        ...


def supervise(cage: Cage, watch: Watch) -> Completed:
    """Wait for a command, kill it at its limits, and collect what it printed.

    Args:
        cage: A sandbox just started; it is reaped but not closed.
        watch: The checks of the command.

    Raises:
        SandboxError: Bubblewrap failed before the command began, or something does not die.
    """
    begun = time.monotonic()
    output = HeadTail(watch.limits.output_kb * 1024)
    stop = follow(cage, watch, output, begun + watch.limits.wall_s)
    killed = cage.killed
    if stop is not None:
        cage.kill()
    cage.reap()
    if cage.fault is not None:
        raise SandboxError(cage.fault, hint="run `terret doctor`")
    drain(cage.output, output)
    wall_ms = (time.monotonic() - begun) * 1000
    if stop is None and cage.exit_code is None and not killed:
        _explain(cage, output)
    code = cage.exit_code if stop is None and not killed else None
    status: Status = stop or watch.verdict(code) or ("ok" if code is not None else "killed")
    return completed(status, code, output, wall_ms, watch)


def completed(status: Status, code: int | None, output: HeadTail, wall_ms: float, watch: Watch) -> Completed:
    """The result; a shell's exit code above 128 names the signal that ended its last process."""
    text, truncated = output.result()
    signal = 9 if code is None else code - 128 if 128 < code <= 128 + 64 else None
    figures = (wall_ms, watch.cpu_ms(), watch.peak(), watch.resources())
    return Completed(status, code, signal, text, truncated, output.total, *figures)


def follow(
    cage: Cage, watch: Watch, output: HeadTail, deadline: float, listener: Listener | None = None
) -> Status | None:
    """Read until bubblewrap has ended or the listener has heard what it waits for; the limit that was hit, if any."""
    sources: dict[int, Callable[[], bool]] = {
        cage.output: lambda: read_some(cage.output, output),
        cage.status: cage.read_status,
    }
    if listener is not None:
        sources[listener.fileno()] = listener.listen
    poll = select.poll()
    for handle in (*sources, cage.exited):
        poll.register(handle, select.POLLIN)
    pause, tick = FIRST_TICK, time.monotonic() + FIRST_TICK
    while True:
        ready = poll.poll(max(0.0, min(tick, deadline + watch.paused_s) - time.monotonic()) * 1000 + 0.5)
        for handle, _ in ready:
            if handle != cage.exited and not sources[handle]():
                poll.unregister(handle)
        if (listener is not None and listener.done) or (cage.exited, select.POLLIN) in ready:
            return None
        now = time.monotonic()
        if now >= deadline + watch.paused_s:
            return "timeout"
        if output.flooded:
            return "output"
        if now >= tick:
            found = watch.check(cage.init)
            if found is not None:
                return found
            pause = FIRST_TICK if watch.urgent else min(2 * pause, SLOWEST_TICK)
            tick = time.monotonic() + pause


def read_some(handle: int, output: HeadTail) -> bool:
    """Read what is there, at most a megabyte so that other work gets its turn; False at the end of the stream."""
    for _ in range(16):
        try:
            chunk = os.read(handle, 65536)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        output.add(chunk)
    return True


def drain(handle: int, output: HeadTail) -> None:
    """Every writer is dead: what is in the pipe is all there is."""
    while True:
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(handle, 65536)
            if chunk:
                output.add(chunk)
                continue
        return


def _explain(cage: Cage, output: HeadTail) -> None:
    text = output.result()[0].decode("utf-8", "replace").strip()
    last = text.splitlines()[-1] if text else ""
    if last.startswith("bwrap:") or not cage.started:
        raise SandboxError(
            f"the sandbox cannot be set up: {last.removeprefix('bwrap: ') or 'bubblewrap ended at once'}",
            hint="run `terret doctor`",
        )
