"""Starts one bubblewrap sandbox with its limits in force before the first instruction inside, and ends it for certain.

Bubblewrap reads its arguments from a pipe. Until the pipe is closed it has started nothing, and meanwhile it is given
its resource limits, which everything inside inherits. The first process inside then waits at a gate before it starts
the command, and is moved into the control group while it still sets up the file system, for moving takes a while.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from terret.errors import SandboxError
from terret.sandbox._cgroup import Group
from terret.sandbox._fs import opened, write_all
from terret.sandbox._limits import apply

_DEATH_S = 60.0
_NICE = 10


class _Status(msgspec.Struct, rename="kebab"):
    """One line of what bubblewrap says about itself."""

    child_pid: int | None = None
    pid_namespace: int | None = None
    exit_code: int | None = None


class Cage:
    """A running sandbox.

    With ``gated`` the command starts only after :meth:`admit`; with ``yielding`` it gives way to everything else on the
    machine, the watchdog above all.

    Attributes:
        output: Read end of stdout and stderr; not blocking.
        status: Read end of bubblewrap's own report; not blocking.
        exited: Becomes readable when bubblewrap has ended.
        exit_code: Exit code of the command; None while it runs and when it was killed.
        started: Whether bubblewrap came as far as making the namespaces.
        init: Process id of the first process inside; None before it is known.
        killed: Whether :meth:`kill` was called.
        fault: Why the command could not be confined and was never started.
    """

    def __init__(
        self,
        bwrap: str,
        args: bytes,
        command: Sequence[str],
        *,
        bpf: bytes,
        stdin: int,
        limits: Mapping[str, tuple[int, int]],
        gated: bool = False,
        yielding: bool = False,
    ) -> None:
        self.exit_code: int | None = None
        self.started = False
        self.init: int | None = None
        self._init_handle: int | None = None
        self._partial = b""
        self._closed = False
        self._lock = threading.Lock()
        self._group: Group | None = None
        self._gate: int | None = None
        self.killed = False
        self.fault: str | None = None
        self.output, output = os.pipe()
        self.status, status = os.pipe()
        take, give = os.pipe()
        filter_out, filter_in = os.pipe()
        theirs = [output, status, take, filter_out]
        fixed = ["--json-status-fd", str(status), "--seccomp", str(filter_out)]
        if gated:
            wait, self._gate = os.pipe()
            theirs.append(wait)
            fixed += ["--block-fd", str(wait)]
        try:
            os.write(filter_in, bpf)
            os.close(filter_in)
            self._process = subprocess.Popen(
                [bwrap, "--args", str(take), "--", *command],
                stdin=stdin,
                stdout=output,
                stderr=output,
                env={},
                cwd="/",
                close_fds=True,
                pass_fds=theirs[1:],
                start_new_session=True,
            )
        except OSError as error:
            for handle in (self.output, self.status, give, self._gate):
                if handle is not None:
                    os.close(handle)
            raise SandboxError(f"bubblewrap cannot be started: {error.strerror}", where=bwrap) from None
        finally:
            for handle in theirs:
                os.close(handle)
        self.exited = os.pidfd_open(self._process.pid)
        os.set_blocking(self.output, False)
        os.set_blocking(self.status, False)
        apply(self._process.pid, limits)
        if yielding:
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICE)
        with opened(give), contextlib.suppress(BrokenPipeError):
            write_all(give, "\0".join([*fixed, ""]).encode() + args)

    def admit(self, group: Group) -> None:
        """Let the command start, in a control group, as soon as its first process is known."""
        self._group = group

    def settle(self) -> None:
        """Wait until the first process is known, ten seconds at most."""
        deadline = time.monotonic() + 10.0
        while self.init is None and select.select([self.status], [], [], max(0.0, deadline - time.monotonic()))[0]:
            if not self.read_status():
                break

    def read_status(self) -> bool:
        """Take in what bubblewrap has said; False at the end of it."""
        try:
            chunk = os.read(self.status, 65536)
        except BlockingIOError:
            return True
        lines = (self._partial + chunk).split(b"\n")
        self._partial = lines.pop()
        for line in lines:
            with contextlib.suppress(msgspec.DecodeError):
                self._learn(msgspec.json.decode(line, type=_Status))
        return bool(chunk)

    def _learn(self, status: _Status) -> None:
        if status.exit_code is not None:
            self.exit_code = status.exit_code
        if status.child_pid is None:
            return
        self.started = True
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(status.child_pid)
            # The number may have been given to another process in the meantime.
            try:
                same = Path(f"/proc/{status.child_pid}/ns/pid").stat().st_ino == status.pid_namespace
            except OSError:
                same = False
            if same:
                self.init, self._init_handle = status.child_pid, handle
                self._enter(status.child_pid)
            else:
                os.close(handle)

    def _enter(self, child: int) -> None:
        if self._gate is None:
            return
        try:
            if self._group is not None:
                self._group.join(child)
            os.write(self._gate, b"\n")
        except (ProcessLookupError, BrokenPipeError):
            # It has been killed meanwhile.
            pass
        except OSError as error:
            self.fault = f"a command cannot be moved into its control group: {error.strerror}"
            self.kill()

    def kill(self) -> None:
        """Kill everything inside at once: without its first process a pid namespace ends."""
        # Somebody may close the sandbox from another thread just when the command ends.
        with self._lock:
            if self._closed:
                return
            self.killed = True
            for handle in (self._init_handle, self.exited):
                if handle is not None:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        signal.pidfd_send_signal(handle, signal.SIGKILL)

    def reap(self) -> None:
        """Wait until bubblewrap and every process inside are gone.

        Raises:
            SandboxError: They are not gone after a minute.
        """
        if not _wait(self.exited, _DEATH_S):
            raise SandboxError("a sandbox does not end", value=self._process.pid)
        self._process.wait()
        while self.read_status():
            if not select.select([self.status], [], [], 0)[0]:
                break
        if self._init_handle is not None and not _wait(self._init_handle, _DEATH_S):
            raise SandboxError("a process inside a sandbox does not end", value=self.init)

    def close(self) -> None:
        """Give the descriptors back; the sandbox must have been reaped."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for handle in (self.output, self.status, self.exited, self._init_handle, self._gate):
            if handle is not None:
                os.close(handle)


def _wait(handle: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
