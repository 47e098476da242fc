"""The conversation of an episode, with a running digest so that a step costs the same early and late."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from terret.models import GENESIS_DIGEST, Message, Reply, ToolCall, Usage, chain_digest

CHARS_PER_TOKEN = 3.2
"""A cautious estimate for code and English; only used to reserve budget and to keep within the window."""


def estimate_tokens(chars: int) -> int:
    """Tokens that so many characters may need."""
    return int(chars / CHARS_PER_TOKEN) + 4


class Transcript:
    """Messages in order, their chained digest and their size."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self.messages: list[Message] = []
        self.digest = GENESIS_DIGEST
        self.chars = 0
        self.sent = 0
        """How many of the messages were already journalled with an earlier call."""
        for message in messages:
            self.append(message)

    def append(self, message: Message) -> None:
        """Add one message."""
        self.messages.append(message)
        self.digest = chain_digest(self.digest, message)
        self.chars += _size(message)

    @property
    def tokens(self) -> int:
        """Estimated prompt tokens."""
        return estimate_tokens(self.chars)


def _size(message: Message) -> int:
    calls = sum(len(call.name) + len(call.arguments) + 16 for call in message.tool_calls)
    return len(message.content) + calls + 16


def journalled(message: Message, text: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """A message as the journal keeps it; ``text`` stores its content."""
    plain: dict[str, Any] = {"role": message.role, "content": text(message.content)}
    if message.tool_calls:
        plain["tool_calls"] = [msgspec.to_builtins(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        plain["tool_call_id"] = message.tool_call_id
    return plain


def recorded_reply(reply: Reply, text: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """A reply as the outcome of its call keeps it."""
    return {
        "text": text(reply.text),
        "finish": reply.finish,
        "tool_calls": [msgspec.to_builtins(call) for call in reply.tool_calls],
        "usage": msgspec.to_builtins(reply.usage),
        "seconds": round(reply.seconds, 4),
        "first_token_s": reply.first_token_s,
        "retries": reply.retries,
    }


def reply_of(result: dict[str, Any], text: str) -> Reply:
    """The reply that an outcome holds; ``text`` is its text, loaded."""
    return Reply(
        text=text,
        finish=result["finish"],
        tool_calls=tuple(msgspec.convert(call, ToolCall) for call in result["tool_calls"]),
        usage=msgspec.convert(result["usage"], Usage),
        seconds=result["seconds"],
    )
