"""Pydantic AI with a function as its model: a run an agent, a step a model turn that calls one tool."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from importlib.metadata import version

from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.usage import UsageLimits

AGENTS, STEPS, MODEL_S, LONG = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])


def made(steps: int, seconds: float) -> Agent:
    async def model(messages, info):
        if seconds:
            await asyncio.sleep(seconds)
        given = sum(isinstance(message, ModelResponse) for message in messages)
        return ModelResponse(
            parts=[TextPart("done")] if given >= steps - 1 else [ToolCallPart("note", {"step": given})]
        )

    agent = Agent(FunctionModel(model))

    @agent.tool_plain
    async def note(step: int) -> str:
        return f"noted {step}"

    return agent


async def many():
    agent = made(STEPS, MODEL_S)
    limits = UsageLimits(request_limit=STEPS + 10)
    began, used = time.perf_counter(), time.process_time()
    ends = await asyncio.gather(*(agent.run("go", usage_limits=limits) for _ in range(AGENTS)))
    assert all(end.output == "done" for end in ends)
    return AGENTS * STEPS / (time.perf_counter() - began), AGENTS * STEPS / (time.process_time() - used)


async def one():
    agent = made(LONG, 0)
    began, used = time.perf_counter(), time.process_time()
    await agent.run("go", usage_limits=UsageLimits(request_limit=LONG + 10))
    return (time.perf_counter() - began) * 1e6 / LONG, (time.process_time() - used) * 1e6 / LONG


wall, core = asyncio.run(many())
step, step_cpu = asyncio.run(one())
found = version("pydantic-ai-slim")
print(json.dumps({"version": found, "per_s": wall, "per_core_s": core, "step_us": step, "step_cpu_us": step_cpu}))
