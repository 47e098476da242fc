"""Labels, failure codes and amounts in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

LABELS: dict[str | None, str] = {
    "autonomous_verified_success": "The change works, the agent showed it for every requirement, and nobody helped.",
    "assisted_verified_success": "The change works and that was shown, but a person helped in substance.",
    "unverified_success": "The change passes the evaluator; the agent itself left no evidence for each requirement.",
    "failed": "The change does not pass the evaluator.",
    "unsafe_invalid": "The change cannot count: it weakened tests, left its boundary or destroyed unrelated work.",
    None: "Not graded: an infrastructure fault, which never counts against the agent.",
}
"""What each label means."""

SUCCESSES = frozenset({"autonomous_verified_success", "assisted_verified_success", "unverified_success"})
"""The labels of a change that works."""

FAILURES = {
    "F_context": "it worked on the wrong or on missing context",
    "F_tool": "it could not use its tools",
    "F_feedback": "it ignored or misread what it was told",
    "F_verify": "it declared the work done without the checks to show for it",
    "F_recovery": "it did not recover from a failure",
    "F_entropy": "its change damages the code base",
    "F_model": "the model's replies were no usable actions or no working change",
    "F_unknown": "no rule names a cause",
}
"""What each failure code means."""


def exit_code(label: str | None) -> int:
    """0 for a success, 1 for a failure, 3 when an infrastructure fault left the episode ungraded."""
    if label is None:
        return 3
    return 0 if label in SUCCESSES else 1


def plural(count: int, noun: str) -> str:
    """``1 step``, ``2 steps``, ``1,200 steps``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """``3.2 s``, ``1 min 05 s``, ``2 h 03 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def shorten(text: str, width: int) -> str:
    """The first line of a text, cut with an ellipsis."""
    line = text.strip().splitlines()[0].strip() if text.strip() else ""
    return line if len(line) <= width else line[: width - 1] + "…"


def model_name(identity: Mapping[str, Any]) -> str:
    """A model's spec without the folder of a script or replayed episode."""
    spec = str(identity.get("spec", "?"))
    kind, colon, path = spec.partition(":")
    return f"{kind}:{PurePath(path).name}" if colon and kind in ("scripted", "replay") else spec


def size(count: float) -> str:
    """Bytes for people: ``980 MB``, ``1.1 GB``."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def amount(value: object) -> str:
    """An action's arguments on one line: the telling one first, the others left out when long."""
    if not isinstance(value, dict):
        return shorten(str(value), 72)
    fields: dict[str, object] = dict(value)  # pyright: ignore[reportUnknownArgumentType]
    for name in ("command", "path", "pattern", "summary", "handle"):
        if isinstance(fields.get(name), str):
            return shorten(str(fields[name]), 72)
    edits, files = fields.get("edits"), fields.get("files")
    paths = [str(part.get("path")) for part in [*_dicts(edits), *_dicts(files)]]
    if paths:
        return shorten(", ".join(dict.fromkeys(paths)), 72)
    return shorten(", ".join(f"{name}={value!r}" for name, value in fields.items()), 72)


def _dicts(value: object) -> list[dict[str, object]]:
    items: list[object] = list(value) if isinstance(value, list | tuple) else []  # pyright: ignore[reportUnknownArgumentType]
    return [dict(item) for item in items if isinstance(item, dict)]  # pyright: ignore[reportUnknownArgumentType]
