"""HTTP as a primitive: ``net.request``, allowed only to the hosts that a task names.

A request changes the world outside, so an unknown outcome is told to the agent and never repeated, unless the request
has a key by which the other side knows it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Any, Protocol

import msgspec

from terret.journal import Outcome
from terret.runtime._classes import Done, raise_refusal
from terret.runtime._kernel import Kernel
from terret.task import Task
from terret.tools import Tool, ToolFailure, ToolResult, tool

KEY_HEADER = "Idempotency-Key"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
MOST_BYTES = 1 << 20
"""Of a reply; the rest is left out."""

TIMEOUT_S = 30.0
_ATTEMPTS = 3
"""Of a keyed request that got no reply."""


class HttpRequest(msgspec.Struct, frozen=True):
    """One request; redirects are not followed."""

    method: str
    url: str
    headers: dict[str, str] = {}
    body: bytes = b""
    timeout_s: float = TIMEOUT_S


class HttpReply(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    headers: dict[str, str] = {}
    body: bytes = b""
    truncated: bool = False


class NotSent(Exception):
    """Nothing reached the other side."""


class NoReply(Exception):
    """The request may have reached the other side, and no reply came back."""


class HttpProvider(Protocol):
    """Sends requests."""

    async def __call__(self, request: HttpRequest) -> HttpReply:
        """The reply; raises :class:`NotSent` or :class:`NoReply`."""
        ...


class Texts(Protocol):
    """Texts as the journal keeps them."""

    def text(self, text: str) -> dict[str, Any]:
        """A text as the journal keeps it."""
        ...

    def load(self, text: dict[str, Any]) -> str:
        """A recorded text."""
        ...


class DirectHttp:
    """Sends requests from this process: no proxy, no cookies, no redirects, certificates checked."""

    async def __call__(self, request: HttpRequest) -> HttpReply:
        """The reply; raises :class:`NotSent` or :class:`NoReply`."""
        return await asyncio.to_thread(self._send, request)

    def _send(self, request: HttpRequest) -> HttpReply:
        from http.client import HTTPConnection, HTTPException, HTTPSConnection, InvalidURL
        from urllib.parse import urlsplit

        url = urlsplit(request.url)
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        try:
            connection = kind(url.hostname or "", url.port, timeout=request.timeout_s)
            connection.connect()
        except (OSError, ValueError, HTTPException) as error:
            raise NotSent(f"{url.netloc} cannot be reached: {error}") from None
        try:
            target = (url.path or "/") + (f"?{url.query}" if url.query else "")
            connection.request(request.method, target, request.body or None, request.headers)
            # A reply cut short keeps the socket open until it is closed itself.
            with connection.getresponse() as answer:
                due = answer.length
                body = answer.read(MOST_BYTES + 1)
                if due is not None and len(body) < min(due, MOST_BYTES + 1):
                    raise NoReply(f"{url.netloc} sent {len(body)} of {due} bytes")
        except (ValueError, InvalidURL) as error:
            raise NotSent(f"the request is malformed: {error}") from None
        except (OSError, HTTPException) as error:
            raise NoReply(f"{url.netloc} gave no whole reply: {error or type(error).__name__}") from None
        finally:
            connection.close()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return HttpReply(answer.status, headers, body[:MOST_BYTES], len(body) > MOST_BYTES)


async def net_request(
    kernel: Kernel,
    provider: HttpProvider,
    method: str,
    url: str,
    *,
    body: str = "",
    headers: Mapping[str, str] | None = None,
    once: bool = False,
) -> HttpReply:
    """Send a request (primitive ``net.request``); ``once`` gives it a key of its own in ``Idempotency-Key``.

    Raises:
        ToolFailure: It is refused, cannot be sent, or nobody knows whether it was carried out.
    """
    return await send(
        kernel.effect, kernel, provider, method, url, body=body, headers=headers, key=_key(kernel) if once else None
    )


async def send(
    effect: Callable[..., Awaitable[Outcome]],
    texts: Texts,
    provider: HttpProvider,
    method: str,
    url: str,
    *,
    body: str = "",
    headers: Mapping[str, str] | None = None,
    key: str | None = None,
) -> HttpReply:
    """Send a request as an ``effect``, repeated under its ``key`` when no reply comes; raises ToolFailure."""
    args: dict[str, Any] = {"method": method, "url": url, "headers": dict(headers or {})}
    if body:
        args["body"] = texts.text(body)
    sent = {**args["headers"], **({KEY_HEADER: key} if key else {})}
    request = HttpRequest(method, url, sent, body.encode())

    async def act() -> Done:
        for attempt in range(_ATTEMPTS):
            try:
                reply = await provider(request)
            except NotSent as error:
                if attempt:
                    break
                return "error", {"failure": "unreachable", "message": str(error)}, {}
            except NoReply as error:
                if key is None:
                    message = f"{error}; whether the request was carried out is not known: check first"
                    return ("error" if method in ("GET", "HEAD") else "unknown"), _lost(message), {}
            else:
                return _done(texts, reply)
        return "unknown", _lost(f"no reply in {_ATTEMPTS} attempts under one key; check whether it was carried out"), {}

    outcome = await effect("net.request", args, act, shown=lambda: f"{method} {url}\n{body}", key=key)
    raise_refusal(outcome)
    result = outcome.result
    text = texts.load(result["body"]).encode()
    return HttpReply(result["status"], result["headers"], text, result["truncated"])


def net_tools(provider: HttpProvider | None = None) -> dict[str, Tool]:
    """The tool ``http_request`` over a provider; :class:`DirectHttp` by default."""
    send = provider or DirectHttp()

    async def http_request(  # noqa: D417 - the primitives are no argument of the tool
        primitives: Any, method: str, url: str, body: str = "", content_type: str = "", once: bool = False
    ) -> ToolResult:
        """Send an HTTP request to a host that the task allows. Redirects are not followed.

        Args:
            method: GET, HEAD, POST, PUT, PATCH or DELETE.
            url: The whole address, with http:// or https://.
            body: What to send.
            content_type: The media type of the body.
            once: Send an Idempotency-Key, so that the request can safely be repeated after a fault. Use it for
                every request that changes something and whose server knows such keys.
        """
        if method not in METHODS:
            raise ToolFailure("bad_arguments", f"the method must be one of {', '.join(METHODS)}")
        headers = {"content-type": content_type} if content_type else {}
        reply = await net_request(primitives, send, method, url, body=body, headers=headers, once=once)
        text = f"HTTP {reply.status}\n{reply.body.decode('utf-8', 'replace')}"
        if reply.truncated:
            text += "\n[the rest was left out]"
        if reply.status < 400:
            return ToolResult(text=text)
        return ToolResult(text=text, ok=False, failure={"type": "http_status", "detail": str(reply.status)})

    return {"http_request": tool(http_request)}


def with_net(task: Task, extra_tools: dict[str, Tool] | None) -> dict[str, Tool] | None:
    """The tools of an episode: ``http_request`` too where the task names hosts; one of that name given wins."""
    return {**net_tools(), **(extra_tools or {})} if task.permissions.hosts else extra_tools


def _done(texts: Texts, reply: HttpReply) -> Done:
    kept = {name: value for name, value in reply.headers.items() if name in ("content-type", "location", "etag")}
    result = {
        "status": reply.status,
        "headers": kept,
        "body": texts.text(reply.body.decode("utf-8", "replace")),
        "truncated": reply.truncated,
    }
    return ("ok" if reply.status < 400 else "error"), result, {"bytes": len(reply.body)}


def _lost(message: str) -> dict[str, Any]:
    return {"failure": "no_reply", "message": message}


def _key(kernel: Kernel) -> str:
    """The same whenever the episode comes to this request again, and never that of another request."""
    journal = kernel.recorder.journal
    named = f"{journal.key.public_hex}/{journal.episode}/e{kernel.effects}"
    return sha256(named.encode()).hexdigest()[:32]
