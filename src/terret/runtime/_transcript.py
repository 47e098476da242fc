"""The conversation of an episode, with a running digest so that a step costs the same early and late."""

from __future__ import annotations

from collections.abc import Iterable

from terret.models import GENESIS_DIGEST, Message, chain_digest

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

    def elided(self, limit_tokens: int, keep_first: int, keep_last: int) -> tuple[Transcript, list[int]]:
        """A transcript of at most about ``limit_tokens`` with the bodies of old observations left out.

        The first ``keep_first`` and last ``keep_last`` messages stay whole. Returns the new transcript and the
        indices of the shortened messages.
        """
        excess = self.chars - int(limit_tokens * CHARS_PER_TOKEN)
        shortened: list[int] = []
        messages = list(self.messages)
        for index in range(keep_first, len(messages) - keep_last):
            if excess <= 0:
                break
            message = messages[index]
            if message.role == "assistant" or len(message.content) < 200:
                continue
            first = message.content[:120].split("\n", 1)[0]
            note = f"{first}\n[... the rest of this older result is left out; repeat the action to see it again]"
            excess -= len(message.content) - len(note)
            messages[index] = Message(message.role, note, tool_call_id=message.tool_call_id)
            shortened.append(index)
        return Transcript(messages), shortened


def _size(message: Message) -> int:
    calls = sum(len(call.name) + len(call.arguments) + 16 for call in message.tool_calls)
    return len(message.content) + calls + 16
