"""The primitives of an agent process: every effect is named, authorised by its capabilities, recorded, then done."""

from __future__ import annotations

import asyncio
import base64
import shlex
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from terret.errors import InputError
from terret.intervention import HumanRequest
from terret.journal import Outcome, Text, load_text
from terret.models import Message, Reply, Request, Sampling, ToolCall, ToolSpec, Usage
from terret.permissions import Wanted, wanted
from terret.runtime._classes import Act, Done
from terret.runtime._net import HttpReply, send
from terret.runtime._running import Runs, completed, run_command
from terret.runtime.primitives._names import Namespaces, secrets_in
from terret.runtime.primitives._providers import Providers, available
from terret.runtime.primitives._seen import kept_from, readable
from terret.runtime.schedule import Seat
from terret.sandbox import Command, Completed, Entry, FileRefused
from terret.task import Limits
from terret.tools import ToolFailure

if TYPE_CHECKING:
    from terret.journal import BlobStore

_WANTED_FAILURE = "outside"


class ProcessPrimitives:
    """What the body of a process, its tools and their tools reach the world through.

    It is a :class:`terret.tools.Primitives`, so declared tools run over it as they do in an episode, and has what an
    episode has no need of: memory, secrets, models, checkpoints, the clock. Paths are relative to the workspace and
    may lie anywhere in it that the capabilities allow; commands run in the process's own folder.

    Args:
        seat: The place of the process.
        providers: What stands behind the primitives.
        namespaces: Where names of memory lead.
        limits: Resource limits of one command.
    """

    def __init__(
        self,
        seat: Seat,
        providers: Providers,
        *,
        namespaces: Namespaces | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.seat = seat
        self.providers = providers
        self.namespaces = namespaces or Namespaces()
        self.limits = limits or Limits()
        self.state: dict[str, Any] = {}
        """What the process noted about its task."""
        self.declared: str | None = None
        """The summary, once the process declared its task done."""
        self.handles: set[str] = set()
        """Digests of the texts that may be read on."""

    # the path

    async def effect(
        self,
        primitive: str,
        args: dict[str, Any],
        act: Act,
        *,
        shown: Callable[[], str] = str,
        key: str | None = None,
        also: Sequence[Wanted] = (),
        reserve: Mapping[str, float] | None = None,
    ) -> Outcome:
        """One effect: the rights it takes follow from the primitive and its arguments, and ``also`` some more.

        Raises:
            ToolFailure: It is refused, it was impossible, or nobody knows whether it happened.
            BudgetExhausted: What it can cost does not fit, here or up the tree.
        """
        del shown  # A person is shown the exact arguments.
        try:
            first, *rest = wanted(primitive, args)
        except InputError as error:
            raise ToolFailure(_WANTED_FAILURE, str(error)) from None
        every = (*rest, *also)
        return await self.seat.effect(
            primitive, first.resource, first.right, args, _guarded(act), also=every, reserve=reserve, key=key
        )

    def text(self, text: str) -> dict[str, Any]:
        """A text as the journal keeps it."""
        journal = self.seat.host.journal
        if journal is not None:
            return msgspec.to_builtins(journal.text(text))
        return msgspec.to_builtins(Text(size=len(text.encode()), inline=text))

    def load(self, text: dict[str, Any]) -> str:
        """A recorded text."""
        if text.get("inline") is not None:
            return text["inline"]
        return load_text(msgspec.convert(text, Text), self._blobs())

    # files

    async def read(self, path: str) -> bytes:
        """The content of a file."""
        files = available(self.providers.files, "file system")

        async def act() -> Done:
            content = files.read(path)
            return "ok", {"sha256": sha256(content).hexdigest(), "size": len(content), **self._kept(content)}, {}

        return self._content((await self.effect("fs.read", {"path": path}, act)).result)

    async def write(self, path: str, content: bytes) -> None:
        """Replace or create a file, its folders too."""
        files = available(self.providers.files, "file system")

        async def act() -> Done:
            files.write(path, content)
            return "ok", {}, {}

        args = {"path": path, "sha256": sha256(content).hexdigest(), "size": len(content)}
        await self.effect("fs.write", args, act)

    async def delete(self, path: str) -> None:
        """Remove a file."""
        files = available(self.providers.files, "file system")

        async def act() -> Done:
            files.delete(path)
            return "ok", {}, {}

        await self.effect("fs.delete", {"path": path}, act)

    async def list(self, path: str, depth: int) -> list[Entry]:
        """The entries below a folder, without those it may not list."""
        files = available(self.providers.files, "file system")
        may = readable(self.seat.process.authority, "list")

        async def act() -> Done:
            entries = [entry for entry in files.list(path, depth) if may(entry.path)]
            return "ok", {"entries": self.text(msgspec.json.encode(entries).decode())}, {}

        outcome = await self.effect("fs.list", {"path": path, "depth": depth}, act)
        return msgspec.json.decode(self.load(outcome.result["entries"]), type=list[Entry])

    # commands

    async def run(self, command: str, timeout_s: float | None = None, memory: str | None = None) -> Completed:
        """Run a shell command in the process's folder.

        It can reach every file of the workspace, so nothing there may be kept from the process.
        """
        hidden = kept_from(self.seat.process.authority, ("read", "write"))
        if hidden is not None:
            raise ToolFailure("denied", f"a command could reach {hidden}, which is kept from this process")
        return await self._command("shell.run", {"command": command}, command, timeout_s, memory)

    async def search(self, pattern: str, path: str, glob: str | None, limit: int) -> Completed:
        """Search with ripgrep; at most ``limit`` lines a file, and none of files that it may not read."""
        words = [
            "rg",
            "--line-number",
            "--no-heading",
            "--null",
            "--color=never",
            "--sort=path",
            f"--max-count={limit}",
        ]
        words += ["--max-columns=300"] + (["--glob", glob] if glob else []) + ["--regexp", pattern, "--", path]
        args = {"path": path, "pattern": pattern, "glob": glob, "limit": limit}
        may = readable(self.seat.process.authority, "read")

        def shown(output: bytes) -> bytes:
            hits = (line.partition(b"\0") for line in output.splitlines(keepends=True))
            return b"".join(file + b":" + rest for file, mark, rest in hits if mark and may(_plain(file)))

        return await self._command("fs.search", args, shlex.join(words), None, None, scratch=True, shown=shown)

    async def _command(
        self,
        primitive: str,
        args: dict[str, Any],
        command: str,
        timeout_s: float | None,
        memory: str | None,
        *,
        scratch: bool = False,
        shown: Callable[[bytes], bytes] | None = None,
    ) -> Completed:
        shell = available(self.providers.shell, "shell")
        wall = min(timeout_s or self.limits.wall_s, self.limits.wall_s)
        limits = msgspec.structs.replace(self.limits, wall_s=wall, cpu_s=max(self.limits.cpu_s, wall))
        cwd = "." if scratch else self.seat.process.cwd
        what = Command(run=command, cwd=cwd, limits=limits, scratch=scratch, memory=memory)
        args = {**args, "timeout_s": timeout_s, "cwd": cwd} | ({"memory": memory} if memory else {})
        runs = shell if shown is None else _Filtered(shell, shown)
        outcome = await self.effect(primitive, args, lambda: run_command(runs, what, self.text))
        return completed(outcome, self.load)

    # the workspace as a whole

    async def diff(self) -> str:
        """The change since the workspace was made, as a patch."""
        states = available(self.providers.checkpoints, "workspace")

        async def act() -> Done:
            return "ok", {"patch": self.text(await asyncio.to_thread(states.diff))}, {}

        return self.load((await self.effect("workspace.diff", {}, act)).result["patch"])

    async def checkpoint(self) -> str:
        """Keep the present state of the workspace; its name. Budgets, memory and the record are no part of it."""
        states = available(self.providers.checkpoints, "workspace")

        async def act() -> Done:
            return "ok", {"name": await asyncio.to_thread(states.take)}, {}

        return (await self.effect("checkpoint.take", {}, act)).result["name"]

    async def restore(self, name: str) -> None:
        """Bring the files of the workspace back to a checkpoint; nothing else goes back."""
        states = available(self.providers.checkpoints, "workspace")

        async def act() -> Done:
            await asyncio.to_thread(states.restore, name)
            return "ok", {}, {}

        await self.effect("checkpoint.restore", {"name": name}, act)

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
        also = [Wanted(wanted("secret.use", {"name": name})[0].resource, "read") for name in named]
        return await send(
            _WithSecrets(self, also),
            self.namespaces.sending(self.providers, named, url),
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
            "messages": [{"role": one.role, "content": self.text(one.content)} for one in messages],
            "tools": [tool.name for tool in tools],
            "sampling": msgspec.to_builtins(drawn),
        }

        async def act() -> Done:
            reply = await model.complete(Request(list(messages), drawn, tuple(tools)))
            usage = {"tokens": float(reply.usage.input + reply.usage.output), "cost": reply.usage.cost}
            plain = {
                "text": self.text(reply.text),
                "finish": reply.finish,
                "tool_calls": [msgspec.to_builtins(call) for call in reply.tool_calls],
                "usage": msgspec.to_builtins(reply.usage),
            }
            return "ok", plain, usage

        result = (await self.effect("model.complete", args, act, reserve={"tokens": float(asked)})).result
        calls = tuple(msgspec.convert(call, ToolCall) for call in result["tool_calls"])
        usage = msgspec.convert(result["usage"], Usage)
        return Reply(self.load(result["text"]), result["finish"], tool_calls=calls, usage=usage)

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
        return load_text(Text(size=0, blob=digest), self._blobs())

    async def update_state(self, changes: dict[str, Any]) -> None:
        """Merge changes into what the process notes about its task."""
        self.state.update(changes)

    async def declare(self, summary: str) -> Sequence[str]:
        """Declare the task done; never refused here."""
        self.declared = summary
        return ()

    # the inside

    def _blobs(self) -> BlobStore:
        journal = self.seat.host.journal
        return available(None if journal is None else journal.blobs, "journal")

    def _kept(self, content: bytes) -> dict[str, Any]:
        try:
            return {"text": self.text(content.decode())}
        except UnicodeDecodeError:
            return {"base64": self.text(base64.b64encode(content).decode())}

    def _content(self, result: dict[str, Any]) -> bytes:
        return self.load(result["text"]).encode() if "text" in result else base64.b64decode(self.load(result["base64"]))

    def _key(self) -> str:
        """The same whenever the process comes to this request again, and never that of another request."""
        process, journal = self.seat.process, self.seat.host.journal
        named = "" if journal is None else f"{journal.key.public_hex}/{journal.episode}"
        place = f"{named}/p{process.pid}/r{process.incarnation}/e{self.seat.count}"
        return sha256(place.encode()).hexdigest()[:32]


class _WithSecrets:
    """The path of a request that takes the right to secrets as well."""

    def __init__(self, own: ProcessPrimitives, also: Sequence[Wanted]) -> None:
        self._own = own
        self._also = also

    async def effect(
        self,
        primitive: str,
        args: dict[str, Any],
        act: Act,
        *,
        shown: Callable[[], str] = str,
        key: str | None = None,
    ) -> Outcome:
        """One effect with those rights."""
        return await self._own.effect(primitive, args, act, shown=shown, key=key, also=self._also)

    def text(self, text: str) -> dict[str, Any]:
        """A text as the journal keeps it."""
        return self._own.text(text)

    def load(self, text: dict[str, Any]) -> str:
        """A recorded text."""
        return self._own.load(text)


class _Filtered:
    """Runs commands and shows a part of what they said."""

    def __init__(self, shell: Runs, shown: Callable[[bytes], bytes]) -> None:
        self._shell = shell
        self._shown = shown

    def run(self, command: Command) -> Completed:
        """Run one; blocks."""
        done = self._shell.run(command)
        return msgspec.structs.replace(done, output=self._shown(done.output))


def _plain(file: bytes) -> str:
    return file.decode("utf-8", "replace").removeprefix("./")


def _guarded(act: Act) -> Act:
    """The act, with a file that cannot be had as a failure of the tool."""

    async def guarded() -> Done:
        try:
            return await act()
        except FileRefused as error:
            raise ToolFailure(error.reason, str(error)) from None

    return guarded
