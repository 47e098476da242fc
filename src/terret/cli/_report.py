"""The end report of an episode, for people and for programs."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import msgspec

from terret.cli._output import table
from terret.cli._story import Story, verdict
from terret.cli._words import FAILURES, LABELS, duration, model_name, plural, shorten
from terret.runtime import STOP_REASONS


def document(story: Story, folder: Path) -> dict[str, Any]:
    """The report as data, what ``run``, ``resume``, ``show`` and ``demo`` print with ``--json``."""
    opened, label = story.opened, story.labelled
    return {
        "episode": story.episode,
        "package": str(folder),
        "task": opened.task_name if opened else None,
        "level": opened.level if opened else None,
        "model": opened.model.get("spec") if opened else None,
        "enforcement": opened.enforcement if opened else None,
        "finished": story.closed is not None,
        "label": label.label if label else None,
        "failure_code": label.failure_code if label else None,
        "functional_pass": label.functional_pass if label else None,
        "false_completion": label.false_completion if label else None,
        "graded": label.graded if label else False,
        "reasons": label.reasons if label else [],
        "stop_reason": story.stopped.reason if story.stopped else None,
        "checks": [
            {
                "phase": check.phase,
                "name": check.name,
                "type": check.type,
                "command": check.command,
                "passed": check.passed,
                "exit_code": check.exit_code,
                "covers": check.covers,
                "detail": check.detail,
                "duration_ms": check.duration_ms,
            }
            for check in story.checks
        ],
        "patch": story.patch.files if story.patch else [],
        "used": story.used,
        "budget": opened.budget if opened else {},
        "faults": msgspec.to_builtins(story.faults),
        "intervention_policy": opened.intervention_policy if opened else None,
        "interventions": msgspec.to_builtins(story.interventions),
        "timeline": [entry._asdict() for entry in story.timeline],
    }


def report(story: Story, folder: Path, *, timeline: bool = True) -> list[str]:
    """The report as lines of text."""
    lines = [*_headline(story), "", *_checks(story)]
    if timeline and story.timeline:
        lines += ["timeline", *(entry.line() for entry in story.timeline), ""]
    rows = [
        *_change(story),
        *_help(story),
        ("used", _used(story)),
        ("package", str(folder)),
        ("next", next_command(story, folder)),
    ]
    return lines + table(rows)


def _headline(story: Story) -> list[str]:
    opened, label = story.opened, story.labelled
    who = f"{opened.task_name}, level {opened.level}, {model_name(opened.model)}" if opened else story.episode
    if label is None:
        state = "interrupted" if story.faults or story.closed is None else "unlabelled"
        return [f"{state}  ({who})", "  No verdict yet: the episode can go on where it stopped."]
    lines = [f"{label.label or 'ungraded'}  ({who})", f"  {LABELS.get(label.label, '')}".rstrip()]
    lines += [f"  - {reason}" for reason in label.reasons]
    if label.failure_code:
        lines.append(f"  - {label.failure_code}: {FAILURES.get(label.failure_code, 'unknown code')}")
    if label.false_completion:
        lines.append("  - it declared the work done, and the evaluator says it is not")
    if story.stopped:
        reason = STOP_REASONS.get(story.stopped.reason, story.stopped.reason)
        told = story.stopped.reason == "completed" or story.stopped.detail in ("", reason)
        lines.append(f"  - the turns ended: {reason}" + ("" if told else f" ({shorten(story.stopped.detail, 100)})"))
    return lines


def _checks(story: Story) -> list[str]:
    checks = [check for check in story.checks if check.phase == "evaluator"] or story.checks
    if not checks:
        return []
    rows = [
        (check.name, check.type, verdict(check.passed), duration(check.duration_ms / 1000), check.detail)
        for check in checks
    ]
    return [f"checks ({checks[-1].phase})", *table(rows, indent="  "), ""]


def _change(story: Story) -> list[tuple[str, ...]]:
    if story.patch is None:
        return []
    if not story.patch.files:
        return [("change", "none")]
    parts = [
        f"{part.get('path', '?')} +{part.get('added') or 0} -{part.get('deleted') or 0}" for part in story.patch.files
    ]
    more = f", and {plural(len(parts) - 5, 'file')} more" if len(parts) > 5 else ""
    return [("change", ", ".join(parts[:5]) + more)]


def _help(story: Story) -> list[tuple[str, ...]]:
    """How much a person helped, and which harness the avoidable help stood in for."""
    given = story.interventions
    if not given:
        return []
    gaps = ", ".join(dict.fromkeys(help.harness_gap for help in given if help.avoidable))
    avoidable = sum(help.avoidable for help in given)
    what = f"{plural(len(given), 'intervention')}, {avoidable} avoidable" + (f" ({gaps})" if gaps else "")
    return [("human", what)]


def _used(story: Story) -> str:
    used, budget = story.used, story.opened.budget if story.opened else {}

    def of(name: str) -> str:
        return f" of {budget[name]:,.0f}" if name in budget else ""

    cost = f", ${used['cost']:.4f}" if used["cost"] else ""
    return (
        f"{used['steps']:.0f}{of('steps')} steps, {used['model_calls']:.0f}{of('model_calls')} model calls, "
        f"{used['tokens']:,.0f}{of('tokens')} tokens, {duration(used['wall'])}{cost}"
    )


def next_command(story: Story, folder: Path) -> str:
    """What to type now."""
    shown = shlex.quote(os.path.relpath(folder) if folder.is_relative_to(Path.cwd()) else str(folder))
    return f"terret verify {shown}" if story.closed is not None else f"terret resume {shown}"
