"""The sensorium: what an agent should feel without asking, in a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

SENSORIUM_LIMIT = 600
"""Characters of a sensorium, at most."""


class SensoriumView(msgspec.Struct, frozen=True):
    """What the sensorium shows; ``None``, empty and 0 mean unknown and are left out, but for ``step``.

    Everything must come from the journal (``now`` is the time of its last event), or a resumed episode would show
    the model something else than the first run did.

    Args:
        now: Unix seconds.
        step: Number of this turn, from 1; ``steps`` is how many there may be.
        steps: See ``step``.
        tokens_left: Tokens the budget still has.
        seconds_left: Seconds the budget still has.
        phase: Phase of the level's protocol.
        last_check: Name or command of the last test run or check.
        last_check_passed: How it ended; ``None`` for one that ran out of time.
        edits_since_check: Changes of the workspace after it; its result is old when there are any.
        files_changed: Paths that differ from the start.
        failures: Latest failed observations, newest first, one line each.
        repeated: How often the latest action was done with the same result; a warning is shown from 2 on.
        repeated_action: What that action is.
    """

    now: float | None = None
    step: int = 0
    steps: int = 0
    tokens_left: float | None = None
    seconds_left: float | None = None
    phase: str = ""
    last_check: str = ""
    last_check_passed: bool | None = None
    edits_since_check: int = 0
    files_changed: Sequence[str] = ()
    failures: Sequence[str] = ()
    repeated: int = 0
    repeated_action: str = ""


def sensorium(view: SensoriumView) -> str:
    """At most 600 characters, one fact a line; a pure function of the view.

    The clock with the budgets, the repetition warning and the last check always fit; changed files and failures share
    what is left, the newest failure first.
    """
    lines = [_clock(view), _repetition(view), _check(view)]
    text = "\n".join(line for line in lines if line)
    for extra in (_files(view.files_changed), *(f"failed: {_line(failure, 110)}" for failure in view.failures[:3])):
        if extra and len(text) + 1 + len(extra) <= SENSORIUM_LIMIT:
            text += f"\n{extra}"
    return text


def _clock(view: SensoriumView) -> str:
    parts = [] if view.now is None else [datetime.fromtimestamp(view.now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")]
    parts.append(f"step {view.step} of {view.steps}" if view.steps else f"step {view.step}")
    if view.phase:
        parts.append(f"phase {_line(view.phase, 30)}")
    left = [] if view.tokens_left is None else [f"{max(0, round(view.tokens_left))} tokens"]
    if view.seconds_left is not None:
        left.append(f"{max(0, round(view.seconds_left))} s")
    if left:
        parts.append(f"left: {', '.join(left)}")
    return "; ".join(parts)


def _repetition(view: SensoriumView) -> str:
    if view.repeated < 2:
        return ""
    action = f" ({_line(view.repeated_action, 80)})" if view.repeated_action else ""
    return f"warning: the last action{action} gave the same result {view.repeated} times; do something else"


def _check(view: SensoriumView) -> str:
    if not view.last_check:
        return ""
    result = "gave no result" if view.last_check_passed is None else "passed" if view.last_check_passed else "failed"
    old = f", {view.edits_since_check} changes ago" if view.edits_since_check > 1 else ""
    old = ", one change ago" if view.edits_since_check == 1 else old
    return f"last check: {_line(view.last_check, 100)} {result}{old}"


def _files(paths: Sequence[str]) -> str:
    if not paths:
        return ""
    shown: list[str] = []
    for path in paths:
        name = _line(path, 60)
        if len(", ".join([*shown, name])) > 140:
            break
        shown.append(name)
    rest = len(paths) - len(shown)
    return f"changed: {', '.join(shown)}{f' and {rest} more' if rest else ''}"


def _line(text: str, limit: int) -> str:
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"
