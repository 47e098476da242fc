"""Tier ``none``: a plain subprocess with a clean environment, process limits and a wall clock. It isolates nothing."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping

from terret.errors import SandboxError
from terret.sandbox._limits import apply, process_limits
from terret.sandbox._output import HeadTail
from terret.sandbox._run import SLOWEST_TICK, read_some
from terret.sandbox._types import Completed, Status
from terret.task import Limits


def run_plain(text: str, *, folder: str, stdin: int, environment: Mapping[str, str], limits: Limits) -> Completed:
    """Run ``bash -c`` in a folder; its process group is killed at the wall limit and at the end.

    Raises:
        SandboxError: There is no bash, or the folder is gone.
    """
    begun = time.monotonic()
    output = HeadTail(limits.output_kb * 1024)
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            ["bash", "-c", text],
            stdin=stdin,
            stdout=writing,
            stderr=writing,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        os.close(reading)
        raise SandboxError(f"a command cannot be started: {error.strerror}", where=folder) from None
    finally:
        os.close(writing)
    try:
        apply(process.pid, process_limits(limits, tree_guarded=False))
        os.set_blocking(reading, False)
        status = _follow(process, reading, output, begun + limits.wall_s)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        _, raw, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(raw)
        read_some(reading, output)
    finally:
        os.close(reading)
    code = process.returncode if status is None else None
    number = -code if code is not None and code < 0 else None
    if code is not None and code < 0:
        code = 128 - code
    text_out, truncated = output.result()
    found: Status = status or {128 + 24: "cpu", 128 + 25: "disk"}.get(code or 0, "ok")  # type: ignore[assignment]
    return Completed(
        found,
        code,
        9 if code is None else number or (code - 128 if 128 < code <= 128 + 64 else None),
        text_out,
        truncated,
        output.total,
        (time.monotonic() - begun) * 1000,
        (used.ru_utime + used.ru_stime) * 1000,
        used.ru_maxrss,
    )


def _follow(process: subprocess.Popen[bytes], reading: int, output: HeadTail, deadline: float) -> Status | None:
    exited = os.pidfd_open(process.pid)
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    poll.register(exited, select.POLLIN)
    try:
        while True:
            left = deadline - time.monotonic()
            for handle, _ in poll.poll(max(0.0, min(left, SLOWEST_TICK)) * 1000):
                if handle == exited:
                    return None
                if not read_some(reading, output):
                    poll.unregister(reading)
            if left <= 0:
                return "timeout"
            if output.flooded:
                return "output"
    finally:
        os.close(exited)
