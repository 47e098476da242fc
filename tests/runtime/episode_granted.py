"""Runs one scripted episode under counted capabilities and kills itself with -9 right after an intent is durable.

Usage: ``episode_granted.py FOLDER NUMBER``: the intent to die at, among those of ``fs.write`` and ``shell.run``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from episode_killed import KEY, TASK, call

from terret.journal import Event, Intent
from terret.models import ModelIdentity, ScriptedModel
from terret.permissions import parse_grant
from terret.runtime import run_episode

GRANTS = ("fs:**=write;uses=3", "shell:cat=execute;uses=1", "fs:**=read,list")
REPLIES = [
    call("write_file", path="a.txt", content="x\n"),
    call("run", command="cat a.txt >> log.txt"),
    call("write_file", path="b.txt", content="x\n"),
    call("write_file", path="c.txt", content="x\n"),
    call("declare_complete", summary="done"),
]


def model() -> ScriptedModel:
    """The agent of the episode."""
    return ScriptedModel(REPLIES, ModelIdentity(spec="scripted:test", provider="scripted", name="test"))


async def go(folder: Path, number: int = -1) -> None:
    """Run the episode; negative is to the end."""
    left = number

    def listen(item: object) -> None:
        nonlocal left
        if isinstance(item, Event) and isinstance(item.data, Intent) and item.data.effect_class == "workspace":
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    given = [parse_grant(text) for text in GRANTS]
    await run_episode(TASK, model=model(), folder=folder, key=KEY, listener=listen, capabilities=given)


if __name__ == "__main__":
    asyncio.run(go(Path(sys.argv[1]), int(sys.argv[2])))
