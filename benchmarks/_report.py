"""How every benchmark prints its figures and decides on its exit code."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple


class Figure(NamedTuple):
    """One measured value; ``bound`` is the most it may be, or with ``least`` the least it must be."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    least: bool = False
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether the bound holds."""
        if self.bound is None:
            return True
        return self.value >= self.bound if self.least else self.value <= self.bound


def parser(description: str) -> argparse.ArgumentParser:
    """A parser that knows ``--json``; add the benchmark's own options to it."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", action="store_true", help="print one JSON document")
    return made


def median(values: Sequence[float]) -> float:
    """The median, the figure benchmarks report."""
    return statistics.median(values)


def finish(name: str, figures: Sequence[Figure], *, as_json: bool, extra: dict[str, Any] | None = None) -> int:
    """Print the figures and return the exit code: 0 when every bound holds, 1 otherwise.

    The last line of the plain form holds all figures.
    """
    missed = [figure for figure in figures if not figure.ok]
    if as_json:
        rows = [{**figure._asdict(), "ok": figure.ok} for figure in figures]
        print(json.dumps({"benchmark": name, "ok": not missed, "figures": rows, **(extra or {})}, indent=2))
        return 1 if missed else 0
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        relation = ">=" if figure.least else "<="
        bound = "" if figure.bound is None else f"{relation} {figure.bound:g}  {'ok' if figure.ok else 'MISSED'}"
        print(f"{figure.name:<{width}}  {figure.value:>12,.4g} {figure.unit:<6} {bound}  {figure.note}".rstrip())
    joined = ", ".join(f"{figure.name} {figure.value:.4g} {figure.unit}".rstrip() for figure in figures)
    print(f"{name}: {'ok' if not missed else 'MISSED'}: {joined}")
    return 1 if missed else 0
