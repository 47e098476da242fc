"""Makes a conversation shorter without losing what must stay or where the rest can be found."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from terret.context._symbol import cut
from terret.models import Message, estimate_tokens

OVERHEAD = 4
"""Tokens a message costs beside its text."""


class Compaction(msgspec.Struct, frozen=True):
    """A shortened conversation.

    ``kept`` are the messages to send, the summary among them where the first gap is. ``dropped`` says of every
    message left out: ``index``, ``role``, ``digest`` (SHA-256 of its content), ``tokens`` and its first words.
    ``summary`` is empty when nothing was dropped. ``tokens`` estimates ``kept``; it exceeds the limit only when
    what may not be dropped does.
    """

    kept: list[Message]
    dropped: list[dict[str, Any]]
    summary: str
    tokens: int


LONG = 400
"""Characters from which a message left out is worth reading again."""


def compact(
    messages: Sequence[Message], *, limit_tokens: int, pinned: Collection[int] = (), reader: str = ""
) -> Compaction:
    """Leave out the oldest turns until the conversation fits.

    What comes before the first reply (rules and task) and the last turn always stay, and so does every turn with a
    pinned message, such as a decision. A turn is a reply with all that answers it, so that no tool result loses
    its call.

    Args:
        messages: The conversation.
        limit_tokens: Estimated tokens it may take.
        pinned: Indices of messages that stay.
        reader: The tool that shows a message again, given the digest of its content; the summary then names the
            digests of the long ones.
    """
    turns = _turns(messages)
    sizes = [_size(message) for message in messages]
    total = sum(sizes)
    candidates = [turn for turn in turns[1:-1] if not any(index in pinned for index in turn)]
    gone: set[int] = set()
    summary = ""
    for turn in candidates:
        if total + _words(summary) <= limit_tokens:
            break
        gone.update(turn)
        total -= sum(sizes[index] for index in turn)
        summary = _summary(messages, gone, reader)
    kept: list[Message] = []
    for index, message in enumerate(messages):
        if index not in gone:
            kept.append(message)
        elif index == min(gone):
            kept.append(Message("user", summary))
    dropped = [_entry(index, messages[index], sizes[index]) for index in sorted(gone)]
    return Compaction(kept, dropped, summary, total + _words(summary))


def _turns(messages: Sequence[Message]) -> list[list[int]]:
    """Indices by turn; the first group is what comes before any reply."""
    turns: list[list[int]] = [[]]
    for index, message in enumerate(messages):
        if message.role == "assistant":
            turns.append([])
        turns[-1].append(index)
    return turns


def _size(message: Message) -> int:
    calls = "".join(call.name + call.arguments for call in message.tool_calls)
    return estimate_tokens(message.content) + estimate_tokens(calls) + OVERHEAD


def _words(summary: str) -> int:
    return estimate_tokens(summary) + OVERHEAD if summary else 0


def _summary(messages: Sequence[Message], gone: Collection[int], reader: str) -> str:
    """What was left out, a line a message, most recent lines first to be kept when there are many."""
    lines = [f"- {messages[index].role}: {_first(messages[index])}" for index in sorted(gone)]
    if reader:
        lines = [
            line + (f' ({reader}("{_digest(messages[index])}"))' if len(messages[index].content) >= LONG else "")
            for line, index in zip(lines, sorted(gone), strict=True)
        ]
    shown = lines[-12:]
    earlier = f"\n- ({len(lines) - len(shown)} earlier ones)" if len(lines) > len(shown) else ""
    return f"[{len(lines)} earlier messages are left out to save room:{earlier}\n" + "\n".join(shown) + "]"


def _first(message: Message) -> str:
    called = ", ".join(f"{call.name}({cut(call.arguments, 60)})" for call in message.tool_calls)
    text = cut(next((line for line in message.content.splitlines() if line.strip()), ""), 90)
    return " ".join(part for part in (text, called) if part)


def _entry(index: int, message: Message, tokens: int) -> dict[str, Any]:
    return {
        "index": index,
        "role": message.role,
        "digest": _digest(message),
        "tokens": tokens,
        "first": _first(message),
    }


def _digest(message: Message) -> str:
    return sha256(message.content.encode("utf-8", "replace")).hexdigest()
