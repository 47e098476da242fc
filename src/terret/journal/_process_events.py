"""The part of the union that tells the life of agent processes, and when an operator paused an episode."""

from __future__ import annotations

from typing import Any

from terret.journal._data import Data


class EpisodePaused(Data, frozen=True, tag="episode.paused/1"):
    """An operator put the episode aside between two turns; it goes on with a resumption."""

    turn: int
    by: str
    reason: str = ""


class ProcessStarted(Data, frozen=True, tag="process.started/1"):
    """An agent process began; the event's ``pid`` is its own.

    ``how``: ``spawn``, ``fork`` or ``restart``; ``ordinal`` counts the children of ``parent`` (0: none) from 0 within
    the parent's ``incarnation``. ``authority`` lists its capabilities, ``limits`` its own share of the budget.
    """

    parent: int
    ordinal: int
    how: str
    image: str
    goal: Any
    tenant: str
    priority: int
    cwd: str
    tools: list[str]
    limits: dict[str, float]
    authority: list[dict[str, Any]]
    incarnation: int = 0
    parent_incarnation: int = 0


class ProcessReplaced(Data, frozen=True, tag="process.replaced/1"):
    """A process went on as another image, with the same pid, budget and no more authority.

    ``dropped`` names the capabilities it gave up.
    """

    image: str
    goal: Any
    tools: list[str]
    dropped: list[str]


class ProcessMoved(Data, frozen=True, tag="process.moved/1"):
    """A process changed its status for a reason no intent or outcome tells.

    ``wait`` is what it waits for: ``{"kind", "key", "until"}``; ``by`` the pid that signalled, 0 for the host.
    """

    before: str
    after: str
    why: str
    wait: dict[str, Any] | None = None
    by: int = 0


class ProcessEnded(Data, frozen=True, tag="process.ended/1"):
    """A process came to its end: ``status`` is exited, failed or killed; ``usage`` is what it spent itself."""

    status: str
    result: Any
    usage: dict[str, float]


class MessageSent(Data, frozen=True, tag="process.message/1"):
    """A process (the event's ``pid``; 0 is the host) put a message into the mailbox of another."""

    to: int
    topic: str
    body: Any
