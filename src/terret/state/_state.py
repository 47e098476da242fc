"""The agent's task state as a pure fold over changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec

from terret.errors import InputError

ALIASES = {"inspected_files": "inspected"}
"""Names a change may use beside the fields' own."""

_REPLACED = ("open_questions", "next_steps")
_GATHERED = ("inspected", "decisions")
_TEXT_LIMIT = 1000
_ITEM_LIMIT = 400
_LIST_LIMIT = 100


class TaskState(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the agent's work stands, in its own words.

    ``inspected`` and ``decisions`` only grow; everything else is the latest that was said. ``phase`` is the phase of
    the level's protocol, empty when there is none.
    """

    hypothesis: str = ""
    inspected: list[str] = []
    open_questions: list[str] = []
    next_steps: list[str] = []
    decisions: list[str] = []
    phase: str = ""


def apply(state: TaskState, changes: Mapping[str, Any]) -> TaskState:
    """The state after a change; what the change leaves out stays as it is.

    Texts are reduced to one line. Lists keep their order and hold no text twice; ``inspected`` and ``decisions`` gain
    what is new, ``open_questions`` and ``next_steps`` are replaced.

    Raises:
        InputError: A name is unknown or a value is not text, or not a list of texts.
    """
    new: dict[str, Any] = {}
    for given, value in changes.items():
        name = ALIASES.get(given, given)
        if name in _REPLACED:
            new[name] = _items(given, value)
        elif name in _GATHERED:
            new[name] = _merged(new.get(name, getattr(state, name)), _items(given, value))
        elif name in TaskState.__struct_fields__:
            new[name] = _line(given, value, _TEXT_LIMIT)
        else:
            names = ", ".join(TaskState.__struct_fields__)
            raise InputError("the task state has no such field", value=given, hint=f"use one of {names}")
    return msgspec.structs.replace(state, **new)


def fold(changes: Iterable[Mapping[str, Any]]) -> TaskState:
    """The state after all changes in order; raises what :func:`apply` raises."""
    state = TaskState()
    for change in changes:
        state = apply(state, change)
    return state


def render(state: TaskState, limit: int = 1500) -> str:
    """The state as markdown: one line or list a field, empty fields left out; at most ``limit`` characters.

    Every field keeps its first lines when there is too much; of ``inspected`` and ``decisions`` the latest are kept.
    """
    fields = {"Phase": [state.phase], "Hypothesis": [state.hypothesis], "Next steps": state.next_steps}
    fields |= {"Open questions": state.open_questions, "Decisions": state.decisions[::-1]}
    fields["Inspected"] = state.inspected[::-1]
    filled = {name: [item for item in items if item] for name, items in fields.items()}
    filled = {name: items for name, items in filled.items() if items}
    if not filled:
        return "Nothing noted yet.\n"[:limit]
    for most, width in ((_LIST_LIMIT, _TEXT_LIMIT), (10, 300), (5, 160), (3, 80), (1, 60)):
        text = "".join(_field(name, items, most, width) for name, items in filled.items())
        if len(text) <= limit:
            return text
    return text[: max(0, limit - 2)] + "…\n"


def _field(name: str, items: list[str], most: int, width: int) -> str:
    shown = [item if len(item) <= width else item[: width - 1] + "…" for item in items[:most]]
    left = f" ({len(items) - most} more)" if len(items) > most else ""
    if name in ("Phase", "Hypothesis"):
        return f"{name}: {shown[0]}\n"
    if name == "Inspected":
        return f"{name}: {', '.join(shown)}{left}\n"
    return "".join([f"{name}:{left}\n", *(f"- {item}\n" for item in shown)])


def _items(name: str, value: object) -> list[str]:
    if not isinstance(value, list | tuple):
        raise InputError(f"{name} of the task state must be a list of texts", value=value)
    items = [_line(name, item, _ITEM_LIMIT) for item in cast("list[object]", value)[:_LIST_LIMIT]]
    return list(dict.fromkeys(item for item in items if item))


def _merged(old: list[str], new: list[str]) -> list[str]:
    return list(dict.fromkeys([*old, *new]))[-_LIST_LIMIT:]


def _line(name: str, value: object, limit: int) -> str:
    if not isinstance(value, str):
        raise InputError(f"{name} of the task state must be text", value=value)
    text = " ".join("".join(c if c.isprintable() or c.isspace() else " " for c in value).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
