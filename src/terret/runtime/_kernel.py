"""The one effect path: authorise, reserve, journal the intent, act, journal the outcome.

Every value handed back to the loop is built from the recorded outcome (or from the content-addressed workspace), so
a resumed loop sees exactly what the first run saw.
"""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec

from terret.errors import InfrastructureError, ModelContextExceeded
from terret.guard import Hooks
from terret.journal import Declared, Denied, Faulted, Intent, Outcome, StateUpdated, Text, load_text
from terret.mandates import MandateGate
from terret.models import Model, Reply, Request, Sampling, ToolSpec
from terret.norms import Decider
from terret.runtime._budget import Ledger
from terret.runtime._capable import Capable, authorised
from terret.runtime._classes import (
    EFFECT_CLASS,
    PART,
    PLACEHOLDER,
    Act,
    Done,
    dispatched,
    effect_class,
    raise_refusal,
    raise_unknown,
)
from terret.runtime._hooked import Hooked
from terret.runtime._human import Human, removal, replacement
from terret.runtime._mandated import Mandated
from terret.runtime._recorder import Recorder
from terret.runtime._running import completed, run_command
from terret.runtime._states import StateKeeper
from terret.runtime._stop import Stop, Suspended
from terret.runtime._transcript import Transcript, journalled, recorded_reply, reply_of
from terret.sandbox import Command, Completed, Entry, FileRefused, Sandbox, Workspace
from terret.task import Limits
from terret.tools import ToolFailure

Gate = Callable[[str], list[str]]
"""Says why a declaration of completion is refused; nothing when it is accepted."""


