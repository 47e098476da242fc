"""LangGraph with its SQLite checkpointer: one node that calls the model and goes back to itself, a thread an agent."""

from __future__ import annotations

import asyncio
import json
import operator
import sys
import tempfile
import time
from importlib.metadata import version
from typing import Annotated, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph

AGENTS, STEPS, MODEL_S, LONG = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])


class State(TypedDict):
    said: Annotated[list[str], operator.add]
    steps: int


async def model(state: State):
    await asyncio.sleep(MODEL_S)
    return {"said": ["do the next."]}


def at_once(state: State):
    return {"said": ["do the next."]}


def graph(node, saver):
    made = StateGraph(State)
    made.add_node("model", node)
    made.add_edge(START, "model")
    made.add_conditional_edges("model", lambda state: END if len(state["said"]) >= state["steps"] else "model")
    return made.compile(checkpointer=saver)


def config(thread, steps):
    return {"configurable": {"thread_id": str(thread)}, "recursion_limit": steps + 10}


async def many(folder):
    async with AsyncSqliteSaver.from_conn_string(f"{folder}/many.db") as saver:
        app = graph(model, saver)
        began, used = time.perf_counter(), time.process_time()
        runs = (app.ainvoke({"said": [], "steps": STEPS}, config(n, STEPS), durability="sync") for n in range(AGENTS))
        ends = await asyncio.gather(*runs)
        assert all(len(end["said"]) == STEPS for end in ends)
        return AGENTS * STEPS / (time.perf_counter() - began), AGENTS * STEPS / (time.process_time() - used)


def one(folder):
    with SqliteSaver.from_conn_string(f"{folder}/one.db") as saver:
        app = graph(at_once, saver)
        began, used = time.perf_counter(), time.process_time()
        app.invoke({"said": [], "steps": LONG}, config(0, LONG), durability="sync")
        return (time.perf_counter() - began) * 1e6 / LONG, (time.process_time() - used) * 1e6 / LONG


with tempfile.TemporaryDirectory() as folder:
    wall, core = asyncio.run(many(folder))
    step, step_cpu = one(folder)
print(
    json.dumps(
        {"version": version("langgraph"), "per_s": wall, "per_core_s": core, "step_us": step, "step_cpu_us": step_cpu}
    )
)
