"""What a model is to terret: a request in, a reply out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool as the model sees it; ``parameters`` is a JSON Schema object."""

    name: str
    description: str
    parameters: dict[str, Any]


class ToolCall(msgspec.Struct, frozen=True):
    """A native tool call; ``arguments`` is the model's raw JSON text, not yet checked."""

    id: str
    name: str
    arguments: str


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One chat message in the OpenAI shape."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class Sampling(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a reply is drawn; ``max_tokens`` bounds the reply."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    seed: int | None = None
    stop: tuple[str, ...] = ()


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens of one call; ``cached`` of the input tokens came from the server's prefix cache. ``cost`` is in USD."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cost: float = 0.0
    estimated: bool = False


class Request(msgspec.Struct, frozen=True):
    """One completion request."""

    messages: tuple[Message, ...] | list[Message]
    sampling: Sampling = Sampling()
    tools: tuple[ToolSpec, ...] = ()


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One completion; ``finish`` is stop, length, tool_calls or content_filter. Seconds are wall time."""

    text: str
    finish: str = "stop"
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    seconds: float = 0.0
    first_token_s: float | None = None
    retries: int = 0


class ModelIdentity(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who answered: enough to find the same model again.

    ``spec`` is the string given on the command line, ``digest`` the sha256 of local weights, ``context`` the window
    in tokens, ``image`` and ``dialect`` the agent style that suits the model best. Prices are in USD per token;
    ``price_cached`` is for input tokens from the server's prefix cache and defaults to ``price_in``.
    """

    spec: str
    provider: str
    name: str
    digest: str | None = None
    context: int = 8192
    dialect: str = "json"
    image: str = "free"
    price_in: float = 0.0
    price_out: float = 0.0
    price_cached: float | None = None


TokenListener = Callable[[str], None]
"""Called with each piece of text as it streams in."""


class Model(Protocol):
    """A model client. ``complete`` raises only :class:`terret.errors.ModelError` and its subclasses."""

    @property
    def identity(self) -> ModelIdentity:
        """Who this is."""
        ...

    async def complete(self, request: Request, on_token: TokenListener | None = None) -> Reply:
        """Answer one request."""
        ...

    async def aclose(self) -> None:
        """Free sockets, threads and weights."""
        ...
