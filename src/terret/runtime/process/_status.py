"""The states of an agent process, what it can wait for, and which moves are legal."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Status = Literal[
    "created",
    "runnable",
    "running",
    "waiting_event",
    "waiting_tool",
    "waiting_human",
    "paused",
    "suspended",
    "exited",
    "failed",
    "killed",
]

WaitKind = Literal["event", "message", "child", "timer", "tool", "human"]

Signal = Literal["pause", "resume", "interrupt", "cancel", "terminate"]

SIGNALS: Final[tuple[Signal, ...]] = ("pause", "resume", "interrupt", "cancel", "terminate")

TERMINAL: Final = frozenset[Status]({"exited", "failed", "killed"})

WAITING: Final = frozenset[Status]({"waiting_event", "waiting_tool", "waiting_human"})

_ENDS: Final[tuple[Status, ...]] = ("failed", "killed", "suspended")

MOVES: Final[dict[Status, frozenset[Status]]] = {
    "created": frozenset({"runnable", "paused", *_ENDS}),
    "runnable": frozenset({"running", "paused", *_ENDS}),
    "running": frozenset({"runnable", "paused", "exited", *WAITING, *_ENDS}),
    "waiting_event": frozenset({"runnable", "paused", *_ENDS}),
    "waiting_tool": frozenset({"runnable", "paused", *_ENDS}),
    "waiting_human": frozenset({"runnable", "paused", *_ENDS}),
    "paused": frozenset({"runnable", *WAITING, *_ENDS}),
    "suspended": frozenset({"runnable", "failed", "killed"}),
    "exited": frozenset(),
    "failed": frozenset(),
    "killed": frozenset(),
}
"""Where a process may go from each status. Nothing leads out of an end; a restart is a new incarnation."""

_STATUS_OF: Final[dict[WaitKind, Status]] = {"tool": "waiting_tool", "human": "waiting_human"}


class Wait(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a process waits for: an effect, an answer, a message, the end of child ``key``, an event named ``key``.

    ``until`` is when it stops waiting, in unix seconds of the table's clock.
    """

    kind: WaitKind
    key: str = ""
    until: float | None = None

    @property
    def status(self) -> Status:
        """The status of a process that waits for this."""
        return _STATUS_OF.get(self.kind, "waiting_event")


class Token(msgspec.Struct, frozen=True, gc=False):
    """Names one wait of one process; it wakes nothing else, however often the process waited since."""

    pid: int
    generation: int


class Lease(msgspec.Struct, frozen=True, gc=False):
    """The right to run a process. Whoever holds an older one can no longer change it."""

    pid: int
    owner: str
    epoch: int
    until: float | None = None


class End(msgspec.Struct, frozen=True):
    """How a process ended; ``result`` is plain JSON: what it returned, or ``{"error", "message"}``."""

    status: Status
    result: object = None
