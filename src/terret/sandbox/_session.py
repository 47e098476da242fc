"""A shell that stays open between commands.

The shell reads its commands from a socket, which is its standard input. A command is followed on the socket by a line
that sends back the exit code with a random number made for this command. The shell reads that line only when the
command has ended, and what it starts gets an empty standard input and no other descriptor, so no program's output and
no child can pass for the end of a command. Only the shell text itself could reach for the socket, and then deceives
itself alone.
"""

from __future__ import annotations

import os
import secrets
import select
import shlex
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import msgspec

from terret.errors import SandboxError
from terret.sandbox._bwrap import SHELL
from terret.sandbox._cgroup import Group
from terret.sandbox._command import unrunnable
from terret.sandbox._launch import Cage
from terret.sandbox._output import HeadTail
from terret.sandbox._run import completed, drain, follow
from terret.sandbox._types import Completed, Status
from terret.sandbox._watch import Watch
from terret.task import Limits

if TYPE_CHECKING:
    from terret.sandbox._sandbox import Sandbox

T = TypeVar("T")
_LONGEST_MARK = 4096


class _Shell:
    """One running shell and the socket it reads from."""

    def __init__(self, sandbox: Sandbox, limits: Limits) -> None:
        self._sandbox = sandbox
        self.channel, theirs = socket.socketpair()
        self._keeper = _Keeper()

        def start() -> tuple[Cage, Group | None]:
            words = [SHELL, "--noprofile", "--norc", "-s"]
            cage, group = sandbox.launch(words, limits, stdin=theirs.fileno(), env={}, cpu=False)
            cage.settle()
            return cage, group

        try:
            self.cage, self.group = self._keeper.call(start)
        except BaseException:
            self.channel.close()
            self._keeper.release()
            raise
        finally:
            theirs.close()

    def end(self) -> None:
        """Kill whatever runs in it and wait until it is gone."""
        self.cage.kill()
        self.cage.reap()

    def retire(self) -> None:
        """Give everything back; the shell must have ended."""
        self.channel.close()
        self._sandbox.retire(self.cage, self.group)
        self._keeper.release()


class Session:
    """One shell of a sandbox; ``cd``, variables, functions and background programs last until it ends.

    A command that hits a limit ends the shell with everything in it and a fresh one takes its place. Of a shell that
    has ended by itself (``exit``) the next command gets a new one. Safe to use from several threads, one command at a
    time.

    Args:
        sandbox: The sandbox it belongs to.
        limits: Memory, processes and disk hold for the shell as a whole, CPU time and output for each command.
    """

    def __init__(self, sandbox: Sandbox, limits: Limits) -> None:
        self._sandbox = sandbox
        self._limits = limits
        self._lock = threading.Lock()
        self._closed = False
        self._shell: _Shell | None = _Shell(sandbox, limits)
        sandbox.adopt(self)

    @property
    def alive(self) -> bool:
        """Whether a shell is there that remembers earlier commands."""
        shell = self._shell
        return not self._closed and shell is not None and not select.select([shell.cage.exited], [], [], 0)[0]

    def run(self, text: str, timeout_s: float | None = None) -> Completed:
        """Run a command in the shell; ``timeout_s`` is at most and by default the wall limit.

        Raises:
            SandboxError: The session is closed, or the sandbox itself broke.
        """
        refused = unrunnable(text, {})
        if refused is not None:
            return refused
        with self._lock:
            if self._closed:
                raise SandboxError("the session is closed", hint="open a new one")
            if not self.alive:
                self._drop()
                self._shell = _Shell(self._sandbox, self._limits)
            return self._run(self._shell_now(), text, min(timeout_s or self._limits.wall_s, self._limits.wall_s))

    def close(self) -> None:
        """End the shell and everything it started; harmless when done twice."""
        self._closed = True
        shell = self._shell
        if shell is not None:
            # A command in progress sees its shell end.
            shell.cage.kill()
        with self._lock:
            self._drop()
        self._sandbox.release(self)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _shell_now(self) -> _Shell:
        if self._shell is None:
            raise SandboxError("the session has no shell")
        return self._shell

    def _drop(self) -> None:
        shell, self._shell = self._shell, None
        if shell is not None:
            shell.end()
            shell.retire()

    def _run(self, shell: _Shell, text: str, wall_s: float) -> Completed:
        begun = time.monotonic()
        limits = msgspec.structs.replace(self._limits, wall_s=wall_s)
        if shell.group is not None:
            shell.group.reset_peak()
        watch = Watch(limits, shell.group, self._sandbox.disk, shell.cage.init)
        output = HeadTail(limits.output_kb * 1024)
        nonce = secrets.token_hex(16)
        mark = _Mark(shell.channel, nonce)
        stop = self._send(shell, text, nonce, wall_s)
        if stop is None:
            stop = follow(shell.cage, watch, output, begun + wall_s, mark)
        killed = shell.cage.killed
        if not mark.done:
            shell.end()
        drain(shell.cage.output, output)
        code = mark.code if mark.done else shell.cage.exit_code if stop is None and not killed else None
        status: Status = stop or watch.verdict(code) or ("ok" if code is not None else "killed")
        result = completed(status, code, output, (time.monotonic() - begun) * 1000, watch)
        if not mark.done:
            self._drop()
            if stop is not None and not self._closed:
                self._shell = _Shell(self._sandbox, self._limits)
        return result

    @staticmethod
    def _send(shell: _Shell, text: str, nonce: str, wall_s: float) -> Status | None:
        # The empty line brings the parser back to its senses after a text with a quote left open.
        mark = f"\n{{ builtin printf '%s %d\\0' {nonce} \"$?\" >&0; }} 2>/dev/null\n"
        shell.channel.settimeout(wall_s)
        try:
            shell.channel.sendall(os.fsencode(f"eval {shlex.quote(text)} </dev/null\n{mark}"))
        except TimeoutError:
            return "timeout"
        except OSError:
            # The shell has ended.
            return None
        shell.channel.setblocking(False)
        return None


class _Mark:
    """Waits on a shell's socket for the mark of one command; anything else that arrives there is ignored."""

    def __init__(self, channel: socket.socket, nonce: str) -> None:
        self._channel = channel
        self._mark = nonce.encode() + b" "
        self._said = b""
        self.code = 0
        self.done = False

    def fileno(self) -> int:
        return self._channel.fileno()

    def listen(self) -> bool:
        try:
            chunk = self._channel.recv(65536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._said = (self._said + chunk)[-_LONGEST_MARK:]
        for part in self._said.split(b"\0")[:-1]:
            code = part.rpartition(self._mark)[2]
            if self._mark in part and code.isdigit():
                self.code, self.done = int(code), True
        return bool(chunk)


class _Keeper:
    """A thread that lives as long as a shell: bubblewrap dies with the thread that started it."""

    def __init__(self) -> None:
        self._done = threading.Event()

    def call(self, work: Callable[[], T]) -> T:
        """Run ``work`` in the thread, which then waits for :meth:`release`."""
        ready = threading.Event()
        results: list[T] = []
        errors: list[BaseException] = []

        def live() -> None:
            try:
                results.append(work())
            except BaseException as error:
                errors.append(error)
            ready.set()
            self._done.wait()

        threading.Thread(target=live, name="terret-shell", daemon=True).start()
        ready.wait()
        if errors:
            raise errors[0]
        return results[0]

    def release(self) -> None:
        """Let the thread end."""
        self._done.set()
