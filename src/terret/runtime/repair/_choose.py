"""Which of several candidates that all pass the visible tests is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from terret.runtime.repair._probe import Answers

MODEL_WEIGHT = 2
"""A candidate of the model counts as much as two of the operators: it has read the specification."""


class Plausible(NamedTuple):
    """A candidate that passes the visible tests: the whole file, where it comes from, how many lines it changes."""

    text: str
    source: str
    changed_lines: int


def choose(pool: Sequence[Plausible], answers: Sequence[Answers]) -> int:
    """The index of the candidate to keep.

    Candidates that answer every generated input alike form a group. The group that fails or hangs on the fewest
    inputs wins, then the one with most support, then the one that holds the smallest change; within it the smallest
    change, a model's before an operator's. Without answers the model's smallest change is kept.
    """
    if len(answers) != len(pool):
        answers = [Answers("", 0)] * len(pool)
    groups: defaultdict[Answers, list[int]] = defaultdict(list)
    for index, answer in enumerate(answers):
        groups[answer].append(index)
    best = min(groups.items(), key=lambda item: _rank(item[0], [pool[index] for index in item[1]]))[1]
    return min(best, key=lambda index: (pool[index].changed_lines, pool[index].source != "model", index))


def _rank(answers: Answers, group: list[Plausible]) -> tuple[int, int, int]:
    support = sum(MODEL_WEIGHT if item.source == "model" else 1 for item in group)
    return answers.bad, -support, min(item.changed_lines for item in group)
