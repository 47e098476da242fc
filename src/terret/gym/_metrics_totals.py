"""Sums over episodes: the figures of a model at a level, and levels against each other on the same tasks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Literal

import msgspec

from terret.gym._ladder_cells import CellResult
from terret.gym._metrics import AUTONOMOUS, EpisodeMetrics
from terret.gym._metrics_evidence import EVIDENCE
from terret.gym._metrics_stats import Parts, bootstrap, mcnemar, ratio, sign_flip
from terret.gym._rows import wilson

Part = Callable[[EpisodeMetrics], tuple[float, float]]


class Metric(msgspec.Struct, frozen=True):
    """A figure as a ratio of sums over graded episodes; ``part`` gives an episode's numerator and denominator.

    ``kind``: ``rate`` (share of episodes, Wilson interval), ``pooled`` (share of things within episodes) or ``mean``
    (per episode); the latter two have bootstrap intervals over tasks.
    """

    name: str
    title: str
    kind: Literal["rate", "pooled", "mean"]
    unit: str
    part: Part


def _share(holds: Callable[[EpisodeMetrics], bool | None]) -> Part:
    """An episode counts as 1 of 1 or 0 of 1; not at all when the answer is ``None``."""

    def part(episode: EpisodeMetrics) -> tuple[float, float]:
        held = holds(episode)
        return (0.0, 0.0) if held is None else (float(held), 1.0)

    return part


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("functional_pass", "functional pass", "rate", "%", _share(lambda e: e.functional_pass)),
        Metric("false_completion", "false completion", "rate", "%", _share(lambda e: e.false_completion)),
        Metric("avsr", "AVSR", "rate", "%", _share(lambda e: e.label == AUTONOMOUS)),
        Metric("verification_autonomy", "verification autonomy", "rate", "%", _share(lambda e: e.backed)),
        Metric(
            "context_meaningfulness",
            "context-trace meaningfulness",
            "pooled",
            "%",
            lambda e: (e.influential, e.consulted),
        ),
        Metric("tool_recovery", "tool recovery", "pooled", "%", lambda e: (e.recovered_effects, e.failed_effects)),
        Metric(
            "attribution_completeness",
            "attribution completeness",
            "pooled",
            "%",
            lambda e: (e.attributed, e.failed_observations),
        ),
        Metric("entropy_delta", "entropy delta", "mean", "severity", lambda e: (e.entropy, 1)),
        Metric("m_hir", "M-HIR", "mean", "", lambda e: (e.avoidable, 1)),
        Metric("avoidable_share", "episodes with avoidable help", "rate", "%", _share(lambda e: e.avoidable > 0)),
        Metric("model_calls", "model calls", "mean", "", lambda e: (e.model_calls, 1)),
        Metric("tokens", "tokens", "mean", "", lambda e: (e.tokens, 1)),
        Metric("seconds", "seconds", "mean", "s", lambda e: (e.seconds, 1)),
        Metric("cost", "cost", "mean", "USD", lambda e: (e.cost, 1)),
    )
}
"""Every figure by name, in the order of the tables."""

COMPANY = ("functional_pass", "false_completion", "avsr")
"""AVSR rises with the level by construction, so it never stands without the first two."""


class Figure(msgspec.Struct, frozen=True):
    """A value with its 95 % interval; ``numerator`` over ``denominator``, both sums over the graded episodes.

    ``value`` is ``None`` when the denominator is 0; ``low`` and ``high`` are ``None`` when no interval can be had.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    numerator: float
    denominator: float
    interval: Literal["wilson", "bootstrap"]


class Totals(msgspec.Struct, frozen=True):
    """One model at one level.

    ``cells`` were asked for; ``finished`` gave a package; ``graded`` count in the figures; ``ungraded`` had an
    infrastructure fault; ``unfinished`` are suspended or could not begin. ``evidence`` counts the graded episodes
    with each kind. Read figures through :func:`figures`.
    """

    model: str
    level: str
    cells: int
    finished: int
    graded: int
    ungraded: int
    unfinished: int
    labels: dict[str, int]
    failure_codes: dict[str, int]
    evidence: dict[str, int]
    requirements: int
    covered: int
    measured: dict[str, Figure]


class Comparison(msgspec.Struct, frozen=True):
    """Two levels of one model on the pairs (task, repeat) that were graded at both.

    ``only_first`` and ``only_second`` count pairs passed at one level only; ``p_pass`` is McNemar's exact p-value
    over pairs, ``p_pass_tasks`` that of a sign-flip permutation of the tasks' mean differences, which stays right
    when repeats of a task resemble each other. ``pass_ratio`` and ``tokens_ratio`` are second over first. No p-value
    is corrected for the number of comparisons.
    """

    model: str
    first: str
    second: str
    tasks: int
    pairs: int
    passed_first: int
    passed_second: int
    only_first: int
    only_second: int
    pass_difference: float | None
    pass_ratio: float | None
    p_pass: float
    p_pass_tasks: float
    tokens_first: float | None
    tokens_second: float | None
    tokens_ratio: float | None
    p_tokens: float


