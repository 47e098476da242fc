"""Compares two episodes at their first difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec

from terret.journal import CheckedPackage, EpisodePaused, EpisodeResumed, Event, check_package
from terret.runtime._replay import opening
from terret.runtime._result import Episode, summary

_VOLATILE = frozenset(
    {"duration_ms", "wall_ms", "cpu_ms", "peak_kb", "resources", "seconds", "first_token_s", "retries", "cached"}
    | {"usage"}
)
"""What differs from run to run for no reason of the agent's."""

_IDENTITY = frozenset({"public_key", "forked_from", "task", "repository", "kind"})


class Side(msgspec.Struct, frozen=True):
    """One episode's event at the first difference, and its turn; ``kind`` is ``end`` where its record is over."""

    seq: int | None
    turn: int | None
    kind: str
    data: dict[str, Any]


class Comparison(msgspec.Struct, frozen=True):
    """Two episodes side by side.

    ``setup`` is what was fixed differently from the start, field to both values. ``shared`` counts the events that are
    the same in both, durations aside; ``first`` and ``second`` are what follows, ``fields`` the names that differ in
    them, all empty when nothing differs.
    """

    episodes: tuple[Episode, Episode]
    setup: dict[str, tuple[Any, Any]]
    shared: int
    first: Side | None
    second: Side | None
    fields: list[str]


def compare_packages(first: Path, second: Path) -> Comparison:
    """Compare two packages; both are checked first.

    Raises:
        PackageError: One of them is damaged.
    """
    one, two = check_package(first), check_package(second)
    left, right = _compared(one), _compared(two)
    shared = 0
    for (_, a), (_, b) in zip(left, right, strict=False):
        if a != b:
            break
        shared += 1
    at_end = shared == len(left) == len(right)
    sides = None if at_end else (_side(left, shared), _side(right, shared))
    ends = summary(first, one.events, "finished", None), summary(second, two.events, "finished", None)
    fields = sorted(_differing(sides[0].data, sides[1].data)) if sides else []
    return Comparison(ends, _setup(one, two), shared, *(sides or (None, None)), fields)


def _compared(package: CheckedPackage) -> list[tuple[Event, dict[str, Any]]]:
    rows = [event for event in package.events[1:] if not isinstance(event.data, EpisodePaused | EpisodeResumed)]
    return [(event, cast("dict[str, Any]", _steady(msgspec.to_builtins(event.data)))) for event in rows]


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {name: _steady(member) for name, member in members.items() if name not in _VOLATILE}
    if isinstance(value, list):
        return [_steady(item) for item in cast("list[Any]", value)]
    return value


def _side(rows: list[tuple[Event, dict[str, Any]]], at: int) -> Side:
    if at >= len(rows):
        return Side(None, None, "end", {})
    event, plain = rows[at]
    turns = [turn for before, _ in rows[: at + 1] if (turn := getattr(before.data, "turn", None)) is not None]
    return Side(event.seq, turns[-1] if turns else None, type(event.data).__name__, plain)


def _setup(one: CheckedPackage, two: CheckedPackage) -> dict[str, tuple[Any, Any]]:
    first = cast("dict[str, Any]", msgspec.to_builtins(opening(one)))
    second = cast("dict[str, Any]", msgspec.to_builtins(opening(two)))
    differing = {name: (first.get(name), second.get(name)) for name in _differing(first, second) - _IDENTITY}
    if opening(one).task != opening(two).task:
        differing["task"] = (opening(one).task_name, opening(two).task_name)
    if opening(one).repository["tree"] != opening(two).repository["tree"]:
        differing["repository"] = (opening(one).repository["tree"], opening(two).repository["tree"])
    return dict(sorted(differing.items()))


def _differing(one: dict[str, Any], two: dict[str, Any]) -> set[str]:
    return {name for name in one.keys() | two.keys() if one.get(name) != two.get(name)}
