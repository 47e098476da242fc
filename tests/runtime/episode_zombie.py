"""Runs one scripted episode; stops itself (SIGSTOP) at a boundary: ``FOLDER BOUNDARY NTH``.

Once it is thawed it goes on, and prints the code of the error that ends it, or ``finished``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from episode_killed import KEY, TASK, model

from terret.errors import TerretError
from terret.runtime import run_episode


class Freeze:
    def __init__(self, at: str, nth: int) -> None:
        self.at = at
        self.left = nth

    def __call__(self, name: str) -> None:
        if name == self.at:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    freeze = Freeze(sys.argv[2], int(sys.argv[3]))
    try:
        asyncio.run(run_episode(TASK, model=model(), folder=Path(sys.argv[1]), key=KEY, level="H1", faults=freeze))
        print("finished")
    except TerretError as error:
        print(error.code)
