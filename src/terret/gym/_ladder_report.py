"""A ladder's results as one document, and as the table on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from terret.gym._ladder_cells import CellResult
from terret.gym._metrics_evidence import EVIDENCE, LOGIN, PAPER_TABLE_5, TABLE_5_NOTE
from terret.gym._metrics_totals import METRICS, Comparison, Figure, Totals, compare, figures, total

FORMAT = "terret.ladder/1"


class Ladder(msgspec.Struct, frozen=True):
    """Everything a ladder found: card, totals by model and level, comparisons, and every cell in plan order.

    ``login`` holds the totals of the login task alone, where it ran.
    """

    card: dict[str, Any]
    models: list[str]
    levels: list[str]
    totals: list[Totals]
    comparisons: list[Comparison]
    login: list[Totals]
    results: list[CellResult]

    def of(self, model: str, level: str) -> Totals:
        """The totals of a model at a level."""
        return next(item for item in self.totals if (item.model, item.level) == (model, level))


def gather(results: Sequence[CellResult], card: dict[str, Any], *, seed: int = 0) -> Ladder:
    """Add up the results of all cells."""
    models = list(dict.fromkeys(sorted(result.cell.model for result in results)))
    levels = sorted({result.cell.level for result in results})
    login = [result for result in results if result.cell.task == LOGIN]
    return Ladder(
        card=card,
        models=models,
        levels=levels,
        totals=[total(model, level, results, seed=seed) for model in models for level in levels],
        comparisons=[item for model in models for item in compare(model, levels, results, seed=seed)],
        login=[total(model, level, login, seed=seed) for model in models for level in levels] if login else [],
        results=list(results),
    )


def document(ladder: Ladder) -> dict[str, Any]:
    """The content of ``ladder.json``."""
    return {
        "format": FORMAT,
        "card": ladder.card,
        "totals": [_totals(item) for item in ladder.totals],
        "comparisons": [msgspec.to_builtins(item) for item in ladder.comparisons],
        "evidence": {
            "kinds": {name: title for name, (title, _) in EVIDENCE.items()},
            "paper_table_5": {
                level: {"label": label, "evidence": [name for name in EVIDENCE if name in kinds]}
                for level, (label, kinds) in PAPER_TABLE_5.items()
            },
            "note": TABLE_5_NOTE,
            "login": [_totals(item) for item in ladder.login],
        },
        "cells": [msgspec.to_builtins(result) for result in sorted(ladder.results, key=_order)],
    }


def ladder_table(ladder: Ladder) -> str:
    """The figures of every model, levels side by side, as plain text ending with a line feed."""
    lines: list[str] = []
    for model in ladder.models:
        totals = [ladder.of(model, level) for level in ladder.levels]
        rows = [[f"model {model}", *(item.level for item in totals)]]
        rows.append(["episodes graded / asked for", *(f"{item.graded} / {item.cells}" for item in totals)])
        if any(item.ungraded or item.unfinished for item in totals):
            rows.append(["infrastructure: ungraded", *(str(item.ungraded) for item in totals)])
            rows.append(["infrastructure: not finished", *(str(item.unfinished) for item in totals)])
        columns = [figures(item) for item in totals]
        rows += [[METRICS[row[0].name].title, *(shown(figure) for figure in row)] for row in zip(*columns, strict=True)]
        labels = sorted({label for item in totals for label in item.labels})
        rows += [[f"label {label}", *(str(item.labels.get(label, 0)) for item in totals)] for label in labels]
        rows += [
            [f"evidence: {EVIDENCE[name][0]}", *(f"{item.evidence[name]} of {item.graded}" for item in totals)]
            for name in EVIDENCE
        ]
        lines += [*_columns(rows), ""]
        lines += [compared(item) for item in ladder.comparisons if item.model == model and item.pairs]
        lines += [""]
    lines += [
        f"  {result.status}: {result.cell.id}: {result.detail}" for result in ladder.results if result.metrics is None
    ]
    lines.append("[low, high]: 95 % intervals, Wilson for shares of episodes, bootstrap over tasks for the rest")
    return "\n".join(lines) + "\n"


def shown(figure: Figure) -> str:
    """A figure with its interval and, for a share, its counts."""
    if figure.value is None:
        return "-"
    metric = METRICS[figure.name]
    low, high = figure.low, figure.high
    span = "" if low is None or high is None else f" [{number(low, metric.unit)}, {number(high, metric.unit)}]"
    text = number(figure.value, metric.unit)
    if metric.unit == "%":
        return f"{figure.numerator:g}/{figure.denominator:g} {text}%{span}"
    return f"{text}{span}"


def number(value: float, unit: str) -> str:
    """A value in its unit, three significant digits or all those before the point; shares as whole percent."""
    if unit == "%":
        return f"{100 * value:.0f}"
    if unit == "USD":
        return f"{value:.4f}" if value else "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def short(value: float, unit: str) -> str:
    """The value with thousands as ``k`` and millions as ``M``, for narrow places."""
    for scale, letter in ((1e6, "M"), (1e4, "k")):
        if unit == "" and abs(value) >= scale:
            return f"{value / (1e6 if letter == 'M' else 1e3):.3g}{letter}"
    return number(value, unit)


def compared(item: Comparison) -> str:
    """One line on two levels."""
    change = "" if item.pass_ratio is None else f" (x{item.pass_ratio:.2f})"
    tokens = "" if item.tokens_ratio is None else f"; tokens x{item.tokens_ratio:.2f}, p = {item.p_tokens:.3g}"
    return (
        f"{item.first} -> {item.second}: passed {item.passed_first} -> {item.passed_second} of {item.pairs} pairs"
        f"{change}, only {item.first} {item.only_first}, only {item.second} {item.only_second}, "
        f"p = {item.p_pass:.3g} (by task {item.p_pass_tasks:.3g}){tokens}"
    )


def _totals(item: Totals) -> dict[str, Any]:
    plain = msgspec.to_builtins(item)
    plain.pop("measured")
    return {**plain, "figures": {figure.name: msgspec.to_builtins(figure) for figure in figures(item)}}


def _order(result: CellResult) -> tuple[str, str, str, int]:
    cell = result.cell
    return cell.model, cell.level, cell.task, cell.repeat


def _columns(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]
