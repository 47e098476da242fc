"""Labels, failure codes and amounts in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from terret.errors import ConfigError

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


def span(seconds: float) -> str:
    """A span in at most four characters: ``42s``, ``7m``, ``3h``, ``12d``."""
    for unit, length in (("s", 60), ("m", 60), ("h", 48)):
        if seconds < length:
            return f"{max(0.0, seconds):.0f}{unit}"
        seconds /= 24 if unit == "h" else 60
    return f"{seconds:.0f}d"


def seconds_of(text: str, option: str) -> float:
    """The seconds in ``90s``, ``10m``, ``2h``, ``30d`` or ``2w``.

    Raises:
        ConfigError: It is none of them.
    """
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdecimal():
        raise ConfigError(f"{option} is no span of time", value=text, hint="write 90s, 10m, 2h, 30d or 2w")
    return float(number) * units[unit]


def amount_of(count: float) -> str:
    """A count in at most five characters: ``950``, ``12.3k``, ``4.5M``."""
    if count < 1000:
        return f"{count:.0f}"
    for unit in ("k", "M"):
        count /= 1000
        if count < 999.5:
            return f"{count:.1f}{unit}" if count < 100 else f"{count:.0f}{unit}"
    return f"{count / 1000:.1f}G"


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
