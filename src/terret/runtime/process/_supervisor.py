"""Supervisors: processes that restart their children, but not for ever."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from terret.errors import InputError
from terret.runtime.process._process import AgentProcess
from terret.runtime.process._status import End, Token, Wait
from terret.runtime.process._table import ProcessTable

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
Restart = Literal["permanent", "transient", "temporary"]

_NEVER: Final = ("terminated", "cancelled", "parent_ended")
"""Ends that somebody wanted."""


class Child(msgspec.Struct, frozen=True):
    """A child to be kept alive.

    ``restart``: ``permanent`` always, ``transient`` unless it exited, ``temporary`` never. ``keep`` names the
    capabilities of the supervisor it is handed, ``None`` all that may be.
    """

    image: str
    goal: Any = None
    restart: Restart = "permanent"
    keep: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    limits: dict[str, float] = {}
    priority: int | None = None
    cwd: str = "."


class Supervision(msgspec.Struct, frozen=True):
    """What a supervisor keeps alive and how.

    When a child is to be restarted, ``one_for_one`` restarts it alone, ``one_for_all`` all children, and
    ``rest_for_one`` it and those after it. More than ``restarts`` within ``period_s`` seconds, and the supervisor
    fails with everything below it: its own supervisor may know better.
    """

    children: tuple[Child, ...]
    strategy: Strategy = "one_for_one"
    restarts: int = 3
    period_s: float = 5.0


class Intensity:
    """Counts restarts in a moving window.

    Args:
        most: How many are allowed within the window.
        period_s: Its length in seconds.
        past: When there were restarts before.
    """

    def __init__(self, most: int, period_s: float, past: Iterable[float] = ()) -> None:
        if most < 0 or not period_s > 0:
            raise InputError("the restart intensity is no number from 0 up per period above 0", value=(most, period_s))
        self.most = most
        self.period_s = period_s
        self._times = deque(sorted(past))

    def allow(self, now: float) -> bool:
        """Count a restart at a time, if it is allowed."""
        while self._times and self._times[0] <= now - self.period_s:
            self._times.popleft()
        if len(self._times) >= self.most:
            return False
        self._times.append(now)
        return True


class Supervisor:
    """Starts and restarts the children of one process.

    Args:
        table: The process table.
        process: The supervisor's own process.
        supervision: What it is to do.
    """

    def __init__(self, table: ProcessTable, process: AgentProcess, supervision: Supervision) -> None:
        self.table = table
        self.process = process
        self.supervision = supervision
        self.children: list[AgentProcess] = []
        self.restarted = 0
        self.intensity = Intensity(supervision.restarts, supervision.period_s)
        self._busy = False

    def start(self) -> list[AgentProcess]:
        """Start all children, in order; returns those that live."""
        lease = self.table.claim(self.process, "supervisor")
        if lease is not None:
            self.table.wait(lease, Wait("child"), record=False)
        for child in self.supervision.children:
            self.children.append(
                self.table.fork(
                    self.process,
                    child.goal,
                    image=child.image,
                    keep=child.keep,
                    tools=child.tools,
                    limits=child.limits,
                    priority=child.priority,
                    cwd=child.cwd,
                )
            )
        told = (self.table.story(child) for child in self.children)
        past = [time for story in told if story is not None for time in story.restarts]
        self.intensity = Intensity(self.supervision.restarts, self.supervision.period_s, past)
        # The host may have died between the end of a child and its restart.
        for child in self.children:
            if not child.alive:
                self.ended(child)
        return [child for child in self.children if child.alive]

    def ended(self, child: AgentProcess) -> list[AgentProcess]:
        """A child has ended: restart what is to be restarted; returns those processes."""
        if self._busy or not self.process.alive or child not in self.children:
            return []
        at = self.children.index(child)
        if child.end is None or not _again(self.supervision.children[at].restart, child.end):
            self._finish()
            return []
        if not self.intensity.allow(self.table.clock()):
            reason = {"error": "restart_intensity", "child": child.pid, "restarts": self.supervision.restarts}
            self.table.end(self.process, "failed", reason)
            return []
        self._busy = True
        try:
            again = self._affected(at)
            for one in reversed(again):
                self.table.end(one, "killed", {"error": "restarted"})
            for one in again:
                plan = self.supervision.children[self.children.index(one)]
                self.table.restart(one, plan.image, plan.goal)
                self.restarted += 1
        finally:
            self._busy = False
        return again

    def _affected(self, at: int) -> list[AgentProcess]:
        first, last = {"one_for_one": (at, at + 1), "one_for_all": (0, None), "rest_for_one": (at, None)}[
            self.supervision.strategy
        ]
        return [
            child
            for child, plan in zip(self.children[first:last], self.supervision.children[first:last], strict=True)
            if child is self.children[at] or child.alive or plan.restart == "permanent"
        ]

    def _finish(self) -> None:
        """Nothing is left to supervise."""
        if not any(child.alive for child in self.children):
            ends: Sequence[End] = [child.end for child in self.children if child.end is not None]
            self.table.signal(self.process, "resume")
            self.table.wake(Token(self.process.pid, self.process.generation), "child")
            self.table.claim(self.process, "supervisor")
            self.table.end(self.process, "exited", [end.status for end in ends])


def _again(restart: Restart, end: End) -> bool:
    if isinstance(end.result, dict) and end.result.get("error") in _NEVER:  # pyright: ignore[reportUnknownMemberType]
        return False
    if restart == "transient":
        return end.status != "exited"
    return restart == "permanent"
