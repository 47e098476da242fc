"""``terret diff``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS

if TYPE_CHECKING:
    from terret.runtime import Comparison


@click.command("diff", short_help=COMMANDS["diff"])
@click.argument("first")
@click.argument("second")
@output_options
def command(out: Output, first: str, second: str) -> int:
    """Compare two episodes (packages, or ids below episodes/) at their first difference; durations do not count."""
    import msgspec

    from terret.cli._episode import find_episode
    from terret.runtime import compare_packages

    found = compare_packages(find_episode(first).folder, find_episode(second).folder)
    plain: dict[str, Any] = msgspec.to_builtins(found, enc_hook=str)
    out.document(plain)
    for line in _lines(found):
        out.line(line)
    return 0


def _lines(found: Comparison) -> list[str]:
    one, two = found.episodes
    lines = [f"A  {one.id}", f"B  {two.id}"]
    for name, (left, right) in found.setup.items():
        lines.append(f"set up otherwise: {name}: {_short(left)} | {_short(right)}")
    if found.first is None or found.second is None:
        lines.append(f"the same {found.shared} events in both, durations aside")
    else:
        lines.append(f"the first {found.shared} events are the same; then")
        for mark, side in (("A", found.first), ("B", found.second)):
            place = "" if side.seq is None else f" (event {side.seq}{_turn(side.turn)})"
            lines.append(f"{mark}  {side.kind}{place}")
            lines += [f"     {name}: {_short(side.data[name])}" for name in found.fields if name in side.data]
    row = "{:<12} {:>24} {:>24}".format
    lines += ["", row("", "A", "B"), row("label", str(one.label), str(two.label))]
    lines.append(row("steps", one.turns, two.turns))
    for name in ("model_calls", "tokens", "wall"):
        lines.append(row(name, f"{one.usage.get(name, 0):g}", f"{two.usage.get(name, 0):g}"))
    return lines


def _turn(turn: int | None) -> str:
    return "" if turn is None else f", turn {turn}"


def _short(value: Any, most: int = 160) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else text[: most - 3] + "..."
