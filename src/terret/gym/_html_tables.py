"""Tables of the report: figures by level, comparisons, evidence, the card and every episode."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, cast
from urllib.parse import quote

from terret.gym._ladder_cells import CellResult
from terret.gym._ladder_report import Ladder, number, short
from terret.gym._metrics_evidence import EVIDENCE, PAPER_TABLE_5
from terret.gym._metrics_totals import METRICS, Comparison, Figure, Totals, figures

NONE = "&ndash;"
"""What stands for a number that cannot be had."""


def anchor(ladder: Ladder, model: str, level: str) -> str:
    """The id of the list of episodes of a model at a level."""
    return f"e{ladder.models.index(model)}-{level}"


def file_link(result: CellResult, name: str) -> str:
    """The relative link to a file of a cell's package."""
    return f"{quote(result.package)}/{name}"


def figure_table(ladder: Ladder, model: str) -> str:
    """Every figure of a model, levels side by side; each leads to its episodes."""
    totals = [ladder.of(model, level) for level in ladder.levels]
    links = [f"#{anchor(ladder, model, item.level)}" for item in totals]

    def counts(title: str, values: Sequence[object]) -> str:
        cells = "".join(f'<td><a href="{link}">{value}</a></td>' for link, value in zip(links, values, strict=True))
        return f'<tr><th scope="row">{title}</th>{cells}</tr>'

    rows = [
        counts("episodes asked for", [item.cells for item in totals]),
        counts("graded (denominator)", [item.graded for item in totals]),
        counts("ungraded: infrastructure", [item.ungraded for item in totals]),
        counts("not finished", [item.unfinished for item in totals]),
    ]
    columns = zip(*(figures(item) for item in totals), strict=True)
    rows += [counts(_title(row[0]), [_value(figure) for figure in row]) for row in columns]
    labels = sorted({label for item in totals for label in item.labels})
    rows += [counts(_label(label), [item.labels.get(label, 0) for item in totals]) for label in labels]
    codes = sorted({code for item in totals for code in item.failure_codes})
    rows += [counts(escape(code), [item.failure_codes.get(code, 0) for item in totals]) for code in codes]
    return _table("Figures by level, with 95 % intervals", ["figure", *ladder.levels], rows)


def comparison_table(ladder: Ladder, comparisons: Sequence[Comparison]) -> str:
    """Pairs of levels on the same tasks and repeats; the levels lead to their episodes."""

    def link(item: Comparison, level: str) -> str:
        return f'<a href="#{anchor(ladder, item.model, level)}">{level}</a>'

    rows = [
        f'<tr><th scope="row">{link(item, item.first)} → {link(item, item.second)}</th>'
        f"<td>{item.pairs} <small>{item.tasks} tasks</small></td>"
        f"<td>{item.passed_first} → {item.passed_second}{_times(item.pass_ratio)}</td>"
        f"<td>{item.only_first} / {item.only_second}</td>"
        f"<td>{_p(item.p_pass)} <small>by task {_p(item.p_pass_tasks)}</small></td>"
        f"<td>{_tokens(item)}</td><td>{_p(item.p_tokens)}</td></tr>"
        for item in comparisons
    ]
    head = ["levels", "pairs", "passed", "only first / second", "p (pass)", "mean tokens", "p (tokens)"]
    return _table("Levels against each other on the same tasks", head, rows)


def evidence_table(ladder: Ladder, model: str) -> str:
    """How many graded episodes hold each kind of evidence."""
    totals = [ladder.of(model, level) for level in ladder.levels]
    rows: list[str] = []
    for name, (title, _) in EVIDENCE.items():
        cells = "".join(
            f'<td><a href="#{anchor(ladder, model, item.level)}">{_of(item.evidence[name], item.graded)}</a></td>'
            for item in totals
        )
        rows.append(f'<tr><th scope="row">{escape(title)}</th>{cells}</tr>')
    cells = "".join(
        f'<td><a href="#{anchor(ladder, model, item.level)}">{_of(item.covered, item.requirements)}</a></td>'
        for item in totals
    )
    rows.append(f'<tr><th scope="row">requirements with fresh evidence</th>{cells}</tr>')
    return _table("Evidence the agent's side produced, by level", ["evidence", *ladder.levels], rows)


def login_table(ladder: Ladder, model: str) -> str:
    """The login task beside Table 5 of the paper: ``paper / here`` in each cell."""
    totals = {item.level: item for item in ladder.login if item.model == model}

    def row(title: str, values: Iterable[str]) -> str:
        cells = "".join(
            f'<td><a href="#{anchor(ladder, model, level)}">{value}</a></td>'
            for level, value in zip(totals, values, strict=True)
        )
        return f'<tr><th scope="row">{title}</th>{cells}</tr>'

    rows = [
        row(
            escape(title),
            (
                f"{_yes(name in PAPER_TABLE_5[level][1])} / {_of(item.evidence[name], item.graded)}"
                for level, item in totals.items()
            ),
        )
        for name, (title, _) in EVIDENCE.items()
    ]
    rows += [
        row("label in the paper", (_label(PAPER_TABLE_5[level][0]) for level in totals)),
        row("labels here", map(_labels, totals.values())),
        row("functional pass; false completion; AVSR here", map(_company, totals.values())),
    ]
    return _table("The login task: paper's Table 5 / here", ["evidence", *totals], rows)


