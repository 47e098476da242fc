"""An agent as the body of a process: a model, a dialect and the tools the process sees, over its primitives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from terret.models import FormatError, Message, Sampling, dialect
from terret.runtime.primitives._process import ProcessPrimitives
from terret.runtime.primitives._providers import Providers
from terret.runtime.schedule import Seat
from terret.tools import Primitives, Tool, ToolFailure, ToolResult, condense, registry, tool

_SHOWN = 8000
_ROLE = (
    "You are process {pid} of an agent system. You act through the actions below and see the result of each. "
    "Finish with declare_complete; its summary is what your parent gets."
)


async def delegate(primitives: Primitives, goal: str) -> ToolResult:  # noqa: D417 - the primitives are no argument
    """Give a piece of the work to a child process and wait for its result.

    Args:
        goal: What the child is to do, with everything it has to know; it sees nothing of this conversation.
    """
    if not isinstance(primitives, ProcessPrimitives):
        raise ToolFailure("unavailable", "work can be handed on between processes only")
    seat = primitives.seat
    end = await seat.wait_child(await seat.fork(goal))
    if end.status != "exited":
        detail = {"type": "child", "detail": end.status}
        return ToolResult(f"the child {end.status}: {end.result}", ok=False, failure=detail)
    result = cast("dict[str, Any]", end.result)
    return ToolResult(str(result.get("summary") or "the child ended without declaring its goal done"))


def agent(
    providers: Providers,
    *,
    dialect_name: str | None = None,
    sampling: Sampling | None = None,
    steps: int = 40,
    extra_tools: Mapping[str, Tool] | None = None,
) -> Callable[[Seat], Awaitable[dict[str, Any]]]:
    """A body that asks the model for actions until it declares its goal done, or ``steps`` replies are used up.

    It sees those of the declared tools, of ``extra_tools`` and of ``delegate`` that the process's row names, and ends
    with ``{"summary", "state", "steps"}``; ``summary`` is nothing when it never declared.
    """
    table = {**registry(), "delegate": tool(delegate), **(extra_tools or {})}

    async def body(seat: Seat) -> dict[str, Any]:
        own = ProcessPrimitives(seat, providers)
        model = providers.model
        chosen = dialect(dialect_name or (model.identity.dialect if model is not None else "json"))
        tools = {name: table[name] for name in sorted(seat.process.tools) if name in table}
        specs = tuple(one.spec for one in tools.values())
        system = f"{_ROLE.format(pid=seat.process.pid)}\n\n{chosen.instructions(specs)}"
        messages = [Message("system", system), Message("user", str(seat.goal))]
        step = 0
        while own.declared is None and step < steps:
            step += 1
            reply = await own.complete(messages, sampling, chosen.request_tools(specs))
            messages.append(Message("assistant", reply.text, tool_calls=reply.tool_calls))
            actions = chosen.parse(reply, specs)
            if isinstance(actions, FormatError):
                messages.append(Message("user", actions.message))
                continue
            for action in actions:
                try:
                    result = await tools[action.tool].act(own, action.args)
                except ToolFailure as failure:
                    result = ToolResult(f"FAILED: {failure.message}", ok=False)
                shown, _ = condense(result.text or "(no output)", _SHOWN)
                messages.append(chosen.feedback(action, shown))
        return {"summary": own.declared, "state": own.state, "steps": step}

    return body
