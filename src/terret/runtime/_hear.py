"""What a person gives without being asked: hints, a patch of their own, the orders to stop and to pause."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

from terret.errors import PackageError
from terret.intervention import HumanInput, classify
from terret.journal import Intent, Intervened, canonical
from terret.norms import Decider
from terret.runtime._classes import PLACEHOLDER
from terret.runtime._kernel import Done, Kernel
from terret.runtime._stop import Stop
from terret.sandbox import Workspace
from terret.tools import ToolFailure

HEARD = frozenset({"human.hear", "workspace.apply"})
"""The primitives by which unasked input comes in."""


class Ear:
    """Takes unasked input in between turns; on resume the recorded input, then what lies waiting.

    Args:
        kernel: The effect path.
        takeovers: Whether the agent style can go on from files it did not change itself.
    """

    def __init__(self, kernel: Kernel, *, takeovers: bool = True) -> None:
        self.takeovers = takeovers
        self._kernel = kernel
        self._recorded: dict[str, str] = {}

    def silent(self) -> bool:
        """Whether there is nothing to take in: nobody takes part, nobody ordered anything, nothing is recorded."""
        kernel = self._kernel
        return kernel.human.silent() and not kernel.recorder.replaying

    async def hear(self) -> list[str]:
        """Everything new, as the agent is to be told.

        Raises:
            Stop: A person ended the episode.
            Suspended: An operator paused it.
        """
        kernel = self._kernel
        human, recorder = kernel.human, kernel.recorder
        told = [f"A person remarked: {text}" for text in human.remarks]
        human.remarks.clear()
        while (event := recorder.peek()) is not None:
            if not isinstance(event.data, Intent) or event.data.primitive not in HEARD or _of_fork(event.data):
                return told
            given = self._given(event.data.args)
            refusal = await self.take(given, event.data.args["sha256"], told)
            self._recorded[event.data.args["sha256"]] = refusal
        for given in await human.given():
            mark = sha256(canonical([given.name, given.form, given.text, given.patch])).hexdigest()
            if mark in self._recorded:
                # The process died between recording the input and settling it.
                await human.settle(given, self._recorded[mark])
                continue
            try:
                refusal = await self.take(given, mark, told)
            except Stop:
                await human.settle(given)
                raise
            await human.settle(given, refusal)
        self._recorded.clear()
        human.pause(kernel)
        return told

    async def take(self, given: HumanInput, mark: str, told: list[str]) -> str:
        """Record one input and do what it asks for; returns why it was refused, or nothing."""
        kernel = self._kernel
        takeover = given.form == "takeover"
        args: dict[str, Any] = {"name": given.name, "form": given.form, "by": given.by, "sha256": mark}
        args |= {"text": kernel.text(given.text), "patch": kernel.text(given.patch)}

        async def act() -> Done:
            return await asyncio.to_thread(self._apply, kernel.load(args["patch"])) if takeover else ("ok", {}, {})

        try:
            outcome = await kernel.effect("workspace.apply" if takeover else "human.hear", args, act)
        except ToolFailure as failure:
            return failure.message
        if "failure" in outcome.result:
            return outcome.result["message"]
        said = kernel.load(args["text"])
        files = ", ".join(outcome.result.get("files", ()))
        judged = classify(given.form, said, kernel.human.context)
        kernel.recorder.emit(
            Intervened(
                turn=kernel.turn,
                form=given.form,
                text="\n".join(part for part in (said, f"changed: {files}" if files else "") if part),
                substantive=judged.substantive,
                avoidable=judged.avoidable,
                burden=judged.burden,
                harness_gap=judged.harness_gap,
            ),
            durable=True,
        )
        if given.form == "interrupt":
            raise Stop("interrupted", said)
        if takeover:
            told.append(f"A person changed {files} in the workspace; read it again before you go on.")
        if said:
            told.append(f"A person says: {said}")
        return ""

    def _apply(self, patch: str) -> Done:
        if not self.takeovers:
            return _refused("unsupported", "this agent style keeps its own account of the files; give a hint instead")
        return apply_patch(self._kernel.workspace, self._kernel.policy, self._kernel.tree, patch)

    def _given(self, args: dict[str, Any]) -> HumanInput:
        load = self._kernel.load
        return HumanInput(args["name"], args["form"], load(args["text"]), load(args["patch"]), args["by"])


def _of_fork(intent: Intent) -> bool:
    """Whether it is an edit of the fork's card, which is made between the turns."""
    return intent.args["by"] == "fork"


def apply_patch(workspace: Workspace, policy: Decider, tree: str, patch: str) -> Done:
    """Apply a person's patch to a workspace that is at ``tree``; what a task denies to the agent it denies here too."""
    if PLACEHOLDER in patch:
        return _refused("placeholder", "the patch holds a secret, which the journal must not keep")
    try:
        workspace.apply(patch.encode())
    except PackageError as error:
        return _refused("no_fit", error.message)
    files: list[str] = []
    for change in workspace.changes(tree, workspace.snapshot(), exclude=()):
        primitive = "fs.delete" if change.status == "D" else "fs.write"
        decision = policy.decide(primitive, {"path": change.path})
        if decision.effect == "deny":
            workspace.restore(tree)
            return _refused("denied", f"{change.path}: {decision.reason} (rule {decision.rule})")
        files.append(change.path)
    return ("ok", {"files": files}, {}) if files else _refused("unchanged", "the patch changes nothing")


def _refused(failure: str, message: str) -> Done:
    return "error", {"failure": failure, "message": message}, {}
