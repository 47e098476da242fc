"""What a journal needs of the place its events live in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from terret.errors import JournalBusy
from terret.journal._head import Anchor

Row = tuple[int, bytes]
"""An event's seq and its stored line."""


class Lease(NamedTuple):
    """Who owns an episode: ``epoch`` grows with every owner, ``owner`` is ``host:pid``."""

    epoch: int
    owner: str


def fenced(lease: Lease | None, place: str) -> JournalBusy:
    """What tells an earlier owner that an episode is another's by now."""
    return JournalBusy(
        "another process has taken the episode over",
        value=lease.owner if lease else None,
        where=place,
        hint="this process has to stop; nothing that the new owner recorded was changed",
    )


def hold(lease: Lease | None, epoch: int, place: str) -> None:
    """Make sure that an epoch is the present one; raises JournalBusy when it is not."""
    if lease is None or lease.epoch != epoch:
        raise fenced(lease, place)


class EventStore(Protocol):
    """Stored lines and anchors of episodes; any number of readers, one writer an episode.

    A method raises JournalCorrupt when the store is damaged and JournalError when it cannot be read; writing raises
    JournalWriteFailed, and then nothing was written.
    """

    faults: Callable[[str], None] | None
    """Told of every commit before and after it."""

    @property
    def place(self) -> str:
        """Where the store is, for messages; holds no secret."""
        ...

    def add_episode(self, name: str, public_key: str) -> None:
        """Begin an episode; JournalError when there is one of that name."""
        ...

    def claim(self, episode: str, owner: str) -> int:
        """Make a new owner the only one that may write an episode; its epoch, the fencing token."""
        ...

    def lease(self, episode: str) -> Lease | None:
        """Who owns an episode; ``None`` when nobody ever did."""
        ...

    def hold(self, episode: str, epoch: int) -> None:
        """Make sure that an epoch is the present one; JournalBusy when it is not."""
        ...

    def write(
        self, episode: str, rows: Sequence[Row], anchors: Sequence[Anchor] = (), epoch: int | None = None
    ) -> None:
        """Append at least one line, and anchors, all or none; with an ``epoch`` only if it is the present one.

        JournalBusy when it is not, and then nothing was written.
        """
        ...

    def set_aside(self, episode: str, first: int, reason: str, now: float) -> None:
        """Take the events from ``first`` on out of the chain; their bytes are kept beside it."""
        ...

    def lines(self, episode: str, after: int = -1) -> list[bytes]:
        """The stored lines with a seq above ``after``, in order; none for an unknown episode."""
        ...

    def rows(self, episode: str, after: int = -1) -> list[Row]:
        """The seqs and stored lines above ``after``, in order."""
        ...

    def anchors(self, episode: str) -> list[Anchor]:
        """The episode's anchors, in order."""
        ...

    def episodes(self) -> list[str]:
        """The names of all episodes, oldest first."""
        ...

    def public_key(self, episode: str) -> str:
        """The key an episode was begun with; JournalError when it is unknown."""
        ...

    def close(self) -> None:
        """Give the store up; closing twice is allowed."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class SharedStore(EventStore, Protocol):
    """An event store that machines share: it also holds what an episode needs to go on elsewhere.

    Blobs and workspace states wait in memory and are written by the next :meth:`write`, in its transaction.
    """

    def acquire(self, episode: str, *, take_over: bool = False) -> None:
        """Be the one that may open an episode for as long as this object lives; JournalBusy when another is.

        With ``take_over`` the other's session is ended first.
        """
        ...

    def put_blob(self, digest: str, content: bytes) -> None:
        """Keep a blob, unless it is there already."""
        ...

    def get_blob(self, digest: str) -> bytes | None:
        """The content of a blob; ``None`` when there is none."""
        ...

    def has_blob(self, digest: str) -> bool:
        """Whether there is such a blob."""
        ...

    def put_state(self, tree: str, pack: bytes) -> None:
        """Keep what a state of the workspace has that earlier ones have not."""
        ...

    def states(self, episode: str) -> dict[str, bytes]:
        """The kept states of an episode's workspace in order: tree id and pack."""
        ...
