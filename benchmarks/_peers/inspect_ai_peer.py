"""Inspect with mockllm: a sample an agent, a step a generation; what it logs is on disk at the end."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from importlib.metadata import version

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ChatMessageUser, ModelOutput, ModelUsage, get_model
from inspect_ai.solver import solver

AGENTS, STEPS, MODEL_S, LONG = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])


def replies():
    # With their usage given: without it the tokens are counted with a table that is fetched from the network.
    while True:
        reply = ModelOutput.from_content("mockllm/model", "do the next.")
        reply.usage = ModelUsage(input_tokens=1000, output_tokens=20, total_tokens=1020)
        yield reply


@solver
def stepping(steps: int, seconds: float):
    async def solve(state, generate):
        for step in range(steps):
            if seconds:
                await asyncio.sleep(seconds)
            state = await generate(state)
            state.messages.append(ChatMessageUser(content=f"step {step}"))
        return state

    return solve


def measured(agents: int, steps: int, seconds: float, folder: str):
    task = Task(dataset=[Sample(input="go", id=n) for n in range(agents)], solver=stepping(steps, seconds))
    began, used = time.perf_counter(), time.process_time()
    (log,) = eval(
        task,
        model=get_model("mockllm/model", custom_outputs=replies(), memoize=False),
        max_samples=agents,
        max_connections=agents,
        log_dir=folder,
        display="none",
        score=False,
    )
    if log.status != "success":
        raise SystemExit(log.error.message if log.error else log.status)
    return time.perf_counter() - began, time.process_time() - used


with tempfile.TemporaryDirectory() as folder:
    measured(1, 1, 0, folder)  # What is set up once.
    wall, cpu = measured(AGENTS, STEPS, MODEL_S, folder)
    long_wall, long_cpu = measured(1, LONG, 0, folder)
print(
    json.dumps(
        {
            "version": version("inspect_ai"),
            "per_s": AGENTS * STEPS / wall,
            "per_core_s": AGENTS * STEPS / cpu,
            "step_us": long_wall * 1e6 / LONG,
            "step_cpu_us": long_cpu * 1e6 / LONG,
        }
    )
)
