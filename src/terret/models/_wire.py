"""The chat completions wire format: requests out, completions and stream chunks in."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from terret.models._types import Message, ModelIdentity, Reply, Request, ToolCall, Usage


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Piece(msgspec.Struct):
    type: str = "text"
    text: str | None = None


class _Delta(msgspec.Struct):
    content: str | list[_Piece] | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    index: int | None = 0
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


class _Timings(msgspec.Struct):
    cache_n: int | None = None


class Chunk(msgspec.Struct):
    """A completion, or one chunk of a streamed one."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    timings: _Timings | None = None
    error: Any = None


_chunk_decoder = msgspec.json.Decoder(Chunk, strict=False)

_FINISH = {
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "content_filter": "content_filter",
}


def decode_chunk(raw: bytes | str) -> Chunk:
    """Decode a completion or chunk; raises ``msgspec.DecodeError`` when it is not one."""
    return _chunk_decoder.decode(raw)


def encode_request(
    request: Request, name: str, *, stream: bool = True, ask_usage: bool = True, limit_name: str = "max_tokens"
) -> bytes:
    """The JSON body of a chat completions call."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": name,
        "messages": [_message(message) for message in request.messages],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        limit_name: sampling.max_tokens,
        "stream": stream,
    }
    if stream and ask_usage:
        body["stream_options"] = {"include_usage": True}
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if request.tools:
        body["tools"] = [{"type": "function", "function": tool} for tool in request.tools]
    return msgspec.json.encode(body)


def _message(message: Message) -> dict[str, Any]:
    plain: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        plain["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        plain["tool_call_id"] = message.tool_call_id
    return plain


class _Growing:
    """A tool call whose parts are still coming in."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []

    def add(self, call: _Call) -> None:
        self.id = self.id or call.id or ""
        function = call.function or _Function()
        # Some servers repeat the whole name with every delta.
        if function.name and function.name != self.name:
            self.name += function.name
        if isinstance(function.arguments, dict):
            self.arguments.append(msgspec.json.encode(function.arguments).decode())
        elif function.arguments:
            self.arguments.append(function.arguments)


class ReplyBuilder:
    """Puts a reply together from chunks, or from one whole completion.

    ``begun`` turns true with the first text or tool call, ``finished`` with a finish reason.
    """

    def __init__(self) -> None:
        self._text: list[str] = []
        self._calls: dict[int, _Growing] = {}
        self._finish: str | None = None
        self._usage: _Usage | None = None
        self._cache_n = 0

    @property
    def begun(self) -> bool:
        """Whether any content has come in."""
        return bool(self._text or self._calls)

    @property
    def finished(self) -> bool:
        """Whether a choice has given its finish reason."""
        return self._finish is not None

    def add(self, chunk: Chunk) -> str:
        """Take a chunk in; the text that is new."""
        self._usage = chunk.usage or self._usage
        if chunk.timings and chunk.timings.cache_n:
            self._cache_n = chunk.timings.cache_n
        new = ""
        for choice in chunk.choices or []:
            if choice.index:
                continue
            delta = choice.delta or choice.message or _Delta()
            new += _text(delta.content)
            for call in delta.tool_calls or []:
                self._calls.setdefault(self._place(call), _Growing()).add(call)
            self._finish = choice.finish_reason or self._finish
        if new:
            self._text.append(new)
        return new

    def reply(self, request: Request, identity: ModelIdentity) -> Reply:
        """The reply so far; usage the endpoint did not give is estimated and marked so."""
        text = "".join(self._text)
        calls = tuple(
            ToolCall(call.id or f"call_{place}", call.name, "".join(call.arguments) or "{}")
            for place, call in sorted(self._calls.items())
        )
        finish = _FINISH.get(self._finish or "stop", "stop")
        if calls and finish == "stop":
            finish = "tool_calls"
        return Reply(text, finish, calls, self._counted(request, text, calls, identity))

    def _place(self, call: _Call) -> int:
        if call.index is not None:
            return call.index
        for place, known in self._calls.items():
            if call.id is not None and known.id == call.id:
                return place
        named = bool(call.id or (call.function and call.function.name))
        return len(self._calls) if named or not self._calls else max(self._calls)

    def _counted(self, request: Request, text: str, calls: tuple[ToolCall, ...], identity: ModelIdentity) -> Usage:
        given = self._usage or _Usage()
        estimated = given.prompt_tokens is None or given.completion_tokens is None
        input_tokens, output_tokens = given.prompt_tokens or 0, given.completion_tokens or 0
        if estimated:
            input_tokens = estimate_tokens("".join(message.content for message in request.messages))
            output_tokens = estimate_tokens(text + "".join(call.name + call.arguments for call in calls))
        details = given.prompt_tokens_details
        cached = min(input_tokens, (details and details.cached_tokens) or self._cache_n)
        return price(Usage(input_tokens, output_tokens, cached, estimated=estimated), identity)


def price(usage: Usage, identity: ModelIdentity) -> Usage:
    """The usage with its cost at the model's prices."""
    cached_price = identity.price_in if identity.price_cached is None else identity.price_cached
    cost = (usage.input - usage.cached) * identity.price_in + usage.cached * cached_price
    return msgspec.structs.replace(usage, cost=cost + usage.output * identity.price_out)


def estimate_tokens(text: str) -> int:
    """A guess at the tokens of a text (3.5 UTF-8 bytes each, what code and English come to), for want of a count."""
    return math.ceil(len(text.encode("utf-8", "replace")) / 3.5)


def _text(content: str | list[_Piece] | None) -> str:
    if isinstance(content, list):
        return "".join(piece.text or "" for piece in content)
    return content or ""