class Kernel:
    """What an agent's actions reach the world through.

    Args:
        recorder: The journal's face.
        model: The model.
        sandbox: Runs commands in the workspace.
        workspace: The agent's working copy.
        policy: Decides on effects.
        ledger: The budget.
        limits: Resource limits of one command.
        tree: The workspace's tree id at the start of the loop.
        gate: Refuses a declaration of completion, or not.
        human: Whoever may be asked; nobody by default.
        mandates: Which effects need a mandate, and whether there is one; without it none does.
        capable: What the agent was given; without it the policy alone decides.
    """

    def __init__(
        self,
        *,
        recorder: Recorder,
        model: Model,
        sandbox: Sandbox,
        workspace: Workspace,
        policy: Decider,
        ledger: Ledger,
        limits: Limits,
        tree: str,
        gate: Gate = lambda summary: [],
        human: Human | None = None,
        mandates: MandateGate | None = None,
        hooks: Hooks | None = None,
        capable: Capable | None = None,
    ) -> None:
        self.recorder = recorder
        self.model = model
        self.sandbox = sandbox
        self.workspace = workspace
        self.policy = policy
        self.ledger = ledger
        self.limits = limits
        self.start = self.tree = tree
        self._snapshot = StateKeeper(recorder.journal, workspace, tree).snapshot
        self.turn = 0
        self.edits = 0
        """How many effects changed the workspace so far; evidence is fresh when none came after it."""
        self.state: dict[str, Any] = {}
        self.completed: Declared | None = None
        self.handles: set[str] = set()
        """Digests of the texts the agent may read on."""
        self.gate = gate
        self.human = human or Human()
        self.capable = capable or Capable(recorder)
        self.mandates = Mandated(recorder, mandates)
        self.hooked = Hooked(recorder, hooks, lambda: self.turn)
        self.scratch_commands: frozenset[str] = frozenset()
        self.last_command: Completed | None = None  # What the latest command of this action gave.
        self.effects = 0  # How many were begun; the id of the next one is ``e`` and this number.
        self.recent: list[str] = []
        """Ids of the effects since the last action began."""

    # the path

    async def effect(
        self,
        primitive: str,
        args: dict[str, Any],
        act: Act,
        *,
        shown: Callable[[], str] = str,
        key: str | None = None,
    ) -> Outcome:
        """Authorise (by a person, where that is asked; by a mandate), record the intent, act, record the outcome.

        ``shown`` words the change for that person. With a ``key`` an effect of unknown outcome may be repeated.

        Raises:
            ToolFailure: Authority refused the effect, or its outcome is unknown and it may not be repeated.
            Suspended: The sandbox or the model broke.
        """
        stated = await authorised(self, primitive, args, shown)
        while True:
            identity = f"e{self.effects}"
            self.effects += 1
            kind = effect_class(primitive, reaches=self.sandbox.egress is not None)
            by, held = self.capable.reserve(primitive, args, stated)
            by, kept = await self.mandates.consume(identity, primitive, kind, args, by)
            if by["effect"] != "allow":
                self.capable.release(held)
                self.recorder.emit(Denied(identity, primitive, args, by, self.turn), durable=True)
                raise ToolFailure("denied", f"{by['reason']} (rule {by['rule']})")
            begun = self.recorder.replaying
            self.recorder.emit(Intent(identity, primitive, kind, args, by, self.turn, key), durable=kind != "read")
            outcome = self.recorder.take(Outcome)
            recorded = outcome is not None
            if outcome is None:
                # A reply has cost time and money: it is made durable at once, though repeating the call is harmless.
                durable = kind != "read" or primitive == "model.complete"
                if begun and kind == "external" and key is None:
                    kept = Outcome(identity, "unknown", {}, 0.0)
                if kept is not None:
                    outcome = self.recorder.emit(kept, durable=True)
                else:
                    outcome = await self._carry_out(identity, EFFECT_CLASS.get(primitive), act, durable=durable)
                    await self.mandates.settle(by, outcome)
            self.capable.settle(held, kind, outcome)
            if "fault" not in outcome.result:
                break
            # A recorded fault suspended the episode; that it runs again means that it is to be tried again.
            self._fault(primitive, outcome.result, suspend=not recorded)
        self.recent.append(identity)
        if outcome.tree is not None and outcome.tree != self.tree:
            self.tree = outcome.tree
            self.edits += 1
        raise_unknown(outcome)
        return outcome

    async def _carry_out(self, identity: str, kind: str | None, act: Act, *, durable: bool) -> Outcome:
        began = time.perf_counter()
        usage: dict[str, float] = {}
        tree = None
        try:
            status, result, usage = await dispatched(act, self.recorder.journal.faults)
            if kind == "workspace":
                tree = await asyncio.to_thread(self._snapshot)
        except FileRefused as error:
            status, result = "error", {"failure": error.reason, "message": str(error)}
        except InfrastructureError as error:
            status, result = "error", {"fault": error.code, "message": str(error)}
        ms = round((time.perf_counter() - began) * 1000, 3)
        return self.recorder.emit(Outcome(identity, status, result, ms, usage, tree), durable=durable)

    def _fault(self, primitive: str, result: dict[str, Any], *, suspend: bool) -> None:
        part = PART.get(primitive, "sandbox")
        self.recorder.emit(Faulted(part, result["fault"], result["message"]), durable=True)
        if suspend:
            raise Suspended(part, result["fault"], result["message"])

    # files

    async def read(self, path: str) -> bytes:
        """The content of a workspace file (primitive ``fs.read``)."""
        content: bytes | None = None

        async def act() -> Done:
            nonlocal content
            content = self.workspace.read(path)
            return "ok", {"sha256": sha256(content).hexdigest(), "size": len(content)}, {}

        outcome = await self.effect("fs.read", {"path": path}, act)
        raise_refusal(outcome)
        return (self._old(path) or b"") if content is None else content

    async def write(self, path: str, content: bytes) -> None:
        """Replace or create a workspace file (primitive ``fs.write``)."""
        if PLACEHOLDER.encode() in content:
            raise ToolFailure(
                "placeholder", f"the text holds a {PLACEHOLDER}...] placeholder; edit around the secret instead"
            )
        args = {"path": path, "sha256": sha256(content).hexdigest(), "size": len(content)}

        async def act() -> Done:
            self.workspace.write(path, content)
            return "ok", {}, {}

        raise_refusal(
            await self.effect("fs.write", args, act, shown=lambda: replacement(path, self._old(path), content))
        )

    async def delete(self, path: str) -> None:
        """Remove a workspace file (primitive ``fs.delete``)."""

        async def act() -> Done:
            self.workspace.delete(path)
            return "ok", {}, {}

        raise_refusal(await self.effect("fs.delete", {"path": path}, act, shown=lambda: removal(path, self._old(path))))

    async def list(self, path: str, depth: int) -> list[Entry]:
        """The entries below a folder (primitive ``fs.list``)."""

        async def act() -> Done:
            entries = self.workspace.list(path, depth)
            return "ok", {"entries": self.text(msgspec.json.encode(entries).decode())}, {}

        outcome = await self.effect("fs.list", {"path": path, "depth": depth}, act)
        raise_refusal(outcome)
        return msgspec.json.decode(self.load(outcome.result["entries"]), type=list[Entry])

    # commands

    async def run(self, command: str, timeout_s: float | None = None, memory: str | None = None) -> Completed:
        """Run a shell command in the workspace (primitive ``shell.run``); a registered check leaves no trace there."""
        if command.strip() in self.scratch_commands:
            return await self.check(command, timeout_s)
        return await self._command("shell.run", command, timeout_s, memory=memory)

    async def check(self, command: str, timeout_s: float | None = None, *, stdin: bytes | None = None) -> Completed:
        """Run a command whose writes are thrown away (primitive ``shell.check``).

        Unlike :meth:`run` it may take longer than ``limits.wall_s`` when it asks for it.
        """
        return await self._command("shell.check", command, timeout_s, scratch=True, stdin=stdin)

    async def search(self, pattern: str, path: str, glob: str | None, limit: int) -> Completed:
        """Search with ripgrep (primitive ``fs.search``)."""
        words = ["rg", "--line-number", "--no-heading", "--color=never", "--sort=path", f"--max-count={limit}"]
        words += ["--max-columns=300"] + (["--glob", glob] if glob else []) + ["--regexp", pattern, "--", path]
        return await self._command("fs.search", shlex.join(words), None, scratch=True)

    async def _command(
        self,
        primitive: str,
        command: str,
        timeout_s: float | None,
        *,
        scratch: bool = False,
        stdin: bytes | None = None,
        memory: str | None = None,
    ) -> Completed:
        wall = timeout_s or self.limits.wall_s
        wall = min(wall if scratch else min(wall, self.limits.wall_s), max(1.0, self.ledger.left("wall")))
        limits = msgspec.structs.replace(self.limits, wall_s=wall, cpu_s=max(self.limits.cpu_s, wall))
        args: dict[str, Any] = {"command": command, "timeout_s": timeout_s} | ({"memory": memory} if memory else {})
        if stdin is not None:
            args["stdin"] = self.text(stdin.decode("utf-8", "replace"))
        what = Command(run=command, stdin=stdin, limits=limits, scratch=scratch, memory=memory)
        outcome = await self.effect(primitive, args, lambda: run_command(self.sandbox, what, self.text))
        raise_refusal(outcome)
        self.last_command = completed(outcome, self.load)
        return self.last_command

    # the workspace as a whole

    async def diff(self) -> str:
        """The change so far as a patch (primitive ``workspace.diff``)."""

        async def act() -> Done:
            patch = await asyncio.to_thread(self.workspace.diff, self.workspace.base, self.tree)
            return "ok", {"patch": self.text(patch.decode("utf-8", "replace"))}, {}

        outcome = await self.effect("workspace.diff", {}, act)
        return self.load(outcome.result["patch"])

    async def restore(self, tree: str) -> None:
        """Take the workspace back to an earlier tree (primitive ``workspace.restore``)."""

        async def act() -> Done:
            await asyncio.to_thread(self.workspace.restore, tree)
            return "ok", {}, {}

        await self.effect("workspace.restore", {"tree": tree}, act)

    async def complete(self, transcript: Transcript, sampling: Sampling, tools: tuple[ToolSpec, ...] = ()) -> Reply:
        """Ask the model; the budget is reserved first, a failed call suspends the episode and is tried again on resume.

        Raises:
            Stop: A budget is exhausted or the prompt exceeds the window.
            Suspended: The endpoint failed after its own retries.
        """
        await self.hooked.prompt(transcript)
        identity = self.model.identity
        asked = transcript.tokens + sampling.max_tokens
        worst = transcript.tokens * identity.price_in + sampling.max_tokens * identity.price_out
        reservation = self.ledger.reserve(model_calls=1, tokens=asked, cost=worst)
        first, transcript.sent = transcript.sent, len(transcript.messages)
        args = {
            "digest": transcript.digest,
            "messages": len(transcript.messages),
            "new": [journalled(message, self.text) for message in transcript.messages[first:]],
            "tools": [tool.name for tool in tools],
            "sampling": msgspec.to_builtins(sampling),
        }

        async def act() -> Done:
            request = Request(transcript.messages, sampling, tools)
            try:
                reply = await self.model.complete(request, self.recorder.token)
            except ModelContextExceeded as error:
                return "error", {"message": error.message}, {}
            spent = reply.usage
            counts = {"input": spent.input, "output": spent.output, "cached": spent.cached, "cost": spent.cost}
            return "ok", recorded_reply(reply, self.text), counts

        try:
            outcome = await self.effect("model.complete", args, act)
        except BaseException:
            self.ledger.settle(reservation)
            raise
        if outcome.status != "ok":
            self.ledger.settle(reservation, model_calls=1)
            raise Stop("context_exceeded", outcome.result["message"])
        reply = reply_of(outcome.result, self.load(outcome.result["text"]))
        usage = reply.usage
        self.ledger.settle(reservation, model_calls=1, tokens=usage.input + usage.output, cost=usage.cost)
        said = await self.hooked.words("before_message_write", reply.text)
        return reply if said is reply.text else msgspec.structs.replace(reply, text=said)

    async def ask(self, question: str) -> str:
        """Ask a person (primitive ``human.ask``); what they say, or why there is no answer."""
        return await self.human.question(self, question)

    async def blob(self, digest: str) -> str:
        """A text that was too long for an observation; only those this agent was shown the handle of."""
        if digest not in self.handles:
            raise ToolFailure("no_output", "there is no such output; use a handle from a shortened result")
        return load_text(Text(size=0, blob=digest), self.recorder.journal.blobs)

    async def update_state(self, changes: dict[str, Any], by: str = "agent") -> None:
        """Merge changes into the agent's task state."""
        changes = self.recorder.emit(StateUpdated(self.turn, by, changes)).changes
        self.state.update(changes)

    async def declare(self, summary: str, by: str = "agent") -> list[str]:
        """Declare the task complete; returns the reasons of a refusal, nothing when accepted."""
        summary = await self.hooked.words("message_sending", summary)
        reasons = self.gate(summary)
        declared = self.recorder.emit(Declared(self.turn, summary, not reasons, reasons, by), durable=True)
        if declared.accepted:
            self.completed = declared
        return declared.reasons

    def text(self, text: str) -> dict[str, Any]:
        """A text as the journal keeps it, secrets scrubbed."""
        return msgspec.to_builtins(self.recorder.journal.text(text))

    def _old(self, path: str) -> bytes | None:
        return self.workspace.show(self.tree, path)

    def load(self, text: dict[str, Any] | Text) -> str:
        """A recorded text, wherever it lives."""
        return load_text(msgspec.convert(text, Text), self.recorder.journal.blobs)
