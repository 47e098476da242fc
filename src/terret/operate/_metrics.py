"""Metrics of many episodes, each a sum over their journals: the same journals give the same numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from terret.errors import MissingExtra
from terret.operate._facts import EpisodeFacts, Fleet
from terret.operate._tally import OPEN, SECONDS, Durations, Tally

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

Labels = tuple[str, ...]


class Metric(NamedTuple):
    """One metric family: its values by the values of its labels; a histogram has :class:`Durations` as values."""

    name: str
    kind: str
    text: str
    labels: Labels
    values: Mapping[Labels, float | Durations]


def metrics(found: Sequence[tuple[EpisodeFacts, Tally]]) -> list[Metric]:
    """All metrics of a fleet's tallies, in a fixed order. Times are those of events, never of the scrape."""
    tallies = [tally for _, tally in found]
    return [
        Metric("terret_episodes", "gauge", "Episodes.", ("state", "label"), _counted(found)),
        _sum("terret_turns", "Turns begun.", (), ((("",), tally.turn) for tally in tallies)),
        _sum("terret_events", "Events by kind.", ("kind",), _keyed(tally.events for tally in tallies)),
        _sum("terret_tokens", "Tokens by kind.", ("kind",), _keyed(tally.tokens for tally in tallies)),
        _sum("terret_cost_usd", "Cost of model calls in USD.", (), ((("",), tally.cost) for tally in tallies)),
        _sum(
            "terret_effects",
            "Effects with an outcome, by primitive and status.",
            ("primitive", "status"),
            (pair for pair in _keyed(tally.effects for tally in tallies) if pair[0][1] != OPEN),
        ),
        Metric("terret_effects_open", "gauge", "Effects without an outcome.", ("primitive",), _open(tallies)),
        _sum("terret_denials", "Refusals by rule.", ("primitive", "rule"), _keyed(tally.denials for tally in tallies)),
        _sum("terret_faults", "Infrastructure faults.", ("part", "code"), _keyed(tally.faults for tally in tallies)),
        _sum("terret_rejected_replies", "Rejected replies.", ("reason",), _keyed(tally.rejected for tally in tallies)),
        _sum("terret_interventions", "Human help.", ("form",), _keyed(tally.interventions for tally in tallies)),
        _sum("terret_resumptions", "Resumptions.", (), ((("",), tally.resumptions) for tally in tallies)),
        Metric("terret_model_call_seconds", "histogram", "Seconds a model call took.", (), _model_seconds(tallies)),
        Metric(
            "terret_tool_call_seconds", "histogram", "Seconds an effect took.", ("primitive",), _tool_seconds(tallies)
        ),
        Metric(
            "terret_journal_oldest_timestamp_seconds",
            "gauge",
            "Unix time of the last event of the journal that was silent for longest, by state.",
            ("state",),
            _silent(found),
        ),
    ]


def prometheus_text(fleet: Fleet) -> bytes:
    """The metrics of a fleet in the Prometheus text format.

    Raises:
        MissingExtra: prometheus-client is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, generate_latest
    except ImportError:
        raise MissingExtra("metrics need prometheus-client", hint="pip install 'terret[metrics]'") from None
    registry: CollectorRegistry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(fleet))
    return bytes(generate_latest(registry))


class _Collector:
    """Gives the metrics to prometheus-client, which writes them."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def describe(self) -> list[Any]:
        return []

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        families: dict[str, Any] = {
            "gauge": GaugeMetricFamily,
            "counter": CounterMetricFamily,
            "histogram": HistogramMetricFamily,
        }
        for metric in metrics(self._fleet.tallies()):
            family = families[metric.kind](metric.name, metric.text, labels=metric.labels)
            for labels, value in sorted(metric.values.items()):
                known = labels if metric.labels else ()
                if isinstance(value, Durations):
                    family.add_metric(known, _buckets(value), value.sum)
                else:
                    family.add_metric(known, value)
            yield family


def _buckets(durations: Durations) -> list[tuple[str, float]]:
    total = 0
    found: list[tuple[str, float]] = []
    for bound, count in zip((*SECONDS, None), durations.counts, strict=True):
        total += count
        found.append(("+Inf" if bound is None else str(bound), total))
    return found


def _sum(name: str, text: str, labels: Labels, pairs: Iterable[tuple[Labels, float]]) -> Metric:
    values: dict[Labels, float] = {} if labels else {("",): 0}
    for key, value in pairs:
        values[key] = values.get(key, 0) + value
    return Metric(name, "counter", text, labels, {key: value for key, value in values.items() if value or not labels})


def _keyed(counters: Iterable[Counter[Any]]) -> Iterator[tuple[Labels, float]]:
    for counter in counters:
        for key, value in counter.items():
            yield key if isinstance(key, tuple) else (str(key),), value


def _open(tallies: Sequence[Tally]) -> dict[Labels, float]:
    total: Counter[Labels] = Counter()
    for tally in tallies:
        for (primitive, status), count in tally.effects.items():
            if status == OPEN and count:
                total[primitive,] += count
    return dict(total)


def _counted(found: Sequence[tuple[EpisodeFacts, Tally]]) -> dict[Labels, float]:
    names = {"finished": "ungraded"}
    return dict(Counter((facts.state, facts.label or names.get(facts.state, "")) for facts, _ in found))


def _silent(found: Sequence[tuple[EpisodeFacts, Tally]]) -> dict[Labels, float]:
    oldest: dict[Labels, float] = {}
    for facts, tally in found:
        if tally.seq >= 0 and facts.state != "finished":
            oldest[facts.state,] = min(tally.latest, oldest.get((facts.state,), tally.latest))
    return oldest


def _model_seconds(tallies: Sequence[Tally]) -> dict[Labels, Durations]:
    total = Durations()
    for tally in tallies:
        total.merge(tally.model_seconds)
    return {("",): total}


def _tool_seconds(tallies: Sequence[Tally]) -> dict[Labels, Durations]:
    total: dict[Labels, Durations] = {}
    for tally in tallies:
        for primitive, durations in tally.tool_seconds.items():
            total.setdefault((primitive,), Durations()).merge(durations)
    return total
