"""What stands behind each primitive: small protocols, so that a test, a fault or another machine can take its place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from terret.intervention import HumanQueue, NoHuman
from terret.models import Model
from terret.runtime._net import DirectHttp, HttpProvider
from terret.runtime._running import Runs
from terret.sandbox import Entry, Sandbox, Workspace
from terret.tools import ToolFailure


class Files(Protocol):
    """The files of a workspace; refusals are :class:`terret.sandbox.FileRefused`."""

    def read(self, path: str) -> bytes:
        """The content of a file."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Replace or create a file."""
        ...

    def delete(self, path: str) -> None:
        """Remove a file."""
        ...

    def list(self, path: str = ".", depth: int = 1) -> list[Entry]:
        """What is below a folder."""
        ...


class Checkpoints(Protocol):
    """States of the workspace that can be come back to."""

    def take(self) -> str:
        """Keep the present state; its name."""
        ...

    def restore(self, name: str) -> None:
        """Come back to a state."""
        ...

    def diff(self) -> str:
        """The change since the workspace was made, as a patch."""
        ...


class Memory(Protocol):
    """Named texts in namespaces."""

    def read(self, namespace: str, name: str) -> str | None:
        """A text; nothing when there is none."""
        ...

    def write(self, namespace: str, name: str, text: str) -> None:
        """Keep a text."""
        ...

    def delete(self, namespace: str, name: str) -> None:
        """Forget a text; there may be none."""
        ...

    def names(self, namespace: str) -> list[str]:
        """The names in a namespace, sorted."""
        ...


class Secret(msgspec.Struct, frozen=True):
    """A value put into requests to its hosts (``api.example.org``, ``localhost:8080``) and shown to nobody."""

    value: str
    hosts: tuple[str, ...] = ()


class KeptTexts:
    """:class:`Memory` in this process."""

    def __init__(self) -> None:
        self._texts: dict[str, dict[str, str]] = {}

    def read(self, namespace: str, name: str) -> str | None:
        """A text; nothing when there is none."""
        return self._texts.get(namespace, {}).get(name)

    def write(self, namespace: str, name: str, text: str) -> None:
        """Keep a text."""
        self._texts.setdefault(namespace, {})[name] = text

    def delete(self, namespace: str, name: str) -> None:
        """Forget a text; there may be none."""
        self._texts.get(namespace, {}).pop(name, None)

    def names(self, namespace: str) -> list[str]:
        """The names in a namespace, sorted."""
        return sorted(self._texts.get(namespace, {}))


class Snapshots:
    """:class:`Checkpoints` of a workspace: a name is a tree id, and a state costs what is new in it.

    Args:
        workspace: The workspace.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def take(self) -> str:
        """Keep the present state; its tree id."""
        return self._workspace.snapshot()

    def restore(self, name: str) -> None:
        """Come back to a state; raises SandboxError when there is none of that name."""
        self._workspace.restore(name)

    def diff(self) -> str:
        """The change since the workspace was made, as a patch."""
        workspace = self._workspace
        return workspace.diff(workspace.base, workspace.snapshot()).decode("utf-8", "replace")


class Providers(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that primitives reach the world through; what is left out is refused as unavailable.

    ``secrets`` go by name. ``clock`` is unix seconds.
    """

    files: Files | None = None
    shell: Runs | None = None
    checkpoints: Checkpoints | None = None
    memory: Memory = msgspec.field(default_factory=KeptTexts)
    http: HttpProvider = msgspec.field(default_factory=DirectHttp)
    model: Model | None = None
    human: HumanQueue = msgspec.field(default_factory=NoHuman)
    secrets: Mapping[str, Secret] = {}
    clock: Callable[[], float] = time.time

    @classmethod
    def of(cls, workspace: Workspace, sandbox: Sandbox, **others: Any) -> Providers:
        """The providers of a workspace and the sandbox that runs its commands."""
        return cls(files=workspace, shell=sandbox, checkpoints=Snapshots(workspace), **others)


T = TypeVar("T")


def available(provider: T | None, what: str) -> T:
    """The provider.

    Raises:
        ToolFailure: There is none.
    """
    if provider is None:
        raise ToolFailure("unavailable", f"there is no {what} here")
    return provider


class Faulty:
    """A provider that fails on its way, for tests: the nth call of a method raises, before or after it was carried out.

    Args:
        provider: What is called otherwise.
        faults: ``{"write": {2: OSError(...)}}``: what the second call of ``write`` raises.
        after: Whether the call is carried out first, so that its outcome is lost and not its effect.
    """

    def __init__(self, provider: object, faults: Mapping[str, Mapping[int, BaseException]], *, after: bool = False):
        self._provider = provider
        self._faults = faults
        self._after = after
        self.calls: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        """A method of the provider, counted."""
        method = getattr(self._provider, name)
        if not callable(method):
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            fault = self._due(name)
            if fault is not None and not self._after:
                raise fault
            result = method(*args, **kwargs)
            if fault is None:
                return result
            if asyncio.iscoroutine(result):
                return _then_raise(result, fault)
            raise fault

        return call

    def _due(self, name: str) -> BaseException | None:
        count = self.calls[name] = self.calls.get(name, 0) + 1
        return self._faults.get(name, {}).get(count)


async def _then_raise(pending: Awaitable[Any], fault: BaseException) -> None:
    await pending
    raise fault