def with_company(names: Sequence[str]) -> list[str]:
    """The figures to show for those asked for: AVSR brings functional pass and false completion before it.

    Raises:
        KeyError: There is no such figure.
    """
    shown: list[str] = []
    for name in names:
        needed = COMPANY if name == "avsr" else (METRICS[name].name,)
        shown += [item for item in needed if item not in shown]
    return shown


def figures(totals: Totals, names: Sequence[str] = tuple(METRICS)) -> list[Figure]:
    """The one way to the figures of a level, for every renderer; see :func:`with_company`."""
    return [totals.measured[name] for name in with_company(names)]


def total(model: str, level: str, results: Sequence[CellResult], *, seed: int = 0) -> Totals:
    """The totals of the cells of one model at one level."""
    own = [result for result in results if result.cell.model == model and result.cell.level == level]
    finished = [result.metrics for result in own if result.metrics is not None]
    graded = [result for result in own if result.metrics is not None and result.metrics.graded]
    episodes = [result.metrics for result in graded if result.metrics is not None]
    return Totals(
        model,
        level,
        cells=len(own),
        finished=len(finished),
        graded=len(graded),
        ungraded=len(finished) - len(graded),
        unfinished=len(own) - len(finished),
        labels=_counted(episode.label for episode in episodes),
        failure_codes=_counted(episode.failure_code for episode in episodes),
        evidence={name: sum(episode.evidence.get(name, False) for episode in episodes) for name in EVIDENCE},
        requirements=sum(episode.requirements for episode in episodes),
        covered=sum(episode.covered for episode in episodes),
        measured={metric.name: _figure(metric, graded, seed) for metric in METRICS.values()},
    )


def compare(model: str, levels: Sequence[str], results: Sequence[CellResult], *, seed: int = 0) -> list[Comparison]:
    """Every pair of levels, lower first."""
    return [_compare(model, first, second, results, seed) for first, second in combinations(levels, 2)]


def _figure(metric: Metric, graded: Sequence[CellResult], seed: int) -> Figure:
    tasks: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for result in graded:
        if result.metrics is not None:
            tasks[result.cell.task].append(metric.part(result.metrics))
    parts: Parts = [part for group in tasks.values() for part in group]
    above, below = sum(part[0] for part in parts), sum(part[1] for part in parts)
    if metric.kind == "rate":
        interval = wilson(round(above), round(below)) if below else None
    else:
        interval = bootstrap([tasks[name] for name in sorted(tasks)], seed=seed)
    low, high = interval or (None, None)
    kind = "wilson" if metric.kind == "rate" else "bootstrap"
    return Figure(metric.name, ratio(parts), low, high, above, below, kind)


def _compare(model: str, first: str, second: str, results: Sequence[CellResult], seed: int) -> Comparison:
    at: dict[str, dict[tuple[str, int], EpisodeMetrics]] = {first: {}, second: {}}
    for result in results:
        cell, metrics = result.cell, result.metrics
        if cell.model == model and cell.level in at and metrics is not None and metrics.functional_pass is not None:
            at[cell.level][cell.task, cell.repeat] = metrics
    both = sorted(at[first].keys() & at[second].keys())
    pairs = [(at[first][name], at[second][name]) for name in both]
    passed = [(a.functional_pass is True, b.functional_pass is True) for a, b in pairs]
    tasks = [name for name, _ in both]
    mean_first, mean_second = (_mean([pair[side].tokens for pair in pairs]) for side in (0, 1))
    passed_first, passed_second = (sum(pair[side] for pair in passed) for side in (0, 1))
    only_first, only_second = sum(a and not b for a, b in passed), sum(b and not a for a, b in passed)
    return Comparison(
        model,
        first,
        second,
        tasks=len(set(tasks)),
        pairs=len(pairs),
        passed_first=passed_first,
        passed_second=passed_second,
        only_first=only_first,
        only_second=only_second,
        pass_difference=(passed_second - passed_first) / len(pairs) if pairs else None,
        pass_ratio=passed_second / passed_first if passed_first else None,
        p_pass=mcnemar(only_first, only_second),
        p_pass_tasks=sign_flip(_by_task(tasks, [float(b) - float(a) for a, b in passed]), seed=seed),
        tokens_first=mean_first,
        tokens_second=mean_second,
        tokens_ratio=mean_second / mean_first if mean_first and mean_second is not None else None,
        p_tokens=sign_flip(_by_task(tasks, [float(b.tokens - a.tokens) for a, b in pairs]), seed=seed),
    )


def _by_task(tasks: Sequence[str], differences: Sequence[float]) -> list[float]:
    """The mean difference of each task."""
    groups: dict[str, list[float]] = defaultdict(list)
    for task, difference in zip(tasks, differences, strict=True):
        groups[task].append(difference)
    return [sum(group) / len(group) for _, group in sorted(groups.items())]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _counted(names: Iterable[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(name for name in names if name).items()))
