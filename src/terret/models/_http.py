"""A model behind an OpenAI-compatible HTTP endpoint."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from terret.errors import ConfigError, MissingExtra, ModelError, ModelRequestInvalid, ModelTimeout, ModelUnavailable
from terret.models._failures import Endpoint, Failed, failure
from terret.models._limits import Retries, Timeouts, Watch
from terret.models._sse import SseDecoder
from terret.models._types import ModelIdentity, Reply, Request, TokenListener
from terret.models._wire import Chunk, ReplyBuilder, decode_chunk, encode_request

if TYPE_CHECKING:
    import httpx

REPLY_LIMIT = 32 << 20
"""Bytes of one answer; a longer one is an endpoint gone wild."""

_DRAIN_S = 0.5
_NO_STREAM = re.compile(r"\bstream(ing)?\b", re.IGNORECASE)


class HttpModel:
    """Chat completions over HTTP, streamed where the endpoint can. Use one instance in one event loop.

    Args:
        base_url: Up to and including ``/v1``.
        name: The model's name at the endpoint.
        api_key: Sent as bearer token; never shown, never logged.
        identity: Who to say this is; by default built from address and name.
        timeouts: Limits of one attempt.
        retries: When to try again.
        clock: Monotonic seconds.
        sleep: Waits between attempts.
        rng: Uniform numbers in [0, 1) for the jitter.

    Raises:
        ConfigError: The address or the key cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        name: str,
        api_key: str | None = None,
        *,
        identity: ModelIdentity | None = None,
        timeouts: Timeouts | None = None,
        retries: Retries | None = None,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._host = _host(base_url)
        self._endpoint = Endpoint(base_url, api_key)
        if api_key and not (api_key.isascii() and api_key.isprintable()):
            raise ConfigError("the API key holds characters that no header can carry", where=self._endpoint.shown)
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._key = api_key
        self._name = name
        spec = f"{self._endpoint.shown}#{name}"
        self._identity = identity or ModelIdentity(spec=spec, provider="http", name=name)
        self._timeouts = timeouts or Timeouts()
        self._retries = retries or Retries()
        self._clock, self._sleep, self._rng = clock, sleep, rng
        self._client: httpx.AsyncClient | None = None
        self._closed = False
        # What this endpoint turned out not to understand.
        self._stream, self._ask_usage, self._limit_name = True, True, "max_tokens"

    def __repr__(self) -> str:
        """Address and name, no key."""
        return f"HttpModel({self._endpoint.shown!r}, {self._name!r})"

    @property
    def identity(self) -> ModelIdentity:
        """Who this is."""
        return self._identity

    async def complete(self, request: Request, on_token: TokenListener | None = None) -> Reply:
        """Answer one request; ``seconds`` covers all attempts.

        Raises:
            ModelError: The subclass tells what went wrong.
            MissingExtra: httpx is not installed.
        """
        started, retries = self._clock(), 0
        while True:
            try:
                reply = await self._attempt(request, on_token)
            except Failed as failed:
                if self._adapt(failed.error):
                    continue
                wait = self._retries.wait_s(retries, failed.after_s, self._rng()) if failed.again else None
                if wait is None:
                    raise failed.error from None
                await self._sleep(wait)
                retries += 1
            else:
                return msgspec.structs.replace(reply, seconds=self._clock() - started, retries=retries)

    async def aclose(self) -> None:
        """Close the connections; later calls fail."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _adapt(self, error: ModelError) -> bool:
        """Drop an option the endpoint said it does not know; whether there was one to drop."""
        if not isinstance(error, ModelRequestInvalid):
            return False
        if "max_completion_tokens" in error.message and self._limit_name == "max_tokens":
            self._limit_name = "max_completion_tokens"
        elif "stream_options" in error.message and self._ask_usage:
            self._ask_usage = False
        elif _NO_STREAM.search(error.message) and self._stream:
            self._stream = False
        else:
            return False
        return True

    async def _attempt(self, request: Request, on_token: TokenListener | None) -> Reply:
        body = encode_request(
            request, self._name, stream=self._stream, ask_usage=self._ask_usage, limit_name=self._limit_name
        )
        client, watch = self._connected(), None
        try:
            async with asyncio.timeout(None) as deadline:
                watch = Watch(self._timeouts, deadline, asyncio.get_running_loop().time)
                async with self._send(client, body) as response:
                    return await self._read(response, request, on_token, watch)
        except TimeoutError:
            if watch is None:
                raise
            hint = "raise the time-outs or use a faster model"
            raise Failed(self._endpoint.error(ModelTimeout, f"the endpoint {watch.phase}", hint=hint)) from None

    @asynccontextmanager
    async def _send(self, client: httpx.AsyncClient, body: bytes) -> AsyncGenerator[httpx.Response, None]:
        import httpx

        answered = False
        try:
            async with client.stream("POST", self._url, content=body) as response:
                answered = True
                yield response
        except httpx.TimeoutException:
            what = "the endpoint did not accept the connection in time"
            raise Failed(self._endpoint.error(ModelTimeout, what, hint="check that it is up"), again=True) from None
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            if answered:
                raise Failed(self._endpoint.invalid(f"the answer broke off: {reason}")) from None
            hint = "check that it is up and that the base URL is right"
            lost = self._endpoint.error(ModelUnavailable, f"the endpoint cannot be reached: {reason}", hint=hint)
            raise Failed(lost, again=True) from None
        except httpx.DecodingError as error:
            raise Failed(self._endpoint.invalid(f"the answer cannot be decoded: {error}")) from None

    async def _read(
        self, response: httpx.Response, request: Request, on_token: TokenListener | None, watch: Watch
    ) -> Reply:
        if response.status_code != 200:
            retry_after = response.headers.get("retry-after")
            body = b"".join([piece async for piece in self._pieces(response)])
            raise failure(self._endpoint, self._name, response.status_code, body, retry_after)
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            return await self._streamed(response, request, on_token, watch)
        body = b"".join([piece async for piece in self._pieces(response)])
        builder, chunk = ReplyBuilder(), self._chunk(body)
        if not chunk.choices or chunk.choices[0].message is None:
            raise Failed(self._endpoint.invalid("the endpoint answered without a choice", body))
        if (text := builder.add(chunk)) and on_token is not None:
            on_token(text)
        return builder.reply(request, self._identity)

    async def _streamed(
        self, response: httpx.Response, request: Request, on_token: TokenListener | None, watch: Watch
    ) -> Reply:
        builder, decoder = ReplyBuilder(), SseDecoder()
        started, first = self._clock(), None
        pieces = self._pieces(response)
        done = False
        while not done:
            piece = await anext(pieces, None)
            # A server that ends the stream without a blank line still sent its last event.
            for data in decoder.close() if piece is None else decoder.feed(piece):
                if done := data.strip() == "[DONE]":
                    break
                new = builder.add(self._chunk(data))
                if builder.begun:
                    watch.alive()
                    first = self._clock() - started if first is None else first
                if new and on_token is not None:
                    on_token(new)
            done = done or piece is None
        if not builder.finished:
            what = "the stream broke off" if builder.begun else "the stream ended without a choice"
            raise Failed(self._endpoint.invalid(what))
        await _drain(pieces)
        return msgspec.structs.replace(builder.reply(request, self._identity), first_token_s=first)

    async def _pieces(self, response: httpx.Response) -> AsyncIterator[bytes]:
        total = 0
        async for piece in response.aiter_bytes():
            total += len(piece)
            if total > REPLY_LIMIT:
                raise Failed(self._endpoint.invalid(f"the answer is longer than {REPLY_LIMIT >> 20} MiB"))
            yield piece

    def _chunk(self, raw: bytes | str) -> Chunk:
        try:
            chunk = decode_chunk(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Failed(
                self._endpoint.invalid("the endpoint answered with something else than a completion", raw)
            ) from None
        if chunk.error is not None:
            raise failure(self._endpoint, self._name, 200, raw.encode() if isinstance(raw, str) else raw)
        return chunk

    def _connected(self) -> httpx.AsyncClient:
        if self._closed:
            raise ModelUnavailable("the model client is closed", where=self._endpoint.shown)
        if self._client is None:
            try:
                import httpx
            except ImportError:
                raise MissingExtra("HTTP models need httpx", hint="pip install 'terret[run]'") from None
            headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            limits = httpx.Timeout(None, connect=self._timeouts.connect)
            # Proxies named in the environment are not for this machine's own servers.
            local = self._host in ("localhost", "127.0.0.1", "::1")
            self._client = httpx.AsyncClient(headers=headers, timeout=limits, trust_env=not local)
        return self._client


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    """Read to the end so that the connection can be used again, unless the server keeps it open."""
    import httpx

    with suppress(TimeoutError, httpx.TransportError, Failed):
        async with asyncio.timeout(_DRAIN_S):
            async for _ in pieces:
                continue


def _host(base_url: str) -> str:
    shown = base_url.partition("://")[0] + "://..." if "@" in base_url else base_url
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"the base URL cannot be used: {error}", value=shown) from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(
            "the base URL must be http or https", value=shown, hint="for example http://127.0.0.1:8080/v1"
        )
    return host
