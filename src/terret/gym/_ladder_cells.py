"""The cells of a ladder: model x level x task x repeat, what came of each, and where both are kept."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Literal

import msgspec

from terret.errors import SuiteError
from terret.gym._metrics import EpisodeMetrics

Status = Literal["finished", "suspended", "error"]

EPISODES = "episodes"
"""Folder of the packages, below that of the ladder."""


class Cell(msgspec.Struct, frozen=True):
    """One run to make: ``model`` is its spec, ``task`` the id in the suite, ``repeat`` counts from 1."""

    model: str
    level: str
    task: str
    repeat: int

    @property
    def id(self) -> str:
        """The name of its package folder: readable, and the same in every run."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", self.task)[:60]
        digest = sha256(msgspec.json.encode(self)).hexdigest()[:8]
        return f"{self.level.lower()}-{name}-r{self.repeat}-{digest}"


class CellResult(msgspec.Struct, frozen=True):
    """What came of a cell.

    ``package`` is relative to the ladder's folder. ``suspended``: an infrastructure fault, the same command resumes
    it; ``error``: no episode came of it, the same command tries again. ``detail`` says why. ``metrics`` are read from
    the package and never stored.
    """

    cell: Cell
    status: Status
    package: str
    detail: str = ""
    metrics: EpisodeMetrics | None = None


def plan(
    models: Sequence[str], levels: Sequence[str], tasks: Sequence[str], repeats: int, *, seed: int = 0
) -> list[Cell]:
    """Every cell once, in an order that depends on ``seed`` alone: no level always runs on the warmer machine."""
    cells = [
        Cell(model, level, task, repeat)
        for model in models
        for level in levels
        for task in tasks
        for repeat in range(1, repeats + 1)
    ]
    Random(seed).shuffle(cells)
    return cells


def keep(file: Path, result: CellResult) -> None:
    """Append a result to ``cells.jsonl``.

    Raises:
        SuiteError: It cannot be written.
    """
    line = msgspec.json.encode(msgspec.structs.replace(result, metrics=None)) + b"\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab+") as stream:
            if stream.tell() and _torn(stream.fileno()):
                stream.write(b"\n")
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise SuiteError(f"a cell cannot be written: {error.strerror}", where=str(file)) from None


def read_cells(file: Path) -> dict[Cell, CellResult]:
    """The results of a ``cells.jsonl``, the last one of each cell; a line that was cut off is left out.

    Raises:
        SuiteError: The file cannot be read.
    """
    try:
        lines = file.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SuiteError(f"the cells cannot be read: {error.strerror}", where=str(file)) from None
    results: dict[Cell, CellResult] = {}
    for line in lines:
        try:
            result = msgspec.json.decode(line, type=CellResult)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # The packages are the truth; a damaged line costs nothing but its detail.
            continue
        results[result.cell] = result
    return results


def _torn(handle: int) -> bool:
    size = os.fstat(handle).st_size
    return os.pread(handle, 1, size - 1) != b"\n"
