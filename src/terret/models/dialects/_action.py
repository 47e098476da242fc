"""What a dialect makes of a reply: actions, or a precise refusal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec

from terret.models._types import Message, Reply, ToolSpec

EXCERPT_LIMIT = 240
"""Characters of the offending text kept in a refusal."""

Code = Literal["F_tool", "F_model"]

REASONS: dict[str, Code] = {
    # the call is wrong
    "unknown_tool": "F_tool",
    "unknown_argument": "F_tool",
    "missing_argument": "F_tool",
    "wrong_type": "F_tool",
    "not_allowed": "F_tool",
    "arguments_invalid": "F_tool",
    "arguments_not_object": "F_tool",
    "submit_not_alone": "F_tool",
    # the reply is not in the dialect at all
    "empty_reply": "F_model",
    "truncated": "F_model",
    "bad_unicode": "F_model",
    "no_tool_call": "F_model",
    "unclosed_tag": "F_model",
    "no_block": "F_model",
    "several_blocks": "F_model",
    "wrong_fence": "F_model",
    "unclosed_fence": "F_model",
    "nested_fence": "F_model",
    "empty_block": "F_model",
    "json_invalid": "F_model",
    "not_an_object": "F_model",
    "wrong_keys": "F_model",
    "too_deep": "F_model",
    "prompt_sign": "F_model",
    "malformed_markers": "F_model",
    "no_path": "F_model",
    "duplicate_path": "F_model",
    "unfenced_code": "F_model",
    "elided": "F_model",
    "diff_not_file": "F_model",
}
"""Every reason for which a reply is refused, with its failure code; ``docs/dialects.md`` explains each."""


class Action(msgspec.Struct, frozen=True):
    """One tool call, its arguments checked; ``call_id`` is set for native calls only."""

    tool: str
    args: dict[str, Any]
    call_id: str | None = None


class FormatError(msgspec.Struct, frozen=True):
    """Why a reply is no action.

    ``reason`` is a stable slug; ``code`` is F_tool for a call that is wrong, F_model for a reply that is not in the
    dialect; ``message`` is what to send back to the model, ``excerpt`` the offending text.
    """

    reason: str
    code: Code
    message: str
    excerpt: str


class Dialect(Protocol):
    """How a model writes its actions."""

    name: str

    def instructions(self, tools: Sequence[ToolSpec]) -> str:
        """What the system prompt says about writing actions."""
        ...

    def request_tools(self, tools: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
        """The tools that go into the request; none unless calls are native."""
        ...

    def parse(self, reply: Reply, tools: Sequence[ToolSpec]) -> tuple[Action, ...] | FormatError:
        """All actions of a reply, in order, or why there are none; never raises."""
        ...

    def feedback(self, action: Action | None, text: str) -> Message:
        """An observation, or without an action a remark, as the message the model expects."""
        ...


def refuse(reason: str, message: str, excerpt: str = "") -> FormatError:
    """The refusal for a reason of :data:`REASONS`."""
    return FormatError(reason, REASONS[reason], message.encode("utf-8", "replace").decode(), clip(excerpt))


def clip(text: str, limit: int = EXCERPT_LIMIT) -> str:
    """``text`` as well-formed Unicode of at most ``limit`` characters."""
    short = text.strip() if len(text) < 10_000 else text[:10_000].strip()
    if len(short) > limit:
        short = short[: limit - 3] + "..."
    return short.encode("utf-8", "replace").decode()


def remark(text: str) -> Message:
    """A message for models whose observations come as user messages."""
    return Message("user", text)
