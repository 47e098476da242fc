"""The way of an effect of a process: named, authorised by its capabilities, recorded, then done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from terret.errors import InputError
from terret.journal import Outcome, Text, load_text
from terret.permissions import Demand, Resource, demands_of, wanted
from terret.runtime._classes import Act, Done
from terret.runtime.primitives._names import Namespaces
from terret.runtime.primitives._providers import Providers, available
from terret.runtime.schedule import Seat
from terret.sandbox import FileRefused
from terret.task import Limits
from terret.tools import ToolFailure

if TYPE_CHECKING:
    from terret.journal import BlobStore


class ProcessPath:
    """Effects and texts of one process.

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

    async def effect(
        self,
        primitive: str,
        args: dict[str, Any],
        act: Act,
        *,
        shown: Callable[[], str] = str,
        key: str | None = None,
        also: Sequence[Demand] = (),
        reserve: Mapping[str, float] | None = None,
    ) -> Outcome:
        """One effect: the rights it takes follow from the primitive and its arguments, and ``also`` some more.

        Raises:
            ToolFailure: It is refused, it was impossible, or nobody knows whether it happened.
            BudgetExhausted: What it can cost does not fit, here or up the tree.
        """
        del shown  # A person is shown the exact arguments.
        try:
            if primitive in ("fs.list", "fs.search"):
                # What may not be seen is left out of what they show, so that it need not refuse them.
                demands = tuple(Demand(*one) for one in wanted(primitive, args))
            else:
                demands = demands_of(primitive, args)
        except InputError as error:
            # What no capability can be about is refused like anything else that none allows, and is on record.
            demands = (Demand(Resource(primitive.partition(".")[0], ()), "call"),)
            args = {**args, "malformed": str(error)}
        return await self.seat.effect_of(primitive, (*demands, *also), args, _guarded(act), reserve=reserve, key=key)

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
        return load_text(msgspec.convert(text, Text), self.blobs())

    def blobs(self) -> BlobStore:
        """The long texts of the journal; raises ToolFailure where there is none."""
        journal = self.seat.host.journal
        return available(None if journal is None else journal.blobs, "journal")


def _guarded(act: Act) -> Act:
    """The act, with a file that cannot be had as a failure of the tool."""

    async def guarded() -> Done:
        try:
            return await act()
        except FileRefused as error:
            raise ToolFailure(error.reason, str(error)) from None

    return guarded
