"""A workspace in memory, with nothing but files and prepared answers behind the primitives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from terret.errors import BlobMismatch
from terret.tools import ToolFailure, ToolResult, registry


@dataclass
class Entry:
    path: str
    kind: str
    size: int = 0


@dataclass
class Done:
    output: bytes = b""
    exit_code: int | None = 0
    status: str = "ok"
    truncated: bool = False
    total_bytes: int = 0
    peak_kb: int = 0


@dataclass
class World:
    """Primitives over a dict of files; ``calls`` records every effect in order."""

    files: dict[str, bytes] = field(default_factory=dict)
    protected: set[str] = field(default_factory=set)
    done: Done = field(default_factory=Done)
    blobs: dict[str, str] = field(default_factory=dict)
    patch: str = ""
    refusals: list[str] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    async def read(self, path: str) -> bytes:
        self.calls.append(("read", path))
        if path not in self.files:
            raise ToolFailure("missing", f"{path} does not exist")
        return self.files[path]

    async def write(self, path: str, content: bytes) -> None:
        self.calls.append(("write", path))
        if path in self.protected:
            raise ToolFailure("denied", f"{path} is protected (rule protected)")
        self.files[path] = content

    async def delete(self, path: str) -> None:
        self.calls.append(("delete", path))
        del self.files[path]

    async def list(self, path: str, depth: int) -> list[Entry]:
        self.calls.append(("list", path, depth))
        prefix = "" if path == "." else path + "/"
        found: dict[str, Entry] = {}
        for name in self.files:
            if not name.startswith(prefix):
                continue
            parts = name.removeprefix(prefix).split("/")
            for level in range(1, min(depth, len(parts)) + 1):
                below = prefix + "/".join(parts[:level])
                found[below] = Entry(below, "file" if level == len(parts) else "dir")
        return list(found.values())

    async def run(self, command: str, timeout_s: float | None = None) -> Done:
        self.calls.append(("run", command, timeout_s))
        return self.done

    async def search(self, pattern: str, path: str, glob: str | None, limit: int) -> Done:
        self.calls.append(("search", pattern, path, glob, limit))
        return self.done

    async def diff(self) -> str:
        return self.patch

    async def blob(self, digest: str) -> str:
        if digest not in self.blobs:
            raise BlobMismatch("a blob is missing", where=digest)
        return self.blobs[digest]

    async def update_state(self, changes: dict[str, Any]) -> None:
        self.state.update(changes)

    async def declare(self, summary: str) -> list[str]:
        self.calls.append(("declare", summary))
        return self.refusals

    # the tests' side

    def use(self, tool: str, **args: Any) -> ToolResult:
        """Call a built-in tool."""
        return asyncio.run(registry()[tool].call(self, args))

    def fails(self, tool: str, **args: Any) -> ToolFailure:
        """Call a built-in tool that must fail, and must have written nothing that lasts."""
        before = dict(self.files)
        with pytest.raises(ToolFailure) as caught:
            self.use(tool, **args)
        assert self.files == before
        assert caught.value.message
        assert caught.value.message == str(caught.value)
        return caught.value

    def put(self, path: str, text: str) -> None:
        self.files[path] = text.encode()

    def text(self, path: str) -> str:
        return self.files[path].decode()


@pytest.fixture
def world() -> World:
    """An empty workspace."""
    return World()