def episode_table(ladder: Ladder, model: str, level: str) -> str:
    """Every cell of a model at a level with its numbers and links into its package."""
    own = [result for result in ladder.results if (result.cell.model, result.cell.level) == (model, level)]
    own.sort(key=lambda result: (result.cell.task, result.cell.repeat))
    head = [
        *("task", "label", "pass", "false completion", "tokens", "seconds", "calls", "cost"),
        *("consulted: influential", "failed effects: recovered", "failures: attributed", "requirements: covered"),
        *("entropy", "interventions: avoidable", "files"),
    ]
    return _table(f"Episodes at {level}", head, [_episode(result) for result in own])


def card_table(card: dict[str, Any]) -> str:
    """The harness card."""
    rows = [
        f'<tr><th scope="row">{escape(name.replace("_", " "))}</th><td>{_plain(value)}</td></tr>'
        for name, value in card.items()
    ]
    return _table("Harness card", ["disclosed", "value"], rows, "card")


def _episode(result: CellResult) -> str:
    cell, metrics = result.cell, result.metrics
    name = f'<th scope="row">{escape(cell.task)} <small>r{cell.repeat}</small></th>'
    if metrics is None:
        return f'<tr>{name}<td colspan="14">{escape(result.status)}: {escape(result.detail)}</td></tr>'
    code = f" <small>{escape(metrics.failure_code)}</small>" if metrics.failure_code else ""
    report = file_link(result, "report.md")
    cells = [
        f'<a href="{report}">{_label(metrics.label or "ungraded")}</a>{code}',
        _yes(metrics.functional_pass),
        _yes(metrics.false_completion) if metrics.graded else NONE,
        f"{metrics.tokens:,}",
        f"{metrics.seconds:.1f}",
        str(metrics.model_calls),
        f"{metrics.cost:.4f}",
        f"{metrics.consulted}: {metrics.influential}",
        f"{metrics.failed_effects}: {metrics.recovered_effects}",
        f"{metrics.failed_observations}: {metrics.attributed}",
        f"{metrics.requirements}: {metrics.covered}",
        str(metrics.entropy),
        f"{metrics.interventions}: {metrics.avoidable}",
        f'<a href="{report}">report.md</a> <a href="{file_link(result, "episode.json")}">episode.json</a>',
    ]
    return f"<tr>{name}{''.join(f'<td>{text}</td>' for text in cells)}</tr>"


def _table(caption: str, head: Sequence[str], rows: Sequence[str], kind: str = "") -> str:
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}"><table class="{kind}">'
        f"<caption>{escape(caption)}</caption><thead><tr>{columns}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _title(figure: Figure) -> str:
    metric = METRICS[figure.name]
    unit = f" <small>{metric.unit}</small>" if metric.unit not in ("", "%") else ""
    return f"{escape(metric.title)}{unit}"


def _value(figure: Figure) -> str:
    if figure.value is None:
        return NONE
    unit = METRICS[figure.name].unit
    low, high = figure.low, figure.high
    span = "" if low is None or high is None else f"{short(low, unit)} to {short(high, unit)}"
    if unit == "%":
        counts = f"{figure.numerator:g}/{figure.denominator:g}"
        return f"<b>{number(figure.value, unit)}%</b> <small>{counts}</small> <small>{span}</small>"
    return f"<b>{number(figure.value, unit)}</b> <small>{span}</small>"


def _company(item: Totals) -> str:
    return "; ".join(_of(round(figure.numerator), round(figure.denominator)) for figure in figures(item, ("avsr",)))


def _labels(item: Totals) -> str:
    return "<br>".join(f"{_label(label)} <small>{count}</small>" for label, count in item.labels.items()) or NONE


def _label(label: str) -> str:
    """A label that may break at its underscores."""
    return escape(label).replace("_", "_<wbr>")


def _tokens(item: Comparison) -> str:
    if item.tokens_first is None or item.tokens_second is None:
        return NONE
    return f"{item.tokens_first:,.0f} → {item.tokens_second:,.0f}{_times(item.tokens_ratio)}"


def _times(value: float | None) -> str:
    return "" if value is None else f" <small>&times;{value:.2f}</small>"


def _p(value: float) -> str:
    return f"{value:.3g}"


def _of(count: int, whole: int) -> str:
    return f"{count}/{whole}" if whole else NONE


def _yes(held: bool | None) -> str:
    return NONE if held is None else "yes" if held else "no"


def _plain(value: Any) -> str:
    """A value of the card: texts as they are, lists side by side, objects as nested lists."""
    if isinstance(value, dict):
        known = cast("dict[str, Any]", value)
        return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{_plain(v)}</dd>" for k, v in known.items()) + "</dl>"
    if isinstance(value, list):
        items = cast("list[Any]", value)
        if any(isinstance(item, dict) for item in items):
            return "<hr>".join(map(_plain, items))
        return ", ".join(map(_plain, items)) or "none"
    if isinstance(value, float):
        return f"{value:.12g}"
    return _yes(value) if isinstance(value, bool) else escape("none" if value is None else str(value))
