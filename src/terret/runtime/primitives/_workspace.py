"""Files, commands and states of the workspace, as an agent process reaches them."""

from __future__ import annotations

import asyncio
import base64
import shlex
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec

from terret.runtime._classes import Done
from terret.runtime._running import Runs, completed, run_command
from terret.runtime.primitives._path import ProcessPath
from terret.runtime.primitives._providers import available
from terret.runtime.primitives._seen import readable
from terret.sandbox import Command, Completed, Entry


class WorkspacePrimitives(ProcessPath):
    """Paths are relative to the workspace and may lie anywhere in it that the capabilities allow."""

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

        It can reach every file of the workspace, so it takes the right to all of it, and what is kept from the process
        there is denied to it.
        """
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

    def _kept(self, content: bytes) -> dict[str, Any]:
        try:
            return {"text": self.text(content.decode())}
        except UnicodeDecodeError:
            return {"base64": self.text(base64.b64encode(content).decode())}

    def _content(self, result: dict[str, Any]) -> bytes:
        return self.load(result["text"]).encode() if "text" in result else base64.b64decode(self.load(result["base64"]))


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
