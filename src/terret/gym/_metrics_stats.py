"""Intervals and paired tests: bootstrap over tasks, exact McNemar, sign-flip permutation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import comb
from random import Random

BOOTSTRAP_ROUNDS = 2000
FLIP_ROUNDS = 10_000
_EXACT = 12
"""Up to so many differences every assignment of signs is tried."""

Parts = Sequence[tuple[float, float]]
"""Numerator and denominator of each episode."""


def ratio(parts: Parts) -> float | None:
    """The sum of the numerators over that of the denominators; ``None`` when the latter is 0."""
    below = sum(part[1] for part in parts)
    return sum(part[0] for part in parts) / below if below else None


def bootstrap(
    groups: Sequence[Parts], *, seed: int, rounds: int = BOOTSTRAP_ROUNDS, share: float = 0.95
) -> tuple[float, float] | None:
    """The percentile interval of the ratio when whole groups (tasks) are drawn with replacement.

    Episodes of one task resemble each other, so a task is the unit; with a single task its episodes are. ``None``
    with fewer than two units, or when no draw has a denominator.
    """
    units: list[Parts] = [group for group in groups if group]
    if len(units) == 1:
        units = [[part] for part in units[0]]
    if len(units) < 2:
        return None
    sums = [(sum(part[0] for part in unit), sum(part[1] for part in unit)) for unit in units]
    draw = Random(seed)
    values = sorted(value for _ in range(rounds) if (value := ratio(draw.choices(sums, k=len(sums)))) is not None)
    if not values:
        return None
    tail = (1 - share) / 2
    last = len(values) - 1
    return values[round(tail * last)], values[round((1 - tail) * last)]


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p-value of McNemar's test from the numbers of discordant pairs; 1 when there is none."""
    n = only_first + only_second
    if n == 0:
        return 1.0
    tail = sum(comb(n, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**n)


def sign_flip(differences: Sequence[float], *, seed: int, rounds: int = FLIP_ROUNDS) -> float:
    """The two-sided p-value of a permutation test that the paired differences are centred on 0.

    Exact up to 12 differences that are not 0, else by ``rounds`` random assignments of signs; 1 when all are 0.
    """
    moved = [difference for difference in differences if difference]
    if not moved:
        return 1.0
    bound = abs(sum(moved)) * (1 - 1e-12)
    if len(moved) <= _EXACT:
        signs = product((1, -1), repeat=len(moved))
        hits = sum(abs(_dot(sign, moved)) >= bound for sign in signs)
        return float(hits / 2 ** len(moved))
    draw = Random(seed)
    hits = sum(abs(_dot(draw.choices((1, -1), k=len(moved)), moved)) >= bound for _ in range(rounds))
    return (hits + 1) / (rounds + 1)


def _dot(signs: Sequence[int], values: Sequence[float]) -> float:
    return sum(sign * value for sign, value in zip(signs, values, strict=True))
