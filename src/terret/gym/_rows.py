"""What came of each task, and what all of it amounts to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import sqrt

import msgspec


class Row(msgspec.Struct, frozen=True):
    """The result of one task.

    ``functional_pass`` is None when the episode was not graded; ``error`` says why a run gave no episode, or none
    that counts (an infrastructure fault). ``tokens`` are those of all model calls, ``seconds`` wall time.
    """

    id: str
    label: str | None = None
    functional_pass: bool | None = None
    false_completion: bool = False
    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0
    failure_code: str | None = None
    stop_reason: str | None = None
    package: str | None = None
    error: str | None = None

    @property
    def graded(self) -> bool:
        """Whether the row counts in a rate."""
        return self.functional_pass is not None and self.error is None


class Rate(msgspec.Struct, frozen=True):
    """A share of graded episodes with its Wilson interval."""

    successes: int
    n: int
    low: float
    high: float

    @classmethod
    def of(cls, successes: int, n: int) -> Rate:
        """The rate of so many successes."""
        return cls(successes, n, *wilson(successes, n))

    def __str__(self) -> str:
        share = f"{self.successes / self.n:6.1%}" if self.n else "     -"
        return f"{self.successes:4d} of {self.n:<4d} {share}  95% interval {self.low:.1%} to {self.high:.1%}"


class Summary(msgspec.Struct, frozen=True):
    """All rows together; rates are over the graded ones, infrastructure faults are counted apart."""

    tasks: int
    graded: int
    errors: int
    functional_pass: Rate
    false_completion: Rate
    labels: dict[str, Rate]
    failure_codes: dict[str, int]
    stop_reasons: dict[str, int]
    steps: int
    tokens: int
    seconds: float


def wilson(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The Wilson score interval of a binomial share; (0, 1) when ``n`` is 0.

    Raises:
        ValueError: Not 0 <= successes <= n, or z is negative.
    """
    if not 0 <= successes <= n or z < 0:
        raise ValueError(f"no share: {successes} of {n} with z = {z}")
    if n == 0:
        return 0.0, 1.0
    share, spread = successes / n, z * z / n
    centre = share + spread / 2
    margin = z * sqrt(share * (1 - share) / n + spread / (4 * n))
    low, high = (centre - margin) / (1 + spread), (centre + margin) / (1 + spread)
    # At the ends the bound is exact; rounding must not move it inside.
    return (0.0 if successes == 0 else max(0.0, low)), (1.0 if successes == n else min(1.0, high))


def summarise(rows: Sequence[Row]) -> Summary:
    """The totals of a run."""
    graded = [row for row in rows if row.graded]
    labels = Counter(row.label or "none" for row in graded)
    return Summary(
        tasks=len(rows),
        graded=len(graded),
        errors=len(rows) - len(graded),
        functional_pass=Rate.of(sum(row.functional_pass is True for row in graded), len(graded)),
        false_completion=Rate.of(sum(row.false_completion for row in graded), len(graded)),
        labels={label: Rate.of(count, len(graded)) for label, count in sorted(labels.items())},
        failure_codes=dict(sorted(Counter(row.failure_code for row in graded if row.failure_code).items())),
        stop_reasons=dict(sorted(Counter(row.stop_reason for row in rows if row.stop_reason).items())),
        steps=sum(row.steps for row in rows),
        tokens=sum(row.tokens for row in rows),
        seconds=sum(row.seconds for row in rows),
    )


_HEAD = ("task", "label", "functional", "false completion", "steps", "tokens", "seconds", "failure", "stop")


def table(rows: Sequence[Row]) -> str:
    """The rows and their totals as plain text, ending with a line feed."""
    cells = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    lines = [_line(cell, widths) for cell in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines += [f"  error in {row.id}: {row.error}" for row in rows if row.error]
    summary = summarise(rows)
    lines += ["", f"{'functional pass':28} {summary.functional_pass}"]
    lines += [f"{'false completion':28} {summary.false_completion}"]
    lines += [f"{label:28} {rate}" for label, rate in summary.labels.items()]
    codes = ", ".join(f"{code} {count}" for code, count in summary.failure_codes.items()) or "none"
    lines += [
        f"failure codes: {codes}",
        f"total: {summary.tasks} tasks, {summary.graded} graded, {summary.errors} not graded, {summary.steps} steps, "
        f"{summary.tokens} tokens, {summary.seconds:.1f} s",
    ]
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    passed = "-" if not row.graded else "yes" if row.functional_pass else "no"
    return (
        row.id,
        row.label or "-",
        passed,
        "yes" if row.false_completion else "no" if row.graded else "-",
        str(row.steps),
        str(row.tokens),
        f"{row.seconds:.1f}",
        row.failure_code or "-",
        row.stop_reason or ("error" if row.error else "-"),
    )


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(
        cell.rjust(width) if 4 <= column <= 6 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ).rstrip()
