"""A model on this machine: weights from the catalogue or a GGUF file, run by llama.cpp in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from terret.errors import MissingExtra, ModelError, ModelReplyInvalid, ModelRequestInvalid, ModelUnavailable
from terret.models import _engine
from terret.models._engine import Engine, EngineKey
from terret.models._http import HttpModel
from terret.models._limits import Retries, Timeouts
from terret.models._machine import physical_cores
from terret.models._types import ModelIdentity, Reply, Request, Sampling, TokenListener, Usage
from terret.models._wire import price

if TYPE_CHECKING:
    import httpx

LOCAL_TIMEOUTS = Timeouts(first_token=1800.0, stall=600.0, total=7200.0)
"""A long prompt on a slow processor, behind others in the queue, takes minutes before its first token."""


class Infilling(Protocol):
    """A model that can also fill a gap in a text."""

    async def infill(self, prefix: str, suffix: str, sampling: Sampling) -> Reply:
        """The text between ``prefix`` and ``suffix``."""
        ...


class LocalModel:
    """llama.cpp in this process, started by the first call and shared by all models of the same weights.

    Args:
        path: The GGUF file.
        identity: Who this is; ``context`` is the window of each slot.
        fim: Fill-in-the-middle tokens ``prefix``, ``suffix`` and ``middle``; empty for a model without.
        slots: Requests answered at the same time.
        threads: Compute threads; by default one for each physical core.
        timeouts: Limits of one call.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        path: Path,
        identity: ModelIdentity,
        *,
        fim: dict[str, str] | None = None,
        slots: int = 1,
        threads: int | None = None,
        timeouts: Timeouts = LOCAL_TIMEOUTS,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._identity = identity
        self._key = EngineKey(str(path.resolve()), identity.context, slots, threads or physical_cores())
        self._fim = fim or {}
        self._timeouts, self._clock = timeouts, clock
        self._engine: Engine | None = None
        self._http: HttpModel | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    def __repr__(self) -> str:
        """The spec."""
        return f"LocalModel({self._identity.spec!r})"

    @property
    def identity(self) -> ModelIdentity:
        """Who this is."""
        return self._identity

    async def complete(self, request: Request, on_token: TokenListener | None = None) -> Reply:
        """Answer one request; the first call also loads the weights, which is not part of ``seconds``.

        Raises:
            ModelUnavailable: The weights cannot be loaded, or the model is closed.
            ModelError: The call failed.
            MissingExtra: xllamacpp or httpx is not installed.
        """
        http, _ = await self._started()
        return await http.complete(request, on_token)

    async def infill(self, prefix: str, suffix: str, sampling: Sampling) -> Reply:
        """The text between ``prefix`` and ``suffix``.

        Raises:
            ModelRequestInvalid: The model has no fill-in-the-middle tokens.
            ModelError: The call failed.
        """
        if not self._fim:
            raise ModelRequestInvalid("the model cannot fill in the middle", value=self._identity.name)
        _, engine = await self._started()
        started = self._clock()
        reply = _infilled(await self._ask(engine, _infill_body(prefix, suffix, sampling, self._fim)), self._identity)
        return msgspec.structs.replace(reply, seconds=self._clock() - started)

    async def aclose(self) -> None:
        """Give the engine back; the last model of its weights frees them."""
        async with self._starting:
            self._closed = True
            http, self._http = self._http, None
            engine, self._engine = self._engine, None
            if http is not None:
                await http.aclose()
            if engine is not None:
                await asyncio.to_thread(_engine.release, engine)

    async def _started(self) -> tuple[HttpModel, Engine]:
        async with self._starting:
            if self._closed:
                raise ModelUnavailable("the model is closed", value=self._identity.spec)
            if self._engine is None or self._http is None:
                engine = await asyncio.to_thread(_engine.acquire, self._key)
                self._engine = engine
                self._http = HttpModel(
                    f"{engine.url}/v1",
                    Path(self._key.path).name,
                    engine.api_key,
                    identity=self._identity,
                    timeouts=self._timeouts,
                    retries=Retries(limit=1),
                    clock=self._clock,
                )
            return self._http, self._engine

    async def _ask(self, engine: Engine, body: bytes) -> httpx.Response:
        try:
            import httpx
        except ImportError:
            raise MissingExtra("local models need httpx", hint="pip install 'terret[run]'") from None
        headers = {"Authorization": f"Bearer {engine.api_key}", "Content-Type": "application/json"}
        try:
            async with httpx.AsyncClient(timeout=self._timeouts.first_token, trust_env=False) as client:
                return await client.post(f"{engine.url}/infill", content=body, headers=headers)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ModelUnavailable(f"llama.cpp did not answer: {reason}", value=self._identity.spec) from None


class _Timings(msgspec.Struct, frozen=True):
    cache_n: int = 0


class _Infill(msgspec.Struct):
    content: str
    tokens_evaluated: int = 0
    tokens_predicted: int = 0
    stop_type: str = ""
    timings: _Timings = _Timings()


def _infill_body(prefix: str, suffix: str, sampling: Sampling, fim: dict[str, str]) -> bytes:
    body = {
        "input_prefix": prefix,
        "input_suffix": suffix,
        "n_predict": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop": [*sampling.stop, *fim.values(), "<|endoftext|>"],
    }
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    return msgspec.json.encode(body)


def _infilled(response: httpx.Response, identity: ModelIdentity) -> Reply:
    if response.status_code != 200:
        kind: type[ModelError] = ModelRequestInvalid if response.status_code < 500 else ModelUnavailable
        raise kind(f"llama.cpp answered {response.status_code}", value=response.text[:200])
    try:
        answer = msgspec.json.decode(response.content, type=_Infill)
    except msgspec.DecodeError as error:
        raise ModelReplyInvalid(f"llama.cpp gave no infill: {error}", value=response.text[:100]) from None
    usage = Usage(answer.tokens_evaluated, answer.tokens_predicted, answer.timings.cache_n)
    finish = "length" if answer.stop_type == "limit" else "stop"
    return Reply(answer.content, finish, usage=price(usage, identity))
