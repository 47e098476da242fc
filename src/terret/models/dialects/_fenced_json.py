"""``json``: one fenced JSON call."""

from __future__ import annotations

from collections.abc import Sequence

from terret.models._types import Message, Reply, ToolSpec
from terret.models.dialects._action import Action, FormatError, refuse, remark
from terret.models.dialects._calls import list_tools, read_call
from terret.models.dialects._fences import Block, closed, listed, scan
from terret.models.dialects._json import Unreadable, read_json
from terret.models.dialects._reply import answer

SHAPE = '```json\n{"tool": "NAME", "args": {"ARGUMENT": "VALUE"}}\n```'


class JsonDialect:
    """Exactly one block fenced as ``json`` (prose around it is free), or a bare JSON object as the whole reply."""

    name = "json"

    def instructions(self, tools: Sequence[ToolSpec]) -> str:
        """The form of a call, and the tools."""
        return (
            f"Act by ending every reply with exactly one call, in one fenced block:\n\n{SHAPE}\n\n"
            f"Then stop: you get the result in the next message. The tools (? marks an optional argument):\n\n"
            f"{list_tools(tools)}"
        )

    def request_tools(self, tools: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
        """None: the tools are in the instructions."""
        return ()

    def parse(self, reply: Reply, tools: Sequence[ToolSpec]) -> tuple[Action, ...] | FormatError:
        """The one call."""
        text = answer(reply)
        if isinstance(text, FormatError):
            return text
        call = _call_text(text, reply)
        if isinstance(call, FormatError):
            return call
        made = read_call(call, "tool", "args", tools)
        return made if isinstance(made, FormatError) else (made,)

    def feedback(self, action: Action | None, text: str) -> Message:
        """A user message that names the tool."""
        return remark(text if action is None else f"Result of {action.tool}:\n{text}")


def _call_text(text: str, reply: Reply) -> str | FormatError:
    bare = text.strip()
    if bare.startswith("{"):
        return _bare(bare, reply)
    fences = scan(text)
    refused = closed(fences, reply)
    if refused:
        return refused
    tagged = [block for block in fences.blocks if block.tag == "json"]
    if len(tagged) == 1:
        return tagged[0].body if tagged[0].body.strip() else refuse("empty_block", "the ```json block is empty")
    if tagged:
        message = f"the reply has {len(tagged)} ```json blocks ({listed(tagged)}); write exactly one call per reply"
        return refuse("several_blocks", message, text)
    return _untagged(fences.blocks, text, reply)


def _bare(bare: str, reply: Reply) -> str | FormatError:
    """A reply that begins like an object; what follows the object decides."""
    if "\n```" not in bare:
        if reply.finish == "length" and not _readable(bare):
            return refuse("truncated", "the reply was cut off inside the call; make it shorter", bare[-200:])
        return bare
    fences = scan(bare)
    tagged = [block for block in fences.blocks if block.tag == "json"]
    if not fences.unclosed and len(tagged) == 1:
        return tagged[0].body
    return refuse("several_blocks", "write exactly one call per reply, in one ```json block", bare)


def _readable(text: str) -> bool:
    try:
        read_json(text)
    except Unreadable:
        return False
    return True


def _untagged(blocks: list[Block], text: str, reply: Reply) -> str | FormatError:
    if len(blocks) == 1 and not blocks[0].tag and blocks[0].body.lstrip().startswith("{"):
        return blocks[0].body
    if blocks:
        tags = ", ".join(f"```{block.tag[:20]}" for block in blocks[:4])
        return refuse("wrong_fence", f"the call must stand in a ```json block; the reply has {tags}", text)
    if reply.finish == "length":
        return refuse("truncated", "the reply was cut off before it came to a call; answer shorter", text[-200:])
    return refuse("no_block", f"the reply holds no call; write exactly one:\n{SHAPE}", text)
