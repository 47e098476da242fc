"""The report of a ladder: one HTML file without scripts or anything to fetch."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from terret.gym._html_plots import Bar, Dot, Strip, bars, strips
from terret.gym._html_style import STYLE
from terret.gym._html_tables import (
    anchor,
    card_table,
    comparison_table,
    episode_table,
    evidence_table,
    figure_table,
    file_link,
    login_table,
)
from terret.gym._ladder_report import Ladder, number
from terret.gym._metrics_evidence import TABLE_5_NOTE
from terret.gym._metrics_totals import METRICS, figures

_HUES = {"functional_pass": "pass", "false_completion": "false", "avsr": "auto"}

_CIRCULAR = (
    "AVSR, the share of episodes labelled autonomous_verified_success, needs evidence that only H3 asks for. It rises "
    "with the level by construction; read it beside functional pass and false completion, which do not depend on "
    "what the agent shows."
)

_TERMS = (
    (
        "graded",
        "Episodes that an infrastructure fault left without a label are counted apart, in no denominator.",
    ),
    ("functional pass", "Every deterministic, hidden and targeted check of the evaluator passed on the patch."),
    ("false completion", "Declared complete, and a check of the evaluator fails."),
    (
        "verification autonomy",
        "Of the declared episodes, those with fresh own evidence for every requirement.",
    ),
    (
        "context-trace meaningfulness",
        "Of the artifacts consulted, those that influenced the work, by behaviour and not by report.",
    ),
    ("tool recovery", "Of the effects that failed, those after which the same effect on the same target succeeded."),
    (
        "attribution completeness",
        "Of the failed observations, those with a complete attribution before the next edit, where the level offers "
        "the protocol or the agent wrote it.",
    ),
    ("entropy delta", "Sum of the severities (0 to 3) of the maintenance burdens found in the patch."),
    (
        "M-HIR",
        "Avoidable interventions over episodes: a ratio of counts that can exceed 1.",
    ),
    ("intervals", "95 %: Wilson for shares of episodes, bootstrap over tasks for the rest."),
    (
        "p",
        "Pass: exact McNemar over pairs of episodes, and by task a sign-flip permutation of mean differences, which "
        "holds when repeats resemble each other. Tokens: the latter. None is corrected for the number of comparisons.",
    ),
)


def report_html(ladder: Ladder) -> str:
    """The whole document; links are relative to the folder of the ladder."""
    suite = escape(str(ladder.card.get("suite", "")))
    body = "\n".join(_body(ladder, suite))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>Ladder: {suite}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _body(ladder: Ladder, suite: str) -> Iterator[str]:
    done = sum(result.metrics is not None for result in ladder.results)
    repeats = ladder.card.get("repeats", 1)
    tasks = len({result.cell.task for result in ladder.results})
    yield f"<header><h1>Ladder: {suite}</h1>"
    yield (
        f"<p>Tasks: {tasks}; levels: {escape(', '.join(ladder.levels))}; repeats: {repeats}; models: "
        f"{len(ladder.models)}. Finished: {done} of {len(ladder.results)} episodes. Every number and mark leads to its "
        "episodes.</p>"
    )
    yield f"<pre><code>{escape(str(ladder.card.get('command', '')))}</code></pre></header>"
    for index, model in enumerate(ladder.models):
        yield from _model(ladder, index, model)
    if ladder.login:
        yield '<section id="login"><h2>The login task beside the paper</h2>'
        yield from (f"<h3>{escape(model)}</h3>{login_table(ladder, model)}" for model in ladder.models)
        yield f"<p>{escape(TABLE_5_NOTE)}</p></section>"
    yield "<section><h2>What the figures are</h2><dl>"
    yield from (f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in _TERMS)
    yield f'</dl></section><section id="card"><h2>Harness card</h2>{card_table(ladder.card)}</section>'
    yield '<section id="episodes"><h2>Episodes</h2>'
    for model in ladder.models:
        for level in ladder.levels:
            yield f'<h3 id="{anchor(ladder, model, level)}">{escape(model)} at {level}</h3>'
            yield episode_table(ladder, model, level)
    yield "</section>"


def _model(ladder: Ladder, index: int, model: str) -> Iterator[str]:
    yield f'<section id="m{index}"><h2>{escape(model)}</h2>'
    yield f'<div class="plots">{"".join(_headline(ladder, index, model))}</div>'
    yield f'<p class="note">{escape(_CIRCULAR)}</p>'
    yield figure_table(ladder, model)
    both = [_strips(ladder, index, model, name) for name in ("tokens", "seconds")]
    yield f'<div class="plots">{"".join(both)}</div>'
    yield (
        '<p class="note">One mark an episode: <span class="key passed">●</span> passes, '
        '<span class="key missed">○</span> does not, <span class="key ungraded">●</span> not graded. '
        "The line is the mean of the graded episodes, the band its interval.</p>"
    )
    own = [item for item in ladder.comparisons if item.model == model and item.pairs]
    yield comparison_table(ladder, own) if own else ""
    yield f"{evidence_table(ladder, model)}</section>"


def _headline(ladder: Ladder, index: int, model: str) -> Iterator[str]:
    """The plots of AVSR and of what has to stand beside it."""
    by_level = [(level, figures(ladder.of(model, level), ("avsr",))) for level in ladder.levels]
    for column, first in enumerate(by_level[0][1]):
        rows = [Bar(level, row[column], f"#{anchor(ladder, model, level)}") for level, row in by_level]
        yield bars(f"p{index}-{first.name}", METRICS[first.name].title, _HUES[first.name], rows)


def _strips(ladder: Ladder, index: int, model: str, name: str) -> str:
    rows: list[Strip] = []
    metric = METRICS[name]
    for level in ladder.levels:
        dots: list[Dot] = []
        for result in sorted(ladder.results, key=lambda item: (item.cell.task, item.cell.repeat)):
            cell, metrics = result.cell, result.metrics
            if (cell.model, cell.level) == (model, level) and metrics is not None:
                value = metric.part(metrics)[0]
                passed = metrics.functional_pass if metrics.graded else None
                title = f"{cell.task} r{cell.repeat} at {level}: {number(value, metric.unit)} {metric.title}"
                dots.append(Dot(value, passed, title, file_link(result, "report.md")))
        (figure,) = figures(ladder.of(model, level), (name,))
        rows.append(Strip(level, figure, dots, f"#{anchor(ladder, model, level)}"))
    return strips(f"p{index}-{name}", f"{metric.title} of each episode", rows)
