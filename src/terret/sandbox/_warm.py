"""Keeps one sandbox started in advance, so that the next command does not wait for its namespaces and mounts.

A warm sandbox is like any other and serves one command only: its shell waits for the text on its standard input, reads
it, and is replaced by a shell that runs it. What a command may see or leave behind is the same as in a cold one.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import threading
from collections.abc import Callable
from typing import NamedTuple

from terret.errors import SandboxError
from terret.sandbox._bwrap import SHELL
from terret.sandbox._cgroup import Group
from terret.sandbox._launch import Cage
from terret.task import Limits

LONGEST = 8192
"""Bytes of a command text; the waiting shell reads a longer one too slowly."""

_WAIT = [SHELL, "--noprofile", "--norc", "-c", f'IFS= read -r -d "" t && exec {SHELL} -c "$t" </dev/null']


class WarmKey(NamedTuple):
    """What a sandbox has to have in common with a command to serve it."""

    limits: Limits
    env: tuple[tuple[str, str], ...]
    network: bool


class Ready(NamedTuple):
    """A sandbox whose shell waits for the text of its command on ``channel``."""

    cage: Cage
    group: Group | None
    channel: int

    def give(self, text: str) -> bool:
        """Hand over the command; False when the sandbox has died in the meantime.

        Once it is handed over it may run, and be over at once: it must not be given to another sandbox as well.
        """
        try:
            if select.select([self.cage.exited], [], [], 0)[0]:
                return False
            os.write(self.channel, os.fsencode(text) + b"\0")
        except OSError:
            return False
        finally:
            os.close(self.channel)
        return True


Launch = Callable[[list[str], WarmKey, int], tuple[Cage, Group | None]]
"""Starts a sandbox with these words, for this key, with this descriptor as standard input."""

Retire = Callable[[Cage, Group | None], None]


class WarmPool:
    """At most one warm sandbox, made by a thread that stays: bubblewrap dies with the thread that started it.

    Args:
        launch: How to start a sandbox.
        retire: How to give one back that has been reaped.
    """

    def __init__(self, launch: Launch, retire: Retire) -> None:
        self._launch = launch
        self._retire = retire
        self._lock = threading.Lock()
        self._ready: tuple[WarmKey, Ready] | None = None
        self._wanted: queue.SimpleQueue[WarmKey | threading.Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    def take(self, key: WarmKey) -> Ready | None:
        """The warm sandbox, if there is one that fits."""
        with self._lock:
            if self._ready is None or self._ready[0] != key:
                return None
            ready, self._ready = self._ready[1], None
        return ready

    def want(self, key: WarmKey) -> None:
        """Have one made for the next command."""
        with self._lock:
            if self._closed or (self._ready is not None and self._ready[0] == key):
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._live, name="terret-warm", daemon=True)
                self._thread.start()
        self._wanted.put(key)

    def settle(self) -> None:
        """Wait until what was wanted is there."""
        reached = threading.Event()
        with self._lock:
            if self._thread is None or self._closed:
                return
            self._wanted.put(reached)
        reached.wait()

    def close(self) -> None:
        """End the warm sandbox and its thread; harmless when done twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            thread = self._thread
        self._wanted.put(threading.Event())
        if thread is not None:
            thread.join()

    def discard(self, ready: Ready) -> None:
        """End a sandbox that was not used up."""
        ready.cage.kill()
        with contextlib.suppress(SandboxError):
            ready.cage.reap()
        self._retire(ready.cage, ready.group)

    def _live(self) -> None:
        while True:
            key = self._wanted.get()
            with self._lock:
                closed, kept = self._closed, self._ready
            if isinstance(key, threading.Event):
                key.set()
            if closed:
                break
            if isinstance(key, threading.Event):
                continue
            if kept is not None and kept[0] == key:
                continue
            made = self._make(key)
            with self._lock:
                old, self._ready = self._ready, (key, made) if made is not None else self._ready
            if old is not None and made is not None:
                self._drop(old[1])
        with self._lock:
            last, self._ready = self._ready, None
        if last is not None:
            self._drop(last[1])

    def _make(self, key: WarmKey) -> Ready | None:
        take, give = os.pipe()
        try:
            cage, group = self._launch(_WAIT, key, take)
            cage.settle()
        except SandboxError:
            # The command itself will be started cold and say what is wrong.
            os.close(give)
            return None
        finally:
            os.close(take)
        return Ready(cage, group, give)

    def _drop(self, ready: Ready) -> None:
        os.close(ready.channel)
        self.discard(ready)
