"""A sequence as a document, as a table on the terminal, and as one HTML page with the entropy by task."""

from __future__ import annotations

from html import escape
from typing import Any

import msgspec

from terret.gym._html_plots import Point, curve
from terret.gym._html_style import STYLE
from terret.gym._rows import Rate
from terret.gym._sequence_run import EPISODES, SequenceResult

_HEAD = ("#", "task", "label", "accepted", "entropy", "total", "starts from", "leaves")


def sequence_document(result: SequenceResult) -> dict[str, Any]:
    """The sequence as JSON values: what it is, each task, the curve of entropy and the totals."""
    tasks, closed = result.tasks, result.closed
    asked = len(result.opened.tasks)
    accepted = sum(task.accepted for task in tasks)
    return {
        "opened": msgspec.to_builtins(result.opened),
        "tasks": [msgspec.to_builtins(task) for task in tasks],
        "closed": msgspec.to_builtins(closed),
        "suspended": result.suspended,
        "summary": {
            "tasks": asked,
            "run": len(tasks),
            "accepted": accepted,
            "functional_pass": sum(task.functional_pass is True for task in tasks),
            "kept_at_end": None if closed is None else len(closed.kept),
            "lost_at_end": None if closed is None else closed.lost,
            "entropy_by_task": [task.entropy for task in tasks],
            "entropy_total": [task.entropy_total for task in tasks],
        },
    }


def sequence_table(result: SequenceResult) -> str:
    """One row a task and the totals, as plain text ending with a line feed."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for number, task in enumerate(result.tasks, 1):
        rows.append(
            (
                str(number),
                task.task,
                task.label or "ungraded",
                "yes" if task.accepted else "no",
                str(task.entropy),
                str(task.entropy_total),
                task.start.commit[:10],
                task.end.commit[:10] if task.accepted else "(taken back)",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines += ["", *_totals(result)]
    return "\n".join(lines) + "\n"


def sequence_html(result: SequenceResult) -> str:
    """The report as one HTML file without scripts or anything to fetch; links are relative to the sequence's folder."""
    opened = result.opened
    points = [
        Point(
            str(number),
            task.entropy,
            task.entropy_total,
            task.accepted,
            f"{task.task}: {task.label or 'ungraded'}, entropy {task.entropy}, total {task.entropy_total}",
            f"{EPISODES}/{task.episode}/report.md",
        )
        for number, task in enumerate(result.tasks, 1)
    ]
    rows = "".join(
        f'<tr><th scope="row">{number}</th><td><a href="{escape(point.link)}">{escape(task.task)}</a></td>'
        f"<td>{escape(task.label or 'ungraded')}</td><td>{'yes' if task.accepted else 'no'}</td>"
        f"<td>{task.entropy}</td><td>{task.entropy_total}</td><td><code>{task.end.commit[:10]}</code></td></tr>"
        for number, (task, point) in enumerate(zip(result.tasks, points, strict=True), 1)
    )
    heads = "".join(f"<th>{name}</th>" for name in ("#", "task", "label", "accepted", "entropy", "total", "leaves"))
    totals = "".join(f"<p>{escape(line)}</p>" for line in _totals(result))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>Sequence</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<header><h1>Sequence</h1><p>{escape(opened.model)} at {escape(opened.level)}, from "
        f"{escape(opened.source)}. Each task starts from what was accepted before it.</p></header>\n"
        f'<div class="plots">{curve("entropy", "entropy by task", points)}</div>\n'
        '<p class="note">Bars: burdens in the change of one task. Line: burdens in everything accepted so far, audited '
        "as one change. A hollow mark is a task whose change was not accepted.</p>\n"
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>\n{totals}\n'
        "</main>\n</body>\n</html>\n"
    )


def _totals(result: SequenceResult) -> list[str]:
    tasks, closed = result.tasks, result.closed
    passed = Rate.of(sum(task.functional_pass is True for task in tasks), len(tasks))
    accepted = sum(task.accepted for task in tasks)
    lines = [
        f"functional pass  {passed}",
        f"accepted         {accepted} of {len(result.opened.tasks)} tasks",
        "entropy          " + " -> ".join(["0", *(str(task.entropy_total) for task in tasks)]),
    ]
    if closed is not None:
        lost = f"; lost: {', '.join(closed.lost)}" if closed.lost else ""
        lines.append(f"at the end       {len(closed.kept)} of {accepted} accepted tasks still pass their checks{lost}")
        if closed.stopped_at is not None:
            lines.append(f"stopped at       {closed.stopped_at}")
    if result.suspended is not None:
        lines.append(f"suspended        {result.suspended[0]}: {result.suspended[1]}")
    return lines
