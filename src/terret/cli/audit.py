"""``terret audit``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS
from terret.cli._words import plural

if TYPE_CHECKING:
    from terret.runtime import AuditRow, ChainLink


@click.command("audit", short_help=COMMANDS["audit"])
@click.argument("episode")
@click.option("--effect", metavar="ID", help="Show the chain of events behind one effect, such as e12.")
@click.option("--primitive", metavar="NAME", help="Only effects of this primitive, such as shell.run.")
@click.option("--by", type=click.Choice(["agent", "runtime", "human"]), help="Only what this one asked for.")
@click.option("--denied", is_flag=True, help="Only what authority refused.")
@output_options
def command(out: Output, episode: str, effect: str | None, primitive: str | None, by: str | None, denied: bool) -> int:
    """Say who did what in EPISODE (a package, or an id below episodes/), and under which authority.

    With --effect: what the model said, the action read from it, who approved it, the decision with its rule, the
    outcome and what the agent saw, each with its place in the hash chain. `terret verify` proves the chain itself.
    Where the agent was given capabilities, "under" names those that an effect used; the opening says what each is.
    """
    import msgspec

    from terret.cli._episode import find_episode, read_events
    from terret.runtime import audit, chain_of

    events, _ = read_events(find_episode(episode))
    if effect is not None:
        links = chain_of(events, effect)
        out.document(msgspec.to_builtins(links))
        for line in _chain(links):
            out.line(line)
        return 0
    rows = [
        row
        for row in audit(events)
        if primitive in (None, row.primitive) and by in (None, row.by) and (not denied or row.status == "denied")
    ]
    out.document(msgspec.to_builtins(rows))
    for line in [*_table(rows), *_granted(events[0].data if events else None)]:
        out.line(line)
    return 0


def _table(rows: list[AuditRow]) -> list[str]:
    under = [_under(row) for row in rows]
    width = max(map(len, ["under", *under])) if any(under) else 0
    form = ("{:<6} {:>4}  {:<8} {:<18} {:<9} {:<26} " + (f"{{:<{width}}} " if width else "{:.0}") + "{}").format
    lines = [form("effect", "turn", "by", "primitive", "status", "authority", "under", "target")]
    for row, names in zip(rows, under, strict=True):
        authority = f"{row.authority.get('effect', '?')}: {row.authority.get('rule', '?')}"
        cells = (row.effect, row.turn, row.by, row.primitive, row.status, _cut(authority, 26), names)
        lines.append(form(*cells, _cut(row.target, 60)).rstrip())
    denied = sum(row.status == "denied" for row in rows)
    return [*lines, "", f"{len(rows)} effects, {denied} refused"]


def _under(row: AuditRow) -> str:
    """The capabilities that an effect ran under, and the beginning of its mandate's id."""
    names = [str(name) for name in row.authority.get("capabilities", ())]
    mandate = row.authority.get("mandate")
    return " ".join([*names, *([f"mandate:{str(mandate)[:12]}"] if mandate else [])])


def _granted(opened: object) -> list[str]:
    """What the agent was given, a line each."""
    from terret.journal import EpisodeOpened
    from terret.permissions import RIGHTS

    given = opened.enforcement.get("granted", ()) if isinstance(opened, EpisodeOpened) else ()
    lines: list[str] = [""] if given else []
    for one in given:
        rights = "every right" if len(one["rights"]) == len(RIGHTS) else ",".join(one["rights"])
        uses = "" if one["uses"] is None else f", {plural(one['uses'], 'use')}"
        lines.append(f"{one['id']:<4} {one['effect']} {rights} on {one['resource']}{uses}, from the {one['issuer']}")
    return lines


def _chain(links: list[ChainLink]) -> list[str]:
    lines: list[str] = []
    for link in links:
        lines.append(f"{link.seq:>5}  {link.kind}: {link.means}")
        lines += [f"         {name}: {_cut(_plain(value), 140)}" for name, value in link.data.items() if name != "kind"]
        lines.append(f"         hash {link.hash[:16]} after {link.prev[:16]}")
    return lines


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _cut(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 3] + "..."
