"""The readable report of an episode, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from terret.journal._events import (
    ActionParsed,
    ActionRejected,
    CheckRan,
    Declared,
    Denied,
    EntropyFound,
    EpisodeClosed,
    EpisodeOpened,
    EpisodeResumed,
    Event,
    Faulted,
    Intervened,
    Labelled,
    Observed,
    PatchTaken,
    Stopped,
)
from terret.journal._records import requirements
from terret.journal._traces import Row, last, result, usage_totals

_WIDTH = 160
"""Characters of one cell or timeline entry."""


def report(events: Sequence[Event], task: Row) -> str:
    """What a person wants to know: objective, verdict, timeline, checks, patch, budget and faults."""
    sections = [_title(events), _objective(events, task), _verdict(events), _timeline(events)]
    sections += [_checks(events), _patch(events), _entropy(events), _budget(events), _faults(events)]
    return "\n".join(line for section in sections if section for line in (*section, ""))


def _title(events: Sequence[Event]) -> list[str]:
    opened = last(events, EpisodeOpened)
    if opened is None:
        return ["# Episode without an opening"]
    model = opened.model.get("spec") or opened.model.get("name") or "unknown"
    source = opened.repository.get("source", "")
    commit = opened.repository.get("commit")
    rows = [
        ("task", opened.task_name),
        ("model", str(model)),
        ("level", f"{opened.level} (image {opened.image}, dialect {opened.dialect}, seed {opened.seed})"),
        ("repository", f"{source} at {commit}" if commit else str(source)),
        ("enforcement", str(opened.enforcement.get("tier", "unknown"))),
        ("signed by", opened.public_key),
    ]
    return [f"# Episode {events[0].episode}", "", *_table(("what", "value"), rows)]


def _objective(events: Sequence[Event], task: Row) -> list[str]:
    lines = [f"> {line}".rstrip() for line in str(task.get("objective", "")).strip().splitlines()]
    needs = [f"- **{need.get('id')}** {_cut(str(need.get('text', '')))}" for need in requirements(task)]
    return ["## Objective", "", *lines, *(["", *needs] if needs else [])] if lines or needs else []


def _verdict(events: Sequence[Event]) -> list[str]:
    labelled, stopped = last(events, Labelled), last(events, Stopped)
    lines = ["## Verdict", ""]
    if labelled is None:
        lines.append("The episode has no label yet.")
    else:
        code = f" ({labelled.failure_code})" if labelled.failure_code else ""
        lines.append(f"**{labelled.label or 'ungraded'}**{code}")
        lines += ["", *(f"- {_cut(reason)}" for reason in labelled.reasons)]
        passed = {True: "yes", False: "no", None: "unknown"}[labelled.functional_pass]
        lines.append(f"- functional pass: {passed}")
        lines.append(f"- false completion: {'yes' if labelled.false_completion else 'no'}")
    if stopped is not None:
        lines += ["", f"The loop ended after {stopped.turns} turns: {stopped.reason}. {_cut(stopped.detail)}".rstrip()]
    return lines


def _timeline(events: Sequence[Event]) -> list[str]:
    lines = ["## Timeline", ""]
    turn: int | None = None
    began = events[0].ts if events else 0.0
    gaps = 0.0
    for event in events:
        data = event.data
        if isinstance(data, EpisodeResumed):
            gaps += data.gap_s
        told = _told(event)
        if told is None:
            continue
        at: int | None = getattr(data, "turn", None)
        if at is not None and at != turn:
            turn = at
            lines += [*([""] if lines[-1] else []), f"Turn {turn}", ""]
        lines.append(f"- {max(0.0, event.ts - began - gaps):.1f} s {told}")
    return lines if len(lines) > 2 else []


def _told(event: Event) -> str | None:
    """One line of the timeline; ``None`` for events that have their own section or are too fine."""
    data = event.data
    match data:
        case ActionParsed():
            by = "" if data.by == "agent" else f" (by the {data.by})"
            return f"`{data.tool}`{by} {_cut(_arguments(data.args))}".rstrip()
        case ActionRejected():
            return f"reply rejected: {data.reason}. {_cut(data.message)}"
        case Observed():
            failure = data.failure or {}
            detail = f": {_cut(str(failure.get('type', '')))}" if failure else ""
            return f"{'result' if data.ok else 'failure'} of `{data.tool}`{detail}, {data.text.size} bytes"
        case Denied():
            return f"denied: {data.primitive}, {_cut(str(data.decision.get('reason', '')))}"
        case Declared():
            refused = "" if data.accepted else f": {_cut('; '.join(data.reasons))}"
            return f"completion {'accepted' if data.accepted else 'refused'}{refused}"
        case Intervened():
            return f"human {data.form}: {_cut(data.text)}"
        case CheckRan(phase="episode"):
            return f"check {_cut(data.name)}: {result(data.passed)}"
        case EpisodeResumed():
            return f"resumed after {data.gap_s:.1f} s; effects without an outcome: {len(data.unknown)}"
        case _:
            return None


def _checks(events: Sequence[Event]) -> list[str]:
    rows = [
        (
            check.name,
            check.type,
            result(check.passed),
            "" if check.exit_code is None else str(check.exit_code),
            ", ".join(check.covers),
            f"{check.duration_ms / 1000:.1f} s",
            check.detail,
        )
        for check in (event.data for event in events)
        if isinstance(check, CheckRan) and check.phase == "evaluator"
    ]
    columns = ("check", "type", "result", "exit", "covers", "time", "detail")
    return ["## Evaluator's checks", "", *_table(columns, rows)] if rows else []


def _patch(events: Sequence[Event]) -> list[str]:
    patch = last(events, PatchTaken)
    if patch is None:
        return []
    columns = ("path", "status", "added", "deleted")
    rows = [tuple(str(file.get(column, "")) for column in columns) for file in patch.files]
    return ["## Patch", "", *(_table(columns, rows) if rows else ["The agent changed nothing."])]


def _entropy(events: Sequence[Event]) -> list[str]:
    found = [event.data for event in events if isinstance(event.data, EntropyFound)]
    rows = [(item.category, str(item.severity), item.rule, item.evidence) for item in found]
    return ["## Entropy", "", *_table(("category", "severity", "rule", "evidence"), rows)] if rows else []


def _budget(events: Sequence[Event]) -> list[str]:
    opened, closed = last(events, EpisodeOpened), last(events, EpisodeClosed)
    limits = opened.budget if opened else {}
    used = closed.usage if closed else {}
    names = [*limits, *(name for name in used if name not in limits)]
    rows = [(name, _number(used.get(name)), _number(limits.get(name))) for name in names]
    totals = [(name, _number(value)) for name, value in usage_totals(events).items()]
    lines = ["## Budget", "", *_table(("resource", "used", "limit"), rows)] if rows else ["## Budget"]
    return [*lines, "", *_table(("total", "value"), totals)]


def _faults(events: Sequence[Event]) -> list[str]:
    found = [event.data for event in events if isinstance(event.data, Faulted)]
    rows = [(item.part, item.code, item.message, "yes" if item.recovered else "no") for item in found]
    lines = _table(("part", "code", "message", "recovered"), rows) if rows else ["None."]
    return ["## Infrastructure faults", "", *lines]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    head = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return head + ["| " + " | ".join(_cut(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]


def _arguments(args: Row) -> str:
    return ", ".join(f"{name}={value}" for name, value in args.items())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"


def _cut(text: str) -> str:
    """A text on one line, its middle spaces joined, shortened to the width of a cell."""
    line = " ".join(text[: 4 * _WIDTH].split())
    return line if len(line) <= _WIDTH else line[: _WIDTH - 3] + "..."
