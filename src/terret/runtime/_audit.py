"""Who did what under which authority: the effects of an episode, and the chain of events behind one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from terret.errors import InputError
from terret.journal import ActionParsed, Denied, EpisodeOpened, Event, Intent, Intervened, Observed, Outcome

_TARGETS = ("command", "path", "question", "url", "name", "tree", "digest")
"""Arguments that say what an effect is about, most telling first."""


class AuditRow(msgspec.Struct, frozen=True):
    """One effect, carried out or refused.

    ``by`` is ``agent``, ``runtime`` or ``human``; ``tool`` the action it was part of. ``status`` is the outcome's,
    ``denied``, or ``open`` when the record ends before it. ``authority`` is the decision as journalled: ``effect``,
    ``rule``, ``reason`` and whatever capability, approval or mandate it rests on.
    """

    seq: int
    effect: str
    turn: int
    by: str
    tool: str
    primitive: str
    target: str
    authority: dict[str, Any]
    status: str
    hash: str


class ChainLink(msgspec.Struct, frozen=True):
    """One event behind an effect: what it is, its payload, and its place in the hash chain."""

    seq: int
    kind: str
    means: str
    data: dict[str, Any]
    prev: str
    hash: str


def audit(events: Sequence[Event]) -> list[AuditRow]:
    """Every effect of an episode in the order it was asked for."""
    ended = {event.data.effect: event.data.status for event in events if isinstance(event.data, Outcome)}
    rows: list[AuditRow] = []
    action: ActionParsed | None = None
    for event in events:
        data = event.data
        if isinstance(data, ActionParsed):
            action = data
        elif isinstance(data, Intent | Denied):
            asked = action if action is not None and action.turn == data.turn else None
            if data.primitive == "model.complete":
                asked = None
            rows.append(
                AuditRow(
                    event.seq,
                    data.effect,
                    data.turn,
                    "runtime" if asked is None else asked.by,
                    "" if asked is None else asked.tool,
                    data.primitive,
                    _target(data.args),
                    data.decision,
                    "denied" if isinstance(data, Denied) else ended.get(data.effect, "open"),
                    event.hash,
                )
            )
    return rows


def chain_of(events: Sequence[Event], effect: str) -> list[ChainLink]:
    """The events behind one effect: who was set up, what the model said, what was asked, decided, done and shown.

    Raises:
        InputError: The episode has no such effect.
    """
    at = next(
        (
            i
            for i, event in enumerate(events)
            if isinstance(event.data, Intent | Denied) and event.data.effect == effect
        ),
        None,
    )
    if at is None:
        raise InputError("the episode has no such effect", value=effect, hint="terret audit EPISODE lists them")
    asked = events[at].data
    assert isinstance(asked, Intent | Denied)
    links = [_link(events[0], "who ran it, and with what authority to begin with")]
    action = _last(events[:at], partial(_is_action, asked.turn))
    if action is not None and asked.primitive != "model.complete":
        reply = _last(events[:action], _is_reply)
        if reply is not None and getattr(events[action].data, "by", "") == "agent":
            links.append(_link(events[reply], "what the model answered"))
        links.append(_link(events[action], "the action read from it"))
    links += [
        _link(event, "what a person said to it")
        for event in events[action or 0 : at]
        if isinstance(event.data, Intervened) and event.data.turn == asked.turn
    ]
    decided = "refused" if isinstance(asked, Denied) else "authorised, and about to be done"
    links.append(_link(events[at], decided))
    for event in events[at + 1 :]:
        if isinstance(event.data, Outcome) and event.data.effect == effect:
            links.append(_link(event, "what came of it"))
        elif isinstance(event.data, Observed) and effect in event.data.effects:
            links.append(_link(event, "what the agent was shown"))
            break
    return links


def _last(events: Sequence[Event], holds: Callable[[object], bool]) -> int | None:
    return next((index for index in reversed(range(len(events))) if holds(events[index].data)), None)


def _is_action(turn: int, data: object) -> bool:
    return isinstance(data, ActionParsed) and data.turn == turn


def _is_reply(data: object) -> bool:
    return isinstance(data, Outcome) and "finish" in data.result


def _link(event: Event, means: str) -> ChainLink:
    data: dict[str, Any] = msgspec.to_builtins(event.data)
    if isinstance(event.data, EpisodeOpened):
        kept = ("model", "level", "image", "public_key", "intervention_policy", "enforcement", "allowed_tools")
        data = {name: data[name] for name in kept if name in data}
    return ChainLink(event.seq, type(event.data).__name__, means, data, event.prev, event.hash)


def _target(args: dict[str, Any]) -> str:
    found = next((args[name] for name in _TARGETS if args.get(name) is not None), "")
    return " ".join(str(found).split())
