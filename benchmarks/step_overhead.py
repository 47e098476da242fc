"""What one step costs: a fake model turn and a tool that does nothing, durable and hash-chained.

Everything else is real: the journal commits to SQLite, the action is parsed and checked, the budget is reserved. A
step is the time between two actions by the journal's own clock; loading, evaluation and packaging are left out.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks._report import Figure, finish, median, parser
from terret.journal import ActionParsed, Event, SigningKey, encode_event
from terret.models import ModelIdentity, Reply, ScriptedModel, Usage
from terret.runtime import run_episode
from terret.task import Budget, Repository, Task
from terret.tools import tool

STEP_US = {"normal": 300.0, "full": 1000.0}
"""Bounds on the median step, microseconds."""

PEERS = {
    "langgraph with SQLite": "1,399 at n=100, 1,149 at n=500",
    "mini-swe-agent saving": "1,417 at n=100, 7,694 at n=1000",
    "inspect": "3,919 at n=100, 7,086 at n=300",
}
"""Microseconds a step, measured once on a machine of this class; not measured in this run."""


async def note(_primitives: object, step: int) -> str:
    """Do nothing.

    Args:
        step: The number of the step.
    """
    return f"noted {step}"


def measure(steps: int, durability: str) -> tuple[float, int]:
    """Run one episode; the median step in microseconds and the bytes of its journal's lines."""
    texts = [f'```json\n{{"tool": "note", "args": {{"step": {number}}}}}\n```' for number in range(steps)]
    texts.append('```json\n{"tool": "declare_complete", "args": {"summary": "done"}}\n```')
    # Usage is given, so that the fake model does not count the tokens of the whole conversation at every step.
    replies = [Reply(text, usage=Usage(input=1000, output=20)) for text in texts]
    identity = ModelIdentity(spec="scripted", provider="scripted", name="fake", dialect="json", context=10_000_000)
    task = Task(
        name="overhead",
        repository=Repository(files={"a.txt": "a\n"}),
        objective="count",
        budget=Budget(steps=steps + 9, model_calls=steps + 9, tokens=10**12),
    )
    events: list[Event] = []

    def listen(item: object) -> None:
        if isinstance(item, Event):
            events.append(item)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(
            run_episode(
                task,
                model=ScriptedModel(replies, identity),
                folder=Path(folder) / "episode",
                key=SigningKey.generate(),
                durability=durability,  # type: ignore[arg-type]
                listener=listen,
                extra_tools={"note": tool(note)},
            )
        )
    times = [event.ts for event in events if isinstance(event.data, ActionParsed)][:-1]
    gaps = [(after - before) * 1e6 for before, after in itertools.pairwise(times)]
    return median(gaps), sum(len(encode_event(event)) for event in events)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a bound is missed."""
    options = parser("cost of one durable step")
    options.add_argument("--repeats", type=int, default=3)
    chosen = options.parse_args(arguments)
    figures: list[Figure] = []
    extra: dict[str, Any] = {"peers_us": PEERS}
    for durability, bound in STEP_US.items():
        by_length: dict[int, float] = {}
        sizes: dict[int, int] = {}
        for steps in (100, 1000):
            runs = [measure(steps, durability) for _ in range(chosen.repeats)]
            by_length[steps] = median([run[0] for run in runs])
            sizes[steps] = runs[0][1]
            figures.append(Figure(f"step_{durability}_n{steps}", by_length[steps], "us", bound))
        growth = by_length[1000] / by_length[100]
        figures.append(Figure(f"growth_{durability}", growth, "x", 1.25, note="step at n=1000 over n=100"))
        if durability == "normal":
            linear = (sizes[1000] / 1000) / (sizes[100] / 100)
            figures.append(Figure("bytes_per_step", sizes[1000] / 1000, "B"))
            figures.append(Figure("log_linearity", linear, "x", 1.1, note="bytes a step at n=1000 over n=100"))
    if not chosen.json:
        print("peers, measured elsewhere on this class of machine, us a step:", json.dumps(PEERS))
    return finish("step_overhead", figures, as_json=chosen.json, extra=extra)


if __name__ == "__main__":
    raise SystemExit(main())
