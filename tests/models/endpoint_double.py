"""An HTTP server on loopback that says exactly what a test tells it to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

STALL = object()
"""A piece that never comes."""


class Answer:
    """One response: head, then pieces; the connection closes unless a length is given."""

    def __init__(
        self,
        body: bytes | str | dict[str, Any] | Sequence[object] = b"",
        status: int = 200,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        if isinstance(body, dict):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        self.pieces = [body] if isinstance(body, bytes) else list(body)
        self.status = status
        self.headers = {"Content-Type": content_type, **(headers or {})}
        if length is None and all(isinstance(piece, bytes) for piece in self.pieces):
            length = sum(len(piece) for piece in self.pieces)  # type: ignore[arg-type]
        if length is not None:
            self.headers["Content-Length"] = str(length)


def sse(*chunks: dict[str, Any] | str, done: bool = True) -> bytes:
    """An event stream of these data."""
    data = [chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in chunks]
    return "".join(f"data: {line}\n\n" for line in [*data, *(["[DONE]"] if done else [])]).encode()


def delta(content: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A stream chunk with one choice."""
    return {"choices": [{"index": 0, "delta": {"content": content, **more}, "finish_reason": finish}]}


def streamed(*pieces: str, usage: dict[str, Any] | None = None, **more: Any) -> Answer:
    """A complete, well-formed streamed reply."""
    chunks: list[dict[str, Any]] = [delta(piece) for piece in pieces]
    chunks.append(delta(finish="stop"))
    if usage is not None:
        chunks.append({"choices": [], "usage": usage, **more})
    return Answer(sse(*chunks), content_type="text/event-stream")


def whole(text: str | None, **more: Any) -> Answer:
    """A complete reply in one piece."""
    return Answer(
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}], **more}
    )


class FakeEndpoint:
    """Answers call ``n`` with answer ``n``, the last one for ever after.

    ``calls`` are the JSON bodies received, ``heads`` the header blocks, ``connections`` the number of connections,
    ``called`` is set by the first call, ``left`` when a client goes away during a stall.
    """

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.calls: list[dict[str, Any]] = []
        self.heads: list[str] = []
        self.connections = 0
        self.called = asyncio.Event()
        self.left = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FakeEndpoint:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self.hang_up()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def hang_up(self) -> None:
        """Drop every connection."""
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(fields.get("content-length", "0")))
        self.heads.append(head)
        self.calls.append(json.loads(body) if body else {})
        self.called.set()
        answer = self.answers[min(len(self.calls), len(self.answers)) - 1]
        keep = "Content-Length" in answer.headers
        lines = [f"HTTP/1.1 {answer.status} Said", *(f"{name}: {value}" for name, value in answer.headers.items())]
        lines += [] if keep else ["Connection: close"]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        for piece in answer.pieces:
            if piece is STALL:
                await reader.read()
                self.left.set()
                return False
            assert isinstance(piece, bytes)
            writer.write(piece)
            await writer.drain()
        return keep
