"""Runs or resumes one scripted episode in a process of its own, for tests that kill it.

Usage: ``episode_killed.py FOLDER STOP_AFTER [STORE]``; the process kills itself with -9 right after event
``STOP_AFTER`` was appended (0 is never). Prints ``finished`` when the episode is over.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from terret.journal import Event, SigningKey, open_store
from terret.models import ModelIdentity, ScriptedModel
from terret.runtime import Episode, Listener, resume_episode, run_episode
from terret.task import Check, Hidden, Repository, Requirement, Task

KEY = SigningKey(bytes(range(32)))

TASK = Task(
    name="killed",
    repository=Repository(files={"log.txt": "begin\n", "src/a.py": "A = 1\n", "old.txt": "old\n"}),
    objective="Append three lines to log.txt and set A to 2.",
    requirements=(Requirement("R1", "the log has four lines"),),
    checks=(Check("lines", "wc -l < log.txt", expect="4", covers=("R1",)),),
    hidden=Hidden(checks=(Check("value", "grep -q 'A = 2' src/a.py"),)),
)


def call(tool: str, **args: object) -> str:
    """A reply that is one action."""
    return f"```json\n{json.dumps({'tool': tool, 'args': args})}\n```"


REPLIES = [
    call("list_files", path=".", depth=2),
    call("run", command="echo one >> log.txt"),
    call("read_file", path="log.txt"),
    "not an action at all",
    call("run", command="echo two >> log.txt; mkdir -p made; date +%Y > /dev/null; echo x > made/by_run.txt"),
    call("edit_file", path="src/a.py", old="A = 1", new="A = 2"),
    call("run", command="echo three >> log.txt && rm old.txt"),
    call("write_file", path="notes/done.md", content="done\n"),
    call("run", command="cat log.txt"),
    call("declare_complete", summary="four lines"),
]


VOLATILE = {
    "ts", "started", "ended", "duration_ms", "seconds", "first_token_s", "wall", "wall_ms", "cpu_ms", "peak_kb",
    "effect_s", "model_s", "episode", "id", "usage",
}  # fmt: skip
"""What two runs of the same thing may differ in."""


def stable(value: Any) -> Any:
    """Without what two runs may differ in."""
    if isinstance(value, dict):
        return {name: stable(member) for name, member in value.items() if name not in VOLATILE}
    return [stable(item) for item in value] if isinstance(value, list) else value


def traces(folder: Path) -> dict[str, Any]:
    """What a package tells of its run."""
    found: dict[str, Any] = {"patch.diff": (folder / "patch.diff").read_text()}
    for path in sorted(folder.glob("traces/*")):
        lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        found[path.name] = [stable(json.loads(line)) for line in lines]
    observations = (folder / "records" / "observation.jsonl").read_text().splitlines()
    found["observation"] = [stable(row) for row in map(json.loads, observations) if row["type"] == "observation"]
    return found


class Died(BaseException):
    """Stands for the death of the process."""


def dying(after: int) -> Listener:
    """A listener with which the process dies right after event ``after``; 0 is never."""

    def listen(item: object) -> None:
        if isinstance(item, Event) and item.seq == after > 0:
            raise Died

    return listen


def model() -> ScriptedModel:
    """The agent of the episode."""
    return ScriptedModel(REPLIES, ModelIdentity(spec="scripted:test", provider="scripted", name="test"))


async def go(folder: Path, stop_after: int = 0, store: str | None = None) -> Episode:
    """Run the episode, or resume it where it exists."""

    def listen(item: object) -> None:
        if stop_after and isinstance(item, Event) and item.seq >= stop_after:
            os.kill(os.getpid(), signal.SIGKILL)

    begun = (folder / "live" / "journal.db").exists() or (folder / "episode.json").exists()
    if begun or (store is not None and has_begun(store, folder.name)):
        return await resume_episode(folder, key=KEY, connect=lambda spec: model(), listener=listen, store=store)
    return await run_episode(TASK, model=model(), folder=folder, key=KEY, level="H1", listener=listen, store=store)


def has_begun(url: str, episode: str) -> bool:
    """Whether the store holds the episode."""
    with open_store(url) as store:
        return episode in store.episodes()


if __name__ == "__main__":
    asyncio.run(go(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
    print("finished")
