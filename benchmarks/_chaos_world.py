"""The outside of a chaos run: a loopback server that counts, and the scripted episode that is killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from terret.errors import EpisodeNotFound
from terret.journal import BOUNDARIES, SigningKey
from terret.models import ModelIdentity, ScriptedModel
from terret.runtime import Episode, resume_episode, run_episode
from terret.task import Check, Hidden, Permissions, Repository, Requirement, Task

KEY = SigningKey(bytes(range(32)))
KEYED = ("alpha", "gamma")
PLAIN = "beta"


class Counting(BaseHTTPRequestHandler):
    """``POST /EPISODE/ITEM`` is applied, once for each idempotency key; ``GET /counts/EPISODE`` tells what was."""

    applied: ClassVar[Counter[str]] = Counter()
    received: ClassVar[Counter[str]] = Counter()
    keys: ClassVar[set[str]] = set()
    mutex = threading.Lock()

    def do_POST(self) -> None:
        """Apply an item."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        key = self.headers.get("Idempotency-Key")
        with self.mutex:
            self.received[self.path] += 1
            if key is None or key not in self.keys:
                self.applied[self.path] += 1
            if key is not None:
                self.keys.add(key)
        self._say("applied\n")

    def do_GET(self) -> None:
        """Tell the counts of an episode, or a fixed text."""
        if not self.path.startswith("/counts/"):
            return self._say("pong\n")
        prefix = f"/{self.path.removeprefix('/counts/')}/"
        with self.mutex:
            named = {name: self.applied[name] for name in self.applied if name.startswith(prefix)}
            repeats = sum(self.received[name] - self.applied[name] for name in named)
        counts = {name.removeprefix(prefix): count for name, count in named.items()}
        return self._say(json.dumps({"applied": counts, "saved": repeats}))

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def _say(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        with contextlib.suppress(OSError):
            # The client may have been killed.
            self.end_headers()
            self.wfile.write(text.encode())


def start_server() -> tuple[int, int]:
    """A counting server in a process of its own; its port and process id."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    server.daemon_threads = True
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        server.serve_forever()
        os._exit(0)
    port = server.server_address[1]
    server.socket.close()
    return port, child


def task(port: int) -> Task:
    """The task of a chaos episode."""
    return Task(
        name="chaos",
        repository=Repository(files={"log.txt": "begin\n", "src/a.py": "A = 1\n", "old.txt": "old\n"}),
        objective="Append lines to log.txt, set A to 2 and tell the server.",
        requirements=(Requirement("R1", "the log has four lines"),),
        checks=(Check("lines", "wc -l < log.txt", expect="4", covers=("R1",)),),
        hidden=Hidden(checks=(Check("value", "grep -q 'A = 2' src/a.py"),)),
        permissions=Permissions(hosts=(f"127.0.0.1:{port}",)),
    )


def model(port: int, name: str) -> ScriptedModel:
    """The agent of a chaos episode: file, shell, child-process and HTTP effects."""
    base = f"http://127.0.0.1:{port}"

    def post(item: str, once: bool) -> dict[str, Any]:
        return _call("http_request", method="POST", url=f"{base}/{name}/{item}", body=item, once=once)

    # A child that outlives its command must not reach the workspace later on.
    straggler = "(sleep 5; echo late >> log.txt) & setsid sh -c 'sleep 5; echo late >> log.txt' & "
    calls = [
        _call("run", command="echo one >> log.txt"),
        post(KEYED[0], once=True),
        _call("write_file", path="notes/done.md", content="done\n" * 900),
        post(PLAIN, once=False),
        _call("run", command=f"{straggler} (echo two >> log.txt) & wait %3; seq 3000"),
        _call("edit_file", path="src/a.py", old="A = 1", new="A = 2"),
        post(KEYED[1], once=True),
        _call("run", command='python3 -c \'open("log.txt", "a").write("three\\n")\' && rm old.txt'),
        _call("http_request", method="GET", url=f"{base}/ping"),
        _call("declare_complete", summary="four lines"),
    ]
    texts = [f"```json\n{json.dumps(call)}\n```" for call in calls]
    return ScriptedModel(texts, ModelIdentity(spec="scripted:chaos", provider="scripted", name="c", dialect="json"))


STORE = os.environ.get("TERRET_STORE")
"""Where the journals live; in the folder of each episode when unset."""


async def go(folder: Path, port: int, faults: Callable[[str], None] | None, tier: Any = None) -> Episode | None:
    """Run the episode of a folder, or resume it where it exists; ``None`` when it never began."""
    if (folder / "live").exists() or (folder / "episode.json").exists():
        try:
            connect = lambda spec: model(port, folder.name)  # noqa: E731 - one line is plainer
            return await resume_episode(folder, key=KEY, connect=connect, faults=faults, store=STORE)
        except EpisodeNotFound:
            return None
    agent = model(port, folder.name)
    return await run_episode(
        task(port), model=agent, folder=folder, key=KEY, level="H1", faults=faults, tier=tier, store=STORE
    )


class Bomb:
    """Kills the process at the n-th time a boundary is reached; counts all of them."""

    def __init__(self, at: str | None = None, nth: int = 1) -> None:
        assert at is None or at in BOUNDARIES, at
        self.at = at
        self.nth = nth
        self.counts: Counter[str] = Counter()

    def __call__(self, name: str) -> None:
        """A boundary is reached."""
        self.counts[name] += 1
        if name == self.at and self.counts[name] == self.nth:
            os.kill(os.getpid(), signal.SIGKILL)


def _call(tool: str, **args: Any) -> dict[str, Any]:
    return {"tool": tool, "args": args}
