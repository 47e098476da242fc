"""Episodes as a table that fits its terminal, for ``ps`` and ``top``."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from terret.cli._episode import DEFAULT_OUT, find_place
from terret.cli._output import printable
from terret.cli._words import SUCCESSES, amount_of, model_name, plural, span

if TYPE_CHECKING:
    from terret.operate import EpisodeFacts, FolderFleet

WIDE = 110
"""Columns from which on model and what it is doing have room."""

STAMP = 15
"""Characters of an id that tell when it began; less of it is never shown."""

_ROOM = {"TASK": (10, 24), "MODEL": (8, 26), "LABEL": (10, 27), "DOING": (5, 16)}
"""Columns that may be cut: fewest and most characters."""


class Listed(NamedTuple):
    """An episode on a line: its cells, and whether it is good (``None``: neither)."""

    cells: dict[str, str]
    ok: bool | None
    state: str


def fleet_at(folder: Path | None, *, archived: bool = False) -> FolderFleet:
    """The episodes below a folder, by default where ``terret run`` puts them."""
    from terret.operate import FolderFleet

    return FolderFleet(folder or Path(DEFAULT_OUT), archived=archived)


def packed_note(folder: Path | None) -> str:
    """Where to look when the only episodes of a folder are packed."""
    from terret.operate import ARCHIVE

    there = (folder or Path(DEFAULT_OUT)) / ARCHIVE
    return "; the archive's: terret ps --archived" if there.is_file() else ""


def locate(name: str, *, archived: bool = False) -> tuple[FolderFleet, EpisodeFacts]:
    """An episode by folder, by FOLDER/BEGINNING, or by the beginning of an id below episodes/."""
    root, rest = find_place(name)
    fleet = fleet_at(root, archived=archived)
    return fleet, fleet.find(rest)


def width() -> int | None:
    """The columns of the terminal; ``None`` when stdout is none, and nothing needs to be cut."""
    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else None


def listing(episodes: Sequence[EpisodeFacts], now: float, columns: int | None, *, doing: bool = False) -> list[Listed]:
    """A head and a line for each episode, cut to so many columns.

    Args:
        episodes: What is shown, in this order.
        now: Unix time in seconds, for ages.
        columns: The width; ``None`` cuts nothing.
        doing: Also what each is at.
    """
    shown = [one.name for one in episodes]
    if columns is not None:
        shown = [name.removeprefix(common_folder(episodes)) for name in short_names(shown)]
    names = ["EPISODE", "TASK", "MODEL", "LVL", "STATE", "TURN", "TOKENS", "AGE", "LABEL"]
    if columns is not None and columns < WIDE:
        names.remove("MODEL")
    if doing:
        names.insert(names.index("LABEL"), "DOING")
    narrow = columns is not None and columns < WIDE
    rows = [Listed({name: name for name in names}, None, "")]
    for one, name in zip(episodes, shown, strict=True):
        cells = {column: _CELLS[column](one, now) for column in names if column != "EPISODE"}
        if narrow:
            cells["LABEL"] = cells["LABEL"].removesuffix("_verified_success").removesuffix("_success")
        rows.append(Listed({"EPISODE": name, **cells}, _good(one), one.state))
    return _cut(rows, names, columns)


def lines(rows: Sequence[Listed]) -> list[str]:
    """The rows as text."""
    if not rows:
        return []
    wide = {name: max(len(row.cells[name]) for row in rows) for name in rows[0].cells}

    def cell(row: Listed, name: str) -> str:
        text = row.cells[name]
        return text.rjust(wide[name]) if name in _RIGHT else text.ljust(wide[name])

    return ["  ".join(cell(row, name) for name in wide).rstrip() for row in rows]


def summary(episodes: Sequence[EpisodeFacts]) -> str:
    """How many there are of each kind, on one line."""
    states = Counter(one.state for one in episodes)
    parts = [f"{count} {state}" for state, count in states.items()]
    worked = sum(one.label in SUCCESSES for one in episodes)
    if states["finished"]:
        parts.append(f"{worked} of {states['finished']} worked")
    tokens, cost = sum(one.tokens for one in episodes), sum(one.cost for one in episodes)
    parts.append(f"{amount_of(tokens)} tokens" + (f", ${cost:.2f}" if cost else ""))
    return f"{plural(len(episodes), 'episode')}: " + ", ".join(parts) if episodes else "no episodes"


def common_folder(episodes: Sequence[EpisodeFacts]) -> str:
    """The folder below the listed one in which all of them lie, with a slash; empty when there is none."""
    names = [one.name for one in episodes]
    common = min(names, default="")[: _shared(min(names, default=""), max(names, default=""))]
    return common[: common.rfind("/") + 1]


def short_names(names: Sequence[str]) -> list[str]:
    """Of every name as much as tells it from the others: at least folder and time stamp."""
    ordered = sorted(set(names))
    need: dict[str, int] = {}
    for left, right in pairwise(["", *ordered, ""]):
        shared = _shared(left, right)
        for name in (left, right):
            need[name] = max(need.get(name, 0), shared + 1)
    return [name[: max(need[name], name.rfind("/") + 1 + STAMP)] for name in names]


def _shared(left: str, right: str) -> int:
    """How many characters two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))


