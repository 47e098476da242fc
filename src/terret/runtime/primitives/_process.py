"""The primitives of an agent process: the workspace, memory, secrets, requests, the model, people and the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

import msgspec

from terret.intervention import HumanRequest
from terret.journal import Text, load_text
from terret.models import Message, Reply, Request, Sampling, ToolSpec
from terret.permissions import demands_of
from terret.runtime._classes import Done
from terret.runtime._net import HttpReply, send
from terret.runtime._transcript import journalled, recorded_reply, reply_of
from terret.runtime.primitives._names import secrets_in
from terret.runtime.primitives._providers import available
from terret.runtime.primitives._workspace import WorkspacePrimitives
from terret.tools import ToolFailure


class ProcessPrimitives(WorkspacePrimitives):
    """What the body of a process, its tools and their tools reach the world through.

    It is a :class:`terret.tools.Primitives`, so declared tools run over it as they do in an episode, and has what an
    episode has no need of: memory, secrets, models, checkpoints, the clock. Commands run in the process's own folder.
    """

    # memory and secrets

    async def remember(self, name: str, text: str) -> None:
        """Keep a text: ``own/NAME`` is the process's, ``shared/NAME`` everybody's, ``pN/NAME`` that of process N."""
        where = self.namespaces.resolve(self.seat.process, name)

        async def act() -> Done:
            self.providers.memory.write(*where, text)
            return "ok", {}, {}

        await self.effect("memory.write", {"name": name, "text": self.text(text)}, act)

    async def recall(self, name: str) -> str | None:
        """A text that was kept; nothing when there is none."""
        where = self.namespaces.resolve(self.seat.process, name)

        async def act() -> Done:
            text = self.providers.memory.read(*where)
            return "ok", {} if text is None else {"text": self.text(text)}, {}

        result = (await self.effect("memory.read", {"name": name}, act)).result
        return self.load(result["text"]) if "text" in result else None

    async def forget(self, name: str) -> None:
        """Forget a text; there may be none."""
        where = self.namespaces.resolve(self.seat.process, name)

        async def act() -> Done:
            self.providers.memory.delete(*where)
            return "ok", {}, {}

        await self.effect("memory.delete", {"name": name}, act)

    async def secret(self, name: str) -> str:
        """The placeholder of a secret: what stands for it in the headers and bodies of requests to its hosts."""

        async def act() -> Done:
            if name not in self.providers.secrets:
                raise ToolFailure("missing", f"there is no secret named {name}")
            return "ok", {"placeholder": f"{{{{secret:{name}}}}}"}, {}

        return (await self.effect("secret.use", {"name": name}, act)).result["placeholder"]

    # the world outside

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: str = "",
        headers: Mapping[str, str] | None = None,
        once: bool = False,
    ) -> HttpReply:
        """Send an HTTP request; ``once`` gives it a key, so that it may be repeated after a fault.

        A placeholder of a secret takes the right to that secret, and is filled in for the secret's own hosts only.
        """
        named = secrets_in(body, *(headers or {}).values())
        also = [demands_of("secret.use", {"name": name})[0] for name in named]
        return await send(
            partial(self.effect, also=also),
            self,
            self.namespaces.sending(self.providers, named),
            method,
            url,
            body=body,
            headers=headers,
            key=self._key() if once else None,
        )

    async def complete(
        self, messages: Sequence[Message], sampling: Sampling | None = None, tools: Sequence[ToolSpec] = ()
    ) -> Reply:
        """Ask the model; ``max_tokens`` of the answer and the prompt are reserved, what it used is booked.

        Raises:
            BudgetExhausted: It does not fit.
            InfrastructureError: The endpoint failed after its own retries.
        """
        model = available(self.providers.model, "model")
        drawn = sampling or Sampling()
        asked = sum(len(message.content) for message in messages) // 3 + drawn.max_tokens
        args = {
            "name": model.identity.spec,
            "messages": [journalled(one, self.text) for one in messages],
            "tools": [tool.name for tool in tools],
            "sampling": msgspec.to_builtins(drawn),
        }

        async def act() -> Done:
            reply = await model.complete(Request(list(messages), drawn, tuple(tools)))
            usage = {"tokens": float(reply.usage.input + reply.usage.output), "cost": reply.usage.cost}
            return "ok", recorded_reply(reply, self.text), usage

        result = (await self.effect("model.complete", args, act, reserve={"tokens": float(asked)})).result
        return reply_of(result, self.load(result["text"]))

    async def now(self) -> float:
        """The time, unix seconds; the recorded one when the process is taken up again."""

        async def act() -> Done:
            return "ok", {"now": self.providers.clock()}, {}

        return (await self.effect("clock.now", {}, act)).result["now"]

    async def ask(self, question: str) -> str:
        """Ask a person; what they say, or why there is no answer."""
        process = self.seat.process
        identity = f"p{process.pid}-q{self.seat.count}"

        async def act() -> Done:
            answer = await self.providers.human.ask(HumanRequest(identity, "question", question))
            if not answer.answered:
                return "ok", {"reason": answer.reason}, {}
            return "ok", {"text": self.text(answer.text), "by": answer.by}, {}

        result = (await self.effect("human.ask", {"text": question}, act)).result
        if "text" not in result:
            return f"no answer ({result['reason']}); go on without it and say what you assumed"
        return self.load(result["text"]) or "(the answer is empty)"

    # what changes nothing outside

    async def blob(self, digest: str) -> str:
        """A text that was too long to be shown; only one that the process was given the handle of."""
        if digest not in self.handles:
            raise ToolFailure("no_output", "there is no such output; use a handle from a shortened result")
        return load_text(Text(size=0, blob=digest), self.blobs())

    async def update_state(self, changes: dict[str, Any]) -> None:
        """Merge changes into what the process notes about its task."""
        self.state.update(changes)

    async def declare(self, summary: str) -> Sequence[str]:
        """Declare the task done; never refused here."""
        self.declared = summary
        return ()

    # the inside

    def _key(self) -> str:
        """The same whenever the process comes to this request again, and never that of another request."""
        process, journal = self.seat.process, self.seat.host.journal
        named = "" if journal is None else f"{journal.key.public_hex}/{journal.episode}"
        place = f"{named}/p{process.pid}/r{process.incarnation}/e{self.seat.count}"
        return sha256(place.encode()).hexdigest()[:32]
