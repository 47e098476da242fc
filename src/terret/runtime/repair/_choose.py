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


def choose(pool: Sequence[Plausible], answers: Sequence[Answers], voters: Sequence[Answers] = ()) -> int:
    """The index of the candidate to keep.

    Candidates that answer every generated input alike form a group. The group that contradicts the fewest examples of
    the specification wins; then, where there are ``voters`` (answers of implementations the model wrote from the
    specification alone), the one that agrees best with them; then the one that fails or hangs on the fewest inputs, has
    most support, and holds the smallest change. Within a group it is the smallest change, a model's before an
    operator's.
    """
    if len(answers) != len(pool):
        answers = [Answers((), 0)] * len(pool)
    groups: defaultdict[Answers, list[int]] = defaultdict(list)
    for index, answer in enumerate(answers):
        groups[answer].append(index)

    def rank(group: tuple[Answers, list[int]]) -> tuple[int, float, int, int, int]:
        answer, members = group
        agreement = sum(_agreement(answer, voter) for voter in voters)
        support = sum(MODEL_WEIGHT if pool[index].source == "model" else 1 for index in members)
        support += MODEL_WEIGHT * sum(voter.each == answer.each for voter in voters)
        smallest = min(pool[index].changed_lines for index in members)
        return answer.failed, -round(agreement, 6), answer.bad, -support, smallest

    best = min(groups.items(), key=rank)[1]
    return min(best, key=lambda index: (pool[index].changed_lines, pool[index].source != "model", index))


def undecided(answers: Sequence[Answers]) -> bool:
    """Whether candidates that contradict equally few examples still answer differently."""
    fewest = min((answer.failed for answer in answers), default=0)
    return len({answer.each for answer in answers if answer.failed == fewest}) > 1


def _agreement(one: Answers, other: Answers) -> float:
    """The share of inputs that both answer alike."""
    if not one.each or len(one.each) != len(other.each):
        return 0.0
    return sum(a == b for a, b in zip(one.each, other.each, strict=True)) / len(one.each)
