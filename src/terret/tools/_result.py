"""What a tool may do, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec


class ToolFailure(Exception):
    """A tool could not do what was asked; becomes a failed observation.

    ``kind`` is a stable slug (``docs/tools.md`` lists them), ``message`` what the agent is told.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class ToolResult(msgspec.Struct, frozen=True):
    """What the agent observes; ``failure`` is ``{"type", "detail"}`` when ``ok`` is false."""

    text: str
    ok: bool = True
    failure: dict[str, Any] | None = None


class FolderEntry(Protocol):
    """One entry of a listing."""

    @property
    def path(self) -> str:
        """Relative to the workspace."""
        ...

    @property
    def kind(self) -> str:
        """``file``, ``dir`` or ``link``."""
        ...


class Finished(Protocol):
    """A command that ended."""

    @property
    def status(self) -> str:
        """``ok`` (it ended by itself), or what stopped it: timeout, memory, cpu, pids, disk, output, killed."""
        ...

    @property
    def exit_code(self) -> int | None:
        """Of a command that ended by itself."""
        ...

    @property
    def output(self) -> bytes:
        """Standard output and error as they came, cut if ``truncated``."""
        ...

    @property
    def truncated(self) -> bool:
        """Whether only a part of the output was kept."""
        ...

    @property
    def total_bytes(self) -> int:
        """Full size of the output."""
        ...

    @property
    def peak_kb(self) -> int:
        """Highest memory use of the command and all it started."""
        ...


class Primitives(Protocol):
    """The authority boundary: everything a tool does to the world goes through one of these.

    All raise :class:`ToolFailure` when the effect is refused or impossible. Paths are relative to the workspace.
    """

    async def read(self, path: str) -> bytes:
        """The content of a file; kind ``missing`` when there is none."""
        ...

    async def write(self, path: str, content: bytes) -> None:
        """Replace or create a file, its folders too."""
        ...

    async def delete(self, path: str) -> None:
        """Remove a file."""
        ...

    async def list(self, path: str, depth: int) -> Sequence[FolderEntry]:
        """The entries below a folder, ``depth`` levels deep."""
        ...

    async def run(self, command: str, timeout_s: float | None = None, memory: str | None = None) -> Finished:
        """Run a shell command in the workspace; ``memory`` says what it is expected to need."""
        ...

    async def search(self, pattern: str, path: str, glob: str | None, limit: int) -> Finished:
        """Search with ripgrep; at most ``limit`` lines a file."""
        ...

    async def diff(self) -> str:
        """The change since the start, as a patch."""
        ...

    async def blob(self, digest: str) -> str:
        """The full text of an observation that was cut."""
        ...

    async def update_state(self, changes: dict[str, Any]) -> None:
        """Merge changes into the task state."""
        ...

    async def ask(self, question: str) -> str:
        """Ask a person; what they say, or why there is no answer."""
        ...

    async def declare(self, summary: str) -> Sequence[str]:
        """Declare the task complete; the reasons of a refusal, none when accepted."""
        ...
