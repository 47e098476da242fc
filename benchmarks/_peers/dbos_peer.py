"""DBOS on SQLite: a durable workflow an agent, a step a model call."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import tempfile
import time
from importlib.metadata import version

from dbos import DBOS

AGENTS, STEPS, MODEL_S, LONG = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])


@DBOS.step()
async def model(step: int) -> str:
    await asyncio.sleep(MODEL_S)
    return "do the next."


@DBOS.step()
def at_once(step: int) -> str:
    return "do the next."


@DBOS.workflow()
async def agent(steps: int) -> int:
    for step in range(steps):
        await model(step)
    return steps


@DBOS.workflow()
def alone(steps: int) -> int:
    for step in range(steps):
        at_once(step)
    return steps


async def many():
    began, used = time.perf_counter(), time.process_time()
    handles = await asyncio.gather(*(DBOS.start_workflow_async(agent, STEPS) for _ in range(AGENTS)))
    ends = await asyncio.gather(*(handle.get_result() for handle in handles))
    assert ends == [STEPS] * AGENTS
    return AGENTS * STEPS / (time.perf_counter() - began), AGENTS * STEPS / (time.process_time() - used)


with tempfile.TemporaryDirectory() as folder:
    DBOS(config={"name": "peer", "system_database_url": f"sqlite:///{folder}/dbos.sqlite", "log_level": "ERROR"})
    logging.disable(logging.WARNING)
    DBOS.launch()
    try:
        wall, core = asyncio.run(many())
        began, used = time.perf_counter(), time.process_time()
        alone(LONG)
        step = (time.perf_counter() - began) * 1e6 / LONG
        step_cpu = (time.process_time() - used) * 1e6 / LONG
    finally:
        DBOS.destroy()
print(
    json.dumps(
        {"version": version("dbos"), "per_s": wall, "per_core_s": core, "step_us": step, "step_cpu_us": step_cpu}
    )
)
