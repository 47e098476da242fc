"""A person's say in an effect of a process: asked once, bound to the exact arguments, recorded with the decision."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from terret.intervention import HumanRequest
from terret.permissions import arguments_hash
from terret.runtime.process import Wait

if TYPE_CHECKING:
    from terret.runtime.schedule._effect import Effect


def covered(effect: Effect, decision: dict[str, Any]) -> dict[str, Any] | None:
    """The decision when an earlier approval reaches this effect; nothing when none does."""
    known = effect.seat.host.approvals.covering(effect.primitive, effect.args)
    if known is None:
        return None
    bound = {"scope": known.scope, "args_sha256": arguments_hash(effect.args), "by": known.by, "earlier": True}
    return {**decision, "effect": "allow", "reason": "a person approved this before", "approval": bound}


async def approved(effect: Effect, decision: dict[str, Any]) -> dict[str, Any]:
    """Ask; the decision becomes ``allow`` on an explicit yes and ``deny`` on anything else, silence included."""
    seat = effect.seat
    host, process = seat.host, seat.process
    if host.human is None:
        return {**decision, "effect": "deny", "reason": f"nobody is there to ask: {decision['reason']}"}
    digest = arguments_hash(effect.args)
    episode = "" if host.journal is None else host.journal.episode
    subject = {"primitive": effect.primitive, "args": effect.args, "args_sha256": digest, "rule": decision["rule"]}
    request = HumanRequest(
        f"{episode or 'run'}-p{process.pid}-{effect.name}",
        "approval",
        f"May process {process.pid} ({process.image}) do this? {decision['reason']}.",
        episode,
        seat.count,
        {**subject, "process": process.pid},
        scopes=("once", "episode"),
    )
    token = host.table.wait(await seat.resume(), Wait("human", effect.name), record=False)
    try:
        answer = await host.human.ask(request)
    except asyncio.CancelledError:
        if not seat.interrupted or seat.task is None:
            raise
        seat.interrupted = False
        seat.task.uncancel()
        return await _settled(effect, token, {**decision, "effect": "deny", "reason": "a signal ended the question"})
    bound = {"scope": answer.scope, "args_sha256": digest, "by": answer.by}
    if not answer.answered:
        reason = f"not approved: {answer.reason}"
    elif not answer.approved:
        reason = "a person refused it" + (f": {answer.text}" if answer.text else "")
    else:
        settled = {
            **decision,
            "effect": "allow",
            "reason": f"a person approved it for {answer.scope}",
            "approval": bound,
        }
        recall(effect, settled)
        return await _settled(effect, token, settled)
    return await _settled(effect, token, {**decision, "effect": "deny", "reason": reason, "approval": bound})


def recall(effect: Effect, decision: dict[str, Any]) -> None:
    """Let an approval that reaches beyond its own effect do so, now and when the record is taken up again."""
    bound = decision.get("approval", {})
    if decision["effect"] != "allow" or bound.get("scope") != "episode" or bound.get("earlier"):
        return
    approvals = effect.seat.host.approvals
    if approvals.covering(effect.primitive, effect.args) is None:
        approvals.remember(effect.primitive, effect.args, "episode", str(bound["by"]))


async def _settled(effect: Effect, token: Any, decision: dict[str, Any]) -> dict[str, Any]:
    effect.seat.end_wait(token, "")
    await effect.seat.resume()
    return decision
