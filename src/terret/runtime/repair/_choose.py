"""Which of several candidates that all pass the visible tests is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from terret.runtime.repair._probe import Answers

MODEL_WEIGHT = 2
"""A candidate of the model counts as much as two of the operators: it has read the specification."""


TOLERANCE = 0.1
"""Share of inputs by which a smaller change may agree less: some questions have more than one right answer."""


class Plausible(NamedTuple):
    """A candidate that passes the visible tests: the whole file, where it comes from, how many lines it changes."""

    text: str
    source: str
    changed_lines: int


def choose(pool: Sequence[Plausible], answers: Sequence[Answers], voters: Sequence[Answers] = ()) -> int:
    """The index of the candidate to keep.

    Candidates that answer every generated input alike form a group. Of the groups that contradict the fewest examples
    of the specification one is taken: without ``voters`` the one that fails or hangs on the fewest inputs, has most
    support, and holds the smallest change. ``voters`` are answers of implementations the model wrote from the
    specification alone; with them, of the groups that agree with them about equally well, the one with the smallest
    change. Within a group it is the smallest change, a model's before an operator's.
    """
    if len(answers) != len(pool):
        answers = [Answers((), 0)] * len(pool)
    groups: defaultdict[Answers, list[int]] = defaultdict(list)
    for index, answer in enumerate(answers):
        groups[answer].append(index)
    fewest = min(answer.failed for answer in groups)
    left = {answer: members for answer, members in groups.items() if answer.failed == fewest}
    agreements = {answer: _agreement(answer, voters) for answer in left}
    enough = max(agreements.values()) - TOLERANCE

    def rank(group: tuple[Answers, list[int]]) -> tuple[bool, int, float, float, int]:
        answer, members = group
        smallest = min(pool[index].changed_lines for index in members)
        support = sum(MODEL_WEIGHT if pool[index].source == "model" else 1 for index in members)
        if not voters:
            return False, answer.bad, -support, smallest, 0
        return agreements[answer] < enough, answer.bad, smallest, -agreements[answer], -support

    best = min(left.items(), key=rank)[1]
    return min(best, key=lambda index: (pool[index].changed_lines, pool[index].source != "model", index))


def undecided(answers: Sequence[Answers]) -> bool:
    """Whether candidates that contradict equally few examples still answer differently."""
    fewest = min((answer.failed for answer in answers), default=0)
    return len({answer.each for answer in answers if answer.failed == fewest}) > 1


def _agreement(one: Answers, voters: Sequence[Answers]) -> float:
    """The share of inputs answered as the voters answer them."""
    pairs = [
        pair for voter in voters if len(voter.each) == len(one.each) for pair in zip(one.each, voter.each, strict=True)
    ]
    return sum(a == b for a, b in pairs) / len(pairs) if pairs else 0.0
