"""What an operator orders a running episode to do: pause between two turns, or come to its end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from terret.errors import EpisodeNotFound, InfrastructureError
from terret.intervention._inputs import read_regular
from terret.intervention._request import HumanInput

OrderKind = Literal["pause", "stop"]
"""``pause``: it is put aside at the end of its turn, to be resumed. ``stop``: the turns end, the work is judged."""

ORDERS = "orders"
"""The folder of orders, beside an episode's journal."""

_KINDS: tuple[OrderKind, ...] = ("stop", "pause")
_LIMIT = 8_000


class Order(msgspec.Struct, frozen=True):
    """One order.

    ``at`` is Unix time in seconds. ``epoch`` is the ownership it is meant for, 0 for any: a pause that nobody obeyed
    does not reach who resumes the episode.
    """

    kind: OrderKind
    at: float
    by: str = ""
    reason: str = ""
    epoch: int = 0

    def as_input(self) -> HumanInput:
        """The order to stop as the human queue's."""
        return HumanInput(f"{self.kind}-{self.at:.6f}", "interrupt", self.reason, by=self.by)


class Orders(Protocol):
    """Brings an episode the orders it is to obey; looked at between turns, so it never waits."""

    def pending(self) -> Sequence[Order]:
        """The orders that were not settled yet."""
        ...

    def settle(self, order: Order) -> None:
        """An order is on record."""
        ...


class FolderOrders:
    """Orders as files: ``pause.json`` and ``stop.json``, written whole by :func:`place_order`.

    Args:
        folder: Where they lie; need not exist.
        epoch: The present ownership; orders for another are removed.
        keep: Only look: give all orders, remove none.
    """

    def __init__(self, folder: Path, epoch: int = 0, *, keep: bool = False) -> None:
        self.folder = folder
        self._path = str(folder)
        self._epoch = epoch
        self._keep = keep

    def pending(self) -> Sequence[Order]:
        """What lies in the folder; what cannot be read as an order is left out."""
        # Asked at every turn, and nearly always in vain.
        if not os.path.isdir(self._path):  # noqa: PTH112
            return ()
        found: list[Order] = []
        for kind in _KINDS:
            with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
                order = msgspec.json.decode(read_regular(self.folder / f"{kind}.json", _LIMIT), type=Order)
                if self._keep or order.epoch in (0, self._epoch):
                    found.append(order)
                else:
                    self.settle(order)
        return found

    def settle(self, order: Order) -> None:
        """Remove the order's file."""
        with contextlib.suppress(OSError):
            (self.folder / f"{order.kind}.json").unlink()


def place_order(folder: Path, order: Order) -> None:
    """Put an order into a folder, in the place of an earlier one of its kind.

    Raises:
        EpisodeNotFound: The episode the folder belongs to is gone: it has just ended.
        InfrastructureError: The folder cannot be written.
    """
    partial = folder / f".{order.kind}.{os.getpid()}"
    try:
        folder.mkdir(exist_ok=True)
        partial.write_bytes(msgspec.json.encode(order))
        partial.replace(folder / f"{order.kind}.json")
    except FileNotFoundError:
        raise EpisodeNotFound("the episode has just ended", where=str(folder.parent), hint="see terret show") from None
    except OSError as error:
        raise InfrastructureError(
            f"the order cannot be written: {error.strerror}", where=str(folder), hint="check the folder's rights"
        ) from None
