"""Keeps the head and the tail of a stream of unknown length in bounded memory."""

from __future__ import annotations

from collections import deque

FLOOD = 16
"""A command is stopped when it has printed this many times what is kept of its output."""


class HeadTail:
    """Collects at most about ``2 * limit`` bytes and yields at most ``limit``."""

    def __init__(self, limit: int) -> None:
        self.limit = max(2, limit)
        self.total = 0
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0

    @property
    def flooded(self) -> bool:
        """Whether far more was written than is kept."""
        return self.total > self.limit * FLOOD

    def add(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.total += len(chunk)
        room = self.limit - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            chunk = chunk[room:]
        if not chunk:
            return
        self._tail.append(chunk)
        self._tail_size += len(chunk)
        half = self.limit // 2
        while self._tail_size - len(self._tail[0]) >= half:
            self._tail_size -= len(self._tail.popleft())

    def result(self) -> tuple[bytes, bool]:
        """What is kept, and whether anything was left out (a line in the middle then says how much)."""
        if self.total <= self.limit:
            return bytes(self._head), False
        half = self.limit // 2
        rest = b"".join(self._tail)
        tail = rest[-half:] if len(rest) >= half else bytes(self._head[len(self._head) - half + len(rest) :]) + rest
        head = bytes(self._head[: self.limit - half])
        left_out = self.total - len(head) - len(tail)
        return head + b"\n[... %d bytes left out ...]\n" % left_out + tail, True
