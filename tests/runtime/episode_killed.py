"""Runs or resumes one scripted episode in a process of its own, for tests that kill it.

Usage: ``episode_killed.py FOLDER STOP_AFTER``; the process kills itself with -9 right after event ``STOP_AFTER``
was appended (0 is never). Prints ``finished`` when the episode is over.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from terret.journal import Event, SigningKey
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
    import json

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


async def go(folder: Path, stop_after: int = 0) -> Episode:
    """Run the episode, or resume it where it exists."""

    def listen(item: object) -> None:
        if stop_after and isinstance(item, Event) and item.seq >= stop_after:
            os.kill(os.getpid(), signal.SIGKILL)

    if (folder / "live" / "journal.db").exists() or (folder / "episode.json").exists():
        return await resume_episode(folder, key=KEY, connect=lambda spec: model(), listener=listen)
    return await run_episode(TASK, model=model(), folder=folder, key=KEY, level="H1", listener=listen)


if __name__ == "__main__":
    asyncio.run(go(Path(sys.argv[1]), int(sys.argv[2])))
    print("finished")