def _cut(rows: list[Listed], names: list[str], columns: int | None) -> list[Listed]:
    clean = [row._replace(cells={name: _clean(text) for name, text in row.cells.items()}) for row in rows]
    if columns is None:
        return clean
    wide = {name: max(len(row.cells[name]) for row in clean) for name in names}
    for name, (_, most) in _ROOM.items():
        if name in wide:
            wide[name] = min(wide[name], most)

    def over() -> int:
        return sum(wide.values()) + 2 * (len(wide) - 1) - columns

    for name in ("TASK", "MODEL", "LABEL"):
        if name in wide:
            wide[name] -= min(max(0, over()), max(0, wide[name] - _ROOM[name][0]))
    if over() > 0:
        # An id tells more than the task's name, which most of them hold.
        wide.pop("TASK")
    if "DOING" in wide:
        wide["DOING"] -= min(max(0, over()), max(0, wide["DOING"] - _ROOM["DOING"][0]))
    wide["EPISODE"] -= min(max(0, over()), max(0, wide["EPISODE"] - STAMP))
    return [row._replace(cells={name: _fit(row.cells[name], wide[name]) for name in wide}) for row in clean]


def _clean(text: str) -> str:
    return printable(" ".join(text.split()))


def _fit(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(0, most - 1)] + "…"


def _good(one: EpisodeFacts) -> bool | None:
    if one.state == "damaged":
        return False
    return None if one.state != "finished" else one.label in SUCCESSES


def _turn(one: EpisodeFacts) -> str:
    return f"{one.turn}/{one.steps}" if one.steps is not None else str(one.turn)


def _doing(one: EpisodeFacts, now: float) -> str:
    if not one.doing:
        return ""
    silent = now - one.latest
    return one.doing if silent < 1 else f"{one.doing} {span(silent)}"


_CELLS: dict[str, Callable[[EpisodeFacts, float], str]] = {
    "TASK": lambda one, now: one.task or "?",
    "MODEL": lambda one, now: model_name({"spec": one.model}) if one.model else "?",
    "LVL": lambda one, now: one.level or "?",
    "STATE": lambda one, now: "archived" if one.archived and one.state == "finished" else one.state,
    "TURN": lambda one, now: _turn(one),
    "TOKENS": lambda one, now: amount_of(one.tokens),
    "AGE": lambda one, now: span(now - one.began) if one.began else "?",
    "DOING": _doing,
    "LABEL": lambda one, now: one.label or one.note or ("ungraded" if one.state == "finished" else "-"),
}
_RIGHT = frozenset({"TURN", "TOKENS", "AGE"})
