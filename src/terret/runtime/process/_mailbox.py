"""Messages between processes: bounded, in order of arrival."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec

from terret.errors import InputError

MAILBOX: Final = 256
"""Messages a mailbox holds."""


class Message(msgspec.Struct, frozen=True):
    """What a process (0: the host) told another; ``body`` is plain JSON."""

    sender: int
    topic: str
    body: Any = None


class Mailbox:
    """The messages a process has not read yet.

    Args:
        owner: The pid, for messages about it.
        capacity: The most it holds; a sender is refused then, nothing is dropped.
    """

    __slots__ = ("_kept", "capacity", "owner")

    def __init__(self, owner: int, capacity: int = MAILBOX) -> None:
        self.owner = owner
        self.capacity = capacity
        self._kept: deque[Message] | None = None

    def put(self, message: Message) -> None:
        """Add a message.

        Raises:
            InputError: The mailbox is full.
        """
        if self.full:
            raise InputError("the mailbox is full", value=self.capacity, where=f"process {self.owner}")
        if self._kept is None:
            # Most processes never get a message, and an empty deque takes more than all the rest of a mailbox.
            self._kept = deque()
        self._kept.append(message)

    def take(self) -> Message | None:
        """The oldest message; nothing when there is none."""
        return self._kept.popleft() if self._kept else None

    @property
    def full(self) -> bool:
        """Whether another message would be refused."""
        return len(self) >= self.capacity

    def clear(self) -> None:
        """Forget every message."""
        self._kept = None

    def __len__(self) -> int:
        return len(self._kept or ())
