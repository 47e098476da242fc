"""``tools``: native calls, or the same calls as text where the endpoint did not recognise them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from terret.models._types import Message, Reply, ToolCall, ToolSpec
from terret.models.dialects._action import Action, FormatError, clip, refuse, remark
from terret.models.dialects._calls import make_action, read_call
from terret.models.dialects._fences import scan
from terret.models.dialects._json import Unreadable, read_json
from terret.models.dialects._reply import answer

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"


class ToolsDialect:
    """Calls in the reply's ``tool_calls``; else in ``<tool_call>`` tags; else one JSON call as the whole reply."""

    name = "tools"

    def instructions(self, tools: Sequence[ToolSpec]) -> str:
        """Short: the endpoint shows the tools to the model."""
        return "Act by calling tools; every reply must call at least one. What you write beside a call changes nothing."

    def request_tools(self, tools: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
        """All of them."""
        return tuple(tools)

    def parse(self, reply: Reply, tools: Sequence[ToolSpec]) -> tuple[Action, ...] | FormatError:
        """All calls, or the first that is wrong."""
        if reply.tool_calls:
            many = len(reply.tool_calls) > 1
            return _all(
                _native(call, reply, tools, f"call {place}: " if many else "")
                for place, call in enumerate(reply.tool_calls, 1)
            )
        text = answer(reply)
        if isinstance(text, FormatError):
            return text
        return _in_text(text, reply, tools)

    def feedback(self, action: Action | None, text: str) -> Message:
        """A tool message for a native call, a ``<tool_response>`` for one that came as text."""
        if action is None:
            return remark(text)
        if action.call_id is None:
            return remark(f"<tool_response>\n{text}\n</tool_response>")
        return Message("tool", text, tool_call_id=action.call_id)


def _all(found: Iterable[Action | FormatError]) -> tuple[Action, ...] | FormatError:
    actions: list[Action] = []
    for item in found:
        if isinstance(item, FormatError):
            return item
        actions.append(item)
    return tuple(actions)


def _native(call: ToolCall, reply: Reply, tools: Sequence[ToolSpec], where: str) -> Action | FormatError:
    raw = call.arguments.strip() or "{}"
    try:
        args = read_json(raw)
    except Unreadable as error:
        if reply.finish == "length":
            return refuse("truncated", f"the call of {clip(call.name, 60)} was cut off; make it shorter", raw[-200:])
        shown = clip(call.name, 60)
        return refuse("arguments_invalid", f"{where}{shown}: the arguments are not valid JSON: {error}", raw)
    made = make_action(call.name, args, tools, call_id=call.id, excerpt=f"{call.name}({raw[:300]})")
    if isinstance(made, FormatError):
        return refuse(made.reason, where + made.message, made.excerpt)
    return made


def _in_text(text: str, reply: Reply, tools: Sequence[ToolSpec]) -> tuple[Action, ...] | FormatError:
    bodies: list[str] = []
    at = text.find(_OPEN)
    while at >= 0:
        start = at + len(_OPEN)
        end = text.find(_CLOSE, start)
        if end < 0:
            rest = text[start:]
            if not _is_json(rest):
                return _unclosed(rest, reply)
            bodies.append(rest)
            break
        bodies.append(text[start:end])
        at = text.find(_OPEN, end)
    if bodies:
        many = len(bodies) > 1
        return _all(
            read_call(body, "name", "arguments", tools, where=f"call {place}: " if many else "")
            for place, body in enumerate(bodies, 1)
        )
    whole = _whole(text)
    if whole is not None:
        return _all([read_call(whole, "name", "arguments", tools)])
    if reply.finish == "length":
        return refuse("truncated", "the reply was cut off before it came to a tool call; answer shorter", text[-200:])
    return refuse("no_tool_call", "the reply calls no tool; every reply must call one", text)


def _unclosed(rest: str, reply: Reply) -> FormatError:
    if reply.finish == "length":
        return refuse("truncated", "the reply was cut off inside a tool call; make it shorter", rest[-200:])
    return refuse("unclosed_tag", f"a tool call begins with {_OPEN} and must end with {_CLOSE}", rest)


def _is_json(text: str) -> bool:
    try:
        read_json(text)
    except Unreadable:
        return False
    return True


def _whole(text: str) -> str | None:
    """The one JSON object that is the whole reply, bare or in one fence, if it is meant as a call."""
    bare = text.strip()
    if not bare.startswith("{"):
        fences = scan(text)
        if fences.prose or fences.unclosed or len(fences.blocks) != 1 or fences.blocks[0].tag not in {"", "json"}:
            return None
        bare = fences.blocks[0].body.strip()
    return bare if bare.startswith("{") and '"name"' in bare and bare.endswith("}") else None
