"""How processes come to be: spawned, forked, started anew, or taken up again from a record."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from terret.errors import Diverged, InputError
from terret.journal import (
    Event,
    EventData,
    ProcessMoved,
    ProcessStarted,
)
from terret.permissions import CapabilityTable
from terret.runtime.process._account import Account
from terret.runtime.process._authority import hand_on, listed
from terret.runtime.process._past import Story, slots, spent_below, stories
from terret.runtime.process._process import AgentProcess, folder
from terret.runtime.process._status import (
    MOVES,
    End,
    Status,
)


class Record(Protocol):
    """Where events go; :meth:`terret.journal.Journal.append` is one."""

    def __call__(self, data: EventData, *, pid: int = 0, durable: bool = False) -> object:
        """Take an event."""
        ...


def _nowhere(data: EventData, *, pid: int = 0, durable: bool = False) -> object:
    """Keep no record."""


class Beginnings:
    """The rows of the table, and how they come to be.

    Every change is a legal move of :data:`MOVES`, counts the row's ``revision`` and, unless an intent or outcome tells
    of it, is an event. Not safe to share between threads.

    Args:
        record: Takes the events; without it none are kept.
        clock: Unix seconds.
        past: The events of a run that is taken up again. A process that is started in the place it had then keeps its
            pid, messages and what it spent; if it had ended, it has ended.
    """

    def __init__(
        self, *, record: Record | None = None, clock: Callable[[], float] = time.time, past: Sequence[Event] = ()
    ) -> None:
        self.clock = clock
        self.processes: dict[int, AgentProcess] = {}
        self.listener: Callable[[AgentProcess, Status], None] = lambda process, before: None
        """Told after every change of a status, with the one before."""
        self.hand_on: Callable[[CapabilityTable, CapabilityTable, Iterable[str] | None], None] = hand_on
        """How authority goes from a process to its child; another way is for measurements only."""
        self._record = record or _nowhere
        self._stories = stories(past)
        self._slots = slots(self._stories)
        self._spent = spent_below(self._stories)
        self._pids = itertools.count(max(self._stories, default=0) + 1)
        self._roots = itertools.count()
        self._waiting: dict[str, set[int]] = {}

    # beginning

    def spawn(
        self,
        image: str,
        goal: Any = None,
        *,
        parent: AgentProcess | None = None,
        authority: CapabilityTable | None = None,
        keep: Iterable[str] = (),
        tools: Iterable[str] = (),
        limits: Mapping[str, float] | None = None,
        tenant: str = "",
        priority: int | None = None,
        cwd: str = ".",
    ) -> AgentProcess:
        """Start a process: a root with the ``authority`` the host gives, or a child with what it is to ``keep``.

        Tools are those named, of the parent's when there is one. A child is of its parent's tenant.

        Raises:
            InputError: The parent has ended, a capability cannot be handed on, or something would be wider.
            BudgetExhausted: The parent may start no more ``processes``.
        """
        if parent is not None and authority is not None:
            raise InputError("a child has the authority its parent hands on", value=parent.pid, hint="name it in keep")
        return self._begin("spawn", image, goal, parent, authority, keep, tools, limits, tenant, priority, cwd)

    def fork(
        self,
        parent: AgentProcess,
        goal: Any = None,
        *,
        image: str | None = None,
        keep: Iterable[str] | None = None,
        tools: Iterable[str] | None = None,
        limits: Mapping[str, float] | None = None,
        priority: int | None = None,
        cwd: str = ".",
    ) -> AgentProcess:
        """Start a child like its parent: everything that may be handed on, or only the capabilities in ``keep``.

        Raises:
            InputError: As for :meth:`spawn`.
            BudgetExhausted: As for :meth:`spawn`.
        """
        tools = parent.tools if tools is None else tools
        goal = parent.goal if goal is None else goal
        return self._begin("fork", image or parent.image, goal, parent, None, keep, tools, limits, "", priority, cwd)

    def _begin(
        self,
        how: str,
        image: str,
        goal: Any,
        parent: AgentProcess | None,
        authority: CapabilityTable | None,
        keep: Iterable[str] | None,
        tools: Iterable[str],
        limits: Mapping[str, float] | None,
        tenant: str,
        priority: int | None,
        cwd: str,
    ) -> AgentProcess:
        seen = frozenset(tools)
        if parent is not None:
            if not parent.alive:
                raise InputError("the parent has ended", value=parent.pid)
            if extra := sorted(seen - parent.tools):
                raise InputError("the parent has no such tool", value=extra[0])
            cwd = folder(parent.cwd, cwd)
        else:
            cwd = folder(".", cwd)
        place = (0, 0, next(self._roots)) if parent is None else (parent.pid, parent.incarnation, parent.spawned)
        pid = self._slots.get(place) or next(self._pids)
        story = self._stories.get(pid)
        if story is not None and (story.started.image, story.started.goal) != (image, plain(goal)):
            raise Diverged("another process was here", value=image, where=f"process {pid}", hint="start it as before")
        budget = Account(limits, None if parent is None else parent.budget)
        if authority is None:
            holder = f"process:{pid}"
            authority = CapabilityTable(holder, clock=self.clock) if parent is None else parent.authority.child(holder)
        if parent is not None:
            self.hand_on(parent.authority, authority, keep)
            if story is None:
                parent.budget.spend(processes=1)
            parent.spawned += 1
        process = AgentProcess(
            pid,
            parent,
            place[2],
            image,
            plain(goal),
            authority=authority,
            budget=budget,
            tools=seen,
            tenant=tenant if parent is None else parent.tenant,
            priority=(0 if parent is None else parent.priority) if priority is None else priority,
            cwd=cwd,
            now=self.clock(),
        )
        self.processes[pid] = process
        if parent is not None:
            parent.children[place[2]] = process
        if story is None:
            self._started(process, how)
        else:
            self._recall(process, story)
        if process.alive:
            self._move(process, "runnable")
        return process

    def _started(self, process: AgentProcess, how: str) -> None:
        up = process.parent
        self._record(
            ProcessStarted(
                0 if up is None else up.pid,
                process.ordinal,
                how,
                process.image,
                process.goal,
                process.tenant,
                process.priority,
                process.cwd,
                sorted(process.tools),
                process.budget.limits(),
                listed(process.authority),
                process.incarnation,
                0 if up is None else up.incarnation,
            ),
            pid=process.pid,
        )

    def _recall(self, process: AgentProcess, story: Story) -> None:
        process.incarnation = story.started.incarnation
        process.budget.inherit(self._spent.pop(process.pid, {}), story.usage)
        for message in story.inbox:
            process.mailbox.put(message)
        story.inbox.clear()
        if story.ended is not None:
            status: Any = story.ended.status
            process.status, process.end = status, End(status, story.ended.result)
            process.mailbox.clear()

    def story(self, process: AgentProcess) -> Story | None:
        """What a process did in the run that is taken up again."""
        return self._stories.get(process.pid)

    def restart(self, process: AgentProcess, image: str | None = None, goal: Any = None) -> None:
        """Begin a new incarnation of a process that has ended: same place, authority and budget, nothing else.

        With an ``image`` it runs that, whatever it became meanwhile.

        Raises:
            InputError: It has not ended, or its parent has.
        """
        if process.alive or (process.parent is not None and not process.parent.alive):
            raise InputError("only an ended process of a live parent is restarted", value=process.pid)
        self._stories.pop(process.pid, None)
        for child in list(process.children.values()):
            self.reap(child)
        before, process.status = process.status, "created"
        process.end = process.wait = None
        if image is not None:
            process.image, process.goal = image, plain(goal)
        process.cancelled = False
        process.spawned = 0
        process.incarnation += 1
        process.generation += 1
        self._started(process, "restart")
        self.listener(process, before)
        self._move(process, "runnable")

    def reap(self, process: AgentProcess) -> End:
        """Take an ended process out of the table, and those below it; returns how it ended.

        Raises:
            InputError: It has not ended.
        """
        if process.end is None:
            raise InputError("the process has not ended", value=process.pid)
        for child in list(process.children.values()):
            self.reap(child)
        self.processes.pop(process.pid, None)
        self._stories.pop(process.pid, None)
        if process.parent is not None:
            process.parent.children.pop(process.ordinal, None)
            self._slots.pop((process.parent.pid, process.parent.incarnation, process.ordinal), None)
        return process.end

    def _touch(self, process: AgentProcess) -> None:
        process.revision += 1
        process.updated_at = self.clock()

    def _move(
        self, process: AgentProcess, after: Status, why: str = "", wait: dict[str, Any] | None = None, by: int = 0
    ) -> bool:
        before = process.status
        if after not in MOVES[before]:
            raise InputError(f"a process that is {before} cannot become {after}", value=process.pid)
        process.status = after
        self._touch(process)
        if why:
            self._record(ProcessMoved(before, after, why, wait, by), pid=process.pid)
        self.listener(process, before)
        return True


def plain(value: Any) -> Any:
    """A copy as plain JSON."""
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise InputError(f"it is not plain JSON: {error}", value=type(value).__name__) from None
