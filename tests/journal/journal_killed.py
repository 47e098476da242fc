"""Forks writers, kills each at another point and reports what their journals hold: ``FOLDER MODE COUNT [STORE]``."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from journal_samples import KEY

from terret.errors import EpisodeNotFound
from terret.journal import Journal, StateUpdated, check_chain, seal

STORE = sys.argv[4] if len(sys.argv) > 4 else None


def write_for_ever(folder: Path, mode: str, acknowledge: int) -> None:
    journal = Journal.create(folder, f"ep{folder.name}", KEY, store=STORE, durability=mode)  # type: ignore[arg-type]
    number = 0
    while True:
        durable = number % 3 != 1
        journal.append(StateUpdated(number, "agent", {"number": number, "text": "x" * (number % 900)}), durable=durable)
        number += 1
        if durable:
            os.write(acknowledge, number.to_bytes(4, "big"))


def kill_one(folder: Path, mode: str, rng: random.Random) -> dict[str, object]:
    folder.mkdir()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        write_for_ever(folder, mode, writer)
    os.close(writer)
    patience = rng.randrange(1, 60 if mode == "full" or STORE else 400)
    acknowledged = 0
    for _ in range(patience):
        acknowledged = int.from_bytes(os.read(reader, 4), "big")
    time.sleep(rng.random() * 0.002)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    while rest := os.read(reader, 4):
        acknowledged = int.from_bytes(rest, "big")
    os.close(reader)
    read = len(Journal.read(folder, store=STORE))
    with Journal.open(folder, KEY, store=STORE) as journal:
        events = check_chain(journal.lines(), seal(journal))
        return {
            "signal": os.WTERMSIG(status),
            "acknowledged": acknowledged,
            "kept": len(journal),
            "read": read,
            "recovery": str(journal.recovery),
            "texts": [event.data.changes["number"] for event in events],  # type: ignore[union-attr]
        }


def kill_during_create(folder: Path, rng: random.Random) -> None:
    """A journal killed while it is being made is usable or said never to have begun."""
    folder.mkdir()
    child = os.fork()
    if child == 0:
        write_for_ever(folder, "normal", os.open(os.devnull, os.O_WRONLY))
    time.sleep(rng.random() * 0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    try:
        Journal.open(folder, KEY, store=STORE, episode=f"ep{folder.name}").close()
    except EpisodeNotFound:
        return


def main() -> None:
    folder, mode, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    rng = random.Random(mode)
    KEY.sign(b"")
    for number in range(count):
        print(json.dumps(kill_one(folder / str(number), mode, rng)), flush=True)
    for number in range(count):
        kill_during_create(folder / f"c{number}", rng)


if __name__ == "__main__":
    main()
