"""The outside of the fleet benchmark: PostgreSQL, the counting server, and the workers that are killed and frozen."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

from benchmarks._chaos_world import Counting
from benchmarks._fleet_node import LOST

_ROOT = Path(__file__).resolve().parent.parent


class _SocketServer(ThreadingHTTPServer):
    address_family = socket.AF_UNIX
    daemon_threads = True

    def server_bind(self) -> None:
        """A path has neither host nor port."""
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", 0


class Counter:
    """The counting server, on a loopback port and on a socket in the file system, both with the same counts."""

    def __init__(self, folder: Path) -> None:
        Counting.applied.clear()
        Counting.received.clear()
        Counting.keys.clear()
        self.path = folder / "counter.sock"
        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), Counting), _SocketServer(str(self.path), Counting)]
        self.port = int(self._servers[0].server_address[1])
        for server in self._servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def applied(self, episode: str) -> dict[str, int]:
        """How often each item of an episode was applied."""
        prefix = f"/{episode}/"
        with Counting.mutex:
            return {name.removeprefix(prefix): n for name, n in Counting.applied.items() if name.startswith(prefix)}

    def close(self) -> None:
        """Stop serving."""
        for server in self._servers:
            server.shutdown()
            server.server_close()


class Workers:
    """Worker processes, each started again when it ends."""

    def __init__(self, url: str, folder: Path, counter: Counter, lease_s: float, number: int) -> None:
        self._url, self._folder, self._counter, self._lease_s = url, folder, counter, lease_s
        self.apart = separate_networks()
        self.killed = 0
        self.lost = 0
        """Workers that ended because others had taken them for dead."""
        self.crashed: list[str] = []
        self.started = 0
        self._log = (folder / "workers.log").open("ab")
        self.processes = [self._start() for _ in range(number)]
        self.frozen: subprocess.Popen[bytes] | None = None
        self.thawed: subprocess.Popen[bytes] | None = None
        """Has to notice by itself that it was taken for dead."""

    def look(self) -> None:
        """Start again what has ended."""
        for place, process in enumerate(self.processes):
            code = process.poll()
            if code is None:
                continue
            if process is self.thawed:
                self.thawed = None
            if code == LOST:
                self.lost += 1
            elif code != -signal.SIGKILL:
                self.crashed.append(f"exit code {code}")
            self.processes[place] = self._start()

    def kill(self, place: int) -> bool:
        """End one with SIGKILL, unless it is frozen or has ended."""
        process = self.processes[place]
        if process in (self.frozen, self.thawed) or process.poll() is not None:
            return False
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.killed += 1
        return True

    def is_frozen(self, place: int) -> bool:
        """Whether it stands still, or stood."""
        return self.processes[place] in (self.frozen, self.thawed)

    def freeze(self, place: int) -> None:
        """Stop one with SIGSTOP."""
        self.frozen = self.processes[place]
        self.frozen.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the frozen one go on."""
        if self.frozen is not None:
            self.frozen.send_signal(signal.SIGCONT)
            self.frozen, self.thawed = None, self.frozen

    def close(self) -> None:
        """End all of them."""
        self.thaw()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._log.close()

    def _start(self) -> subprocess.Popen[bytes]:
        self.started += 1
        work = self._folder / "work"
        words = [sys.executable, "-m", "benchmarks._fleet_node", self._url, str(work)]
        words += ["--port", str(self._counter.port), "--lease", str(self._lease_s)]
        if self.apart:
            words = [*_UNSHARE, *words, "--socket", str(self._counter.path)]
        return subprocess.Popen(words, cwd=_ROOT, stdout=self._log, stderr=self._log)


_UNSHARE = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--net")


def separate_networks() -> bool:
    """Whether a process may have a network of its own here."""
    if shutil.which("unshare") is None:
        return False
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run([*_UNSHARE, "true"], capture_output=True, timeout=20, check=False).returncode == 0
    return False


def wait_for(what: str, condition: object, until: float) -> None:
    """Wait until something holds; ``condition`` is called every 0.2 s."""
    assert callable(condition)
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(what)
        time.sleep(0.2)
