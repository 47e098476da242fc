"""What may be done about an effect after a crash, and how the journal hides secrets: facts the effect path shares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from terret.journal import Faults, Outcome
from terret.tools import ToolFailure

Done = tuple[str, dict[str, Any], dict[str, float]]
"""What an effect came to: status, result, usage."""

Act = Callable[[], Awaitable[Done]]
"""Carries an effect out."""

EFFECT_CLASS = {
    "fs.read": "read",
    "fs.list": "read",
    "fs.search": "read",
    "workspace.diff": "read",
    "model.complete": "read",
    "human.hear": "read",
    "fs.write": "workspace",
    "fs.delete": "workspace",
    "shell.run": "workspace",
    "shell.check": "read",
    "workspace.restore": "workspace",
    "workspace.apply": "workspace",
}
"""What may be done about an effect whose outcome is unknown: a ``read`` is repeated; a ``workspace`` effect reached
nothing but the workspace (no network), so the workspace is restored and the effect repeated; an ``external`` one is
never repeated, unless its intent has a key by which the other side knows it again."""


def effect_class(primitive: str, *, reaches: bool) -> str:
    """The class of an effect; ``reaches``: whether commands have a way out, so that they may do more than is undone."""
    return "external" if reaches and primitive.startswith("shell.") else EFFECT_CLASS.get(primitive, "external")


PART = {"model.complete": "model", "human.ask": "harness", "net.request": "network"}
"""The part of the infrastructure behind a primitive; the sandbox when it is not here."""

PLACEHOLDER = "[secret:"
"""How a scrubbed secret begins."""


def raise_refusal(outcome: Outcome) -> None:
    """Pass on that an effect was impossible.

    Raises:
        ToolFailure: It was.
    """
    if "failure" in outcome.result:
        raise ToolFailure(outcome.result["failure"], outcome.result["message"])


def raise_unknown(outcome: Outcome) -> None:
    """Pass on that nobody knows whether an effect happened.

    Raises:
        ToolFailure: Nobody knows.
    """
    if outcome.status == "unknown":
        died = "the process died during this effect; whether it happened is not known: check first"
        raise ToolFailure("unknown_outcome", outcome.result.get("message", died))


async def dispatched(act: Act, faults: Faults | None) -> Done:
    """Carry an effect out, between the boundaries of its dispatch."""
    if faults is None:
        return await act()
    faults("dispatch.before")
    done = await act()
    faults("dispatch.after")
    return done
