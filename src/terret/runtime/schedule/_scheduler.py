"""One event loop that drives thousands of agent processes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from terret.errors import InputError, JournalError, TerretError
from terret.intervention import HumanQueue
from terret.journal import Event, EventData, Journal
from terret.permissions import Approvals, CapabilityTable
from terret.runtime.process import (
    AgentProcess,
    End,
    ProcessTable,
    Signal,
    Status,
    Supervision,
    Supervisor,
)
from terret.runtime.schedule._admission import Admission, Capacity, Pressure
from terret.runtime.schedule._journal import prepare
from terret.runtime.schedule._line import FairLine, Share
from terret.runtime.schedule._seat import Replace, Seat
from terret.runtime.schedule._timers import Timers

Body = Callable[[Seat], Awaitable[Any]]
"""What an agent process runs; what it returns, plain JSON, is the result of the process."""

_TOKENS_A_TURN = 1000.0


class Scheduler:
    """Runs processes: who may begin an effect next, who is woken, who is restarted, and how everything stops.

    A process takes nothing while it waits: no thread, no timer of its own, no polling. Use it within one event loop.

    Args:
        images: What the names of images stand for: a body, or a :class:`Supervision`.
        journal: Takes every event, and what it holds already is repeated: start the same roots in the same order.
        clock: Unix seconds.
        capacity: What may be under way at once.
        pressure: How loaded the machine is, for example :func:`host_pressure`; without it the machine is not looked at.
        shares: What tenants get.
        human: Whoever is asked where authority says ``ask``; with nobody there, such an effect is refused.
        name: Who holds the leases.
    """

    def __init__(
        self,
        images: Mapping[str, Body | Supervision],
        *,
        journal: Journal | None = None,
        clock: Callable[[], float] = time.time,
        capacity: Capacity | None = None,
        pressure: Callable[[], Pressure] | None = None,
        shares: Mapping[str, Share] | None = None,
        human: HumanQueue | None = None,
        name: str = "scheduler",
    ) -> None:
        self.images = dict(images)
        self.name = name
        self.human = human
        self.approvals = Approvals()
        """What was approved beyond one effect."""
        self.journal = journal
        past: Sequence[Event] = () if journal is None else journal.events()
        self.table = ProcessTable(record=self.record, clock=clock, past=past)
        self.table.listener = self._changed
        if journal is not None:
            prepare(journal)
        self.admission = Admission(capacity or Capacity(), pressure, clock)
        self.line: FairLine[Seat] = FairLine(shares)
        self.timers = Timers(clock, self._alarm)
        self.draining = False
        self.seats: dict[int, Seat] = {}
        self.supervisors: dict[int, Supervisor] = {}
        self._joins: dict[int, list[asyncio.Future[None]]] = {}
        self._granted: set[Seat] = set()
        self._idle: asyncio.Future[None] | None = None
        self._committing: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._ringing: asyncio.TimerHandle | None = None

    # starting and waiting

    def spawn(
        self,
        image: str,
        goal: Any = None,
        *,
        authority: CapabilityTable | None = None,
        tools: Sequence[str] = (),
        limits: Mapping[str, float] | None = None,
        tenant: str = "",
        priority: int = 0,
        cwd: str = ".",
    ) -> AgentProcess:
        """Start a root process with the authority the host gives it.

        Raises:
            InputError: The image is unknown, or the scheduler is stopping.
            Diverged: The journal holds another process in its place.
        """
        self.known(image)
        return self.begin(
            self.table.spawn(
                image, goal, authority=authority, tools=tools, limits=limits, tenant=tenant, priority=priority, cwd=cwd
            )
        )

    def begin(self, process: AgentProcess) -> AgentProcess:
        """Begin to run a process the table holds; one that has ended has ended."""
        if not process.alive or self.draining:
            return process
        plan = self.images[process.image]
        if isinstance(plan, Supervision):
            self._supervise(process, plan)
            return process
        seat = self.seats[process.pid] = Seat(self, process)
        seat.task = asyncio.get_running_loop().create_task(self._drive(seat, plan))
        self._tasks.add(seat.task)
        seat.task.add_done_callback(self._tasks.discard)
        return process

    def known(self, image: str) -> None:
        """Make sure of an image.

        Raises:
            InputError: It is unknown.
        """
        if image not in self.images:
            raise InputError("unknown image", value=image, hint="use one of " + ", ".join(sorted(self.images)))

    async def join(self, process: AgentProcess) -> End | None:
        """How a process ended; nothing when it was put aside by a shutdown."""
        while process.alive and process.status != "suspended":
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._joins.setdefault(process.pid, []).append(future)
            await future
        return process.end

    def signal(
        self, process: AgentProcess, signal: Signal, *, by: AgentProcess | None = None, revision: int | None = None
    ) -> bool:
        """Signal a process, as the host or an ancestor; see :meth:`ProcessTable.signal`."""
        seat = self.seats.get(process.pid)
        if signal == "interrupt" and seat is not None and process.wait is not None:
            self.table.check_signal(process, signal, by, revision)
            return self._interrupt(seat)
        done = self.table.signal(process, signal, by=by, revision=revision)
        if done and signal == "resume" and seat is None and process.pid not in self.supervisors:
            self.begin(process)
        return done

    def tick(self) -> int:
        """End the waits whose time has come; needed only when the clock is not the real one."""
        return self.timers.ring()

    # stopping

    async def drain(self, timeout_s: float | None = None) -> dict[str, int]:
        """Stop so that everything can be taken up again: begin no effect, let those under way end, put the rest aside.

        Effects that are not over after ``timeout_s`` seconds are cut off; their outcome is unknown. Returns how many
        processes were ``suspended`` and how many effects were ``cut``.

        Raises:
            JournalWriteFailed: The last events could not be made durable.
        """
        self.draining = True
        if self.admission.effects:
            self._idle = asyncio.get_running_loop().create_future()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle, timeout_s)
            self._idle = None
        cut = self.admission.effects
        live = [process for process in self.table.processes.values() if process.alive]
        suspended = sum(self.table.suspend(process, "shutdown") for process in live)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._ringing is not None:
            # The loop may live on, and would hold all of this until then.
            self._ringing.cancel()
        if self.journal is not None:
            self.journal.commit()
        return {"suspended": suspended, "cut": cut}

    # for seats

    def record(self, data: EventData, *, pid: int = 0, durable: bool = False) -> object:
        """Give an event to the journal."""
        return None if self.journal is None else self.journal.append(data, pid=pid, durable=durable)

    async def durable(self) -> None:
        """Return when everything recorded so far is durable; whoever asks in one turn of the loop shares a commit.

        Raises:
            JournalWriteFailed: It could not be made durable; nothing is lost from memory.
        """
        if self.journal is None:
            return
        loop = asyncio.get_running_loop()
        if not self._committing:
            loop.call_soon(self._commit)
        future: asyncio.Future[None] = loop.create_future()
        self._committing.append(future)
        await future

    def scrubbed(self, data: EventData) -> EventData:
        """An event as the journal would hold it."""
        return data if self.journal is None else self.journal.scrubbed(data)

    async def admit(self, seat: Seat, tokens: float) -> None:
        """Return when an effect of a process may begin; give it back with :meth:`leave`."""
        process = seat.process
        # An effect that never suspends must not keep everybody else from asking.
        await asyncio.sleep(0)
        await seat.resume()
        if not self.draining and not self._refuse(tokens) and self.line.pass_by(process.tenant, _cost(tokens)):
            self.admission.begin(tokens)
            return
        seat.tokens = tokens
        while True:
            await self._stand_in_line(seat)
            try:
                if process.status == "runnable":
                    await seat.resume()
                    return
            except BaseException:
                self.leave(seat, tokens)
                raise
            # It was paused while it stood in line: let the next one in.
            self.leave(seat, tokens)
            await seat.resume()

    def leave(self, seat: Seat, tokens: float) -> None:
        """An effect has ended, or will not begin."""
        self.admission.end(tokens)
        self.line.done(seat.process.tenant)
        self._dispatch()
        if self._idle is not None and not self._idle.done() and not self.admission.effects:
            self._idle.set_result(None)

    # the inside

    def _commit(self) -> None:
        waiting, self._committing = self._committing, []
        failure: JournalError | None = None
        try:
            if self.journal is not None:
                self.journal.commit()
        except JournalError as error:
            failure = error
        for future in waiting:
            if future.done():
                continue
            if failure is None:
                future.set_result(None)
            else:
                future.set_exception(failure)

    def _refuse(self, tokens: float) -> str:
        why = self.admission.why_not(tokens)
        if why:
            self.admission.refused[why] = self.admission.refused.get(why, 0) + 1
        return why

    async def _stand_in_line(self, seat: Seat) -> None:
        process = seat.process
        self.table.give_way(await seat.resume())
        self.line.put(seat, process.tenant, process.priority)
        self._dispatch()
        try:
            while seat not in self._granted:
                await seat.woken()
        except BaseException:
            if seat in self._granted:
                self.leave(seat, seat.tokens)
            else:
                self.line.drop(seat, process.tenant)
            raise
        finally:
            self._granted.discard(seat)

    def _dispatch(self) -> None:
        while not self.draining and (seat := self.line.peek()) is not None and not self._refuse(seat.tokens):
            self.line.take(_cost(seat.tokens))
            self.admission.begin(seat.tokens)
            self._granted.add(seat)
            seat.wake()

    async def _drive(self, seat: Seat, body: Body) -> None:
        process = seat.process
        status: Status = "failed"
        result: Any = None
        while True:
            try:
                await seat.resume()
                result = await body(seat)
                await seat.resume()
                status = "exited"
            except Replace as wanted:
                self.table.exec(await seat.resume(), wanted.image, wanted.goal, keep=wanted.keep)
                plan = self.images[wanted.image]
                if isinstance(plan, Supervision):
                    self.seats.pop(process.pid, None)
                    self._supervise(process, plan)
                    return
                body = plan
                continue
            except asyncio.CancelledError:
                if not process.alive or process.status == "suspended":
                    raise
                status, result = "killed", {"error": "cancelled"}
            except TerretError as error:
                result = {"error": error.code, "message": str(error)}
            except Exception as error:
                result = {"error": type(error).__name__, "message": str(error)}
            break
        if process.alive and process.status != "suspended":
            if status == "exited":
                self._end_as(process, status, result)
            else:
                self.table.end(process, status, result)

    def _end_as(self, process: AgentProcess, status: Status, result: Any) -> None:
        try:
            self.table.end(process, status, result)
        except InputError as error:
            # What it returned is not plain JSON.
            self.table.end(process, "failed", {"error": error.code, "message": str(error)})

    def _changed(self, process: AgentProcess, before: Status) -> None:
        seat = self.seats.get(process.pid)
        if not process.alive:
            self._ended(process, seat)
        elif process.status == "suspended":
            self._release(process.pid)
        elif seat is not None and process.cancelled:
            if seat.task is not None and seat.task is not _current():
                seat.task.cancel()
        elif seat is not None and process.status == "runnable" and before != "running":
            seat.wake()

    def _ended(self, process: AgentProcess, seat: Seat | None) -> None:
        self.seats.pop(process.pid, None)
        self.supervisors.pop(process.pid, None)
        if seat is not None and seat.task is not None and seat.task is not _current():
            seat.task.cancel()
        self._release(process.pid)
        up = process.parent
        if up is not None and (supervisor := self.supervisors.get(up.pid)) is not None and not self.draining:
            for again in supervisor.ended(process):
                self.begin(again)

    def _release(self, pid: int) -> None:
        for future in self._joins.pop(pid, ()):
            if not future.done():
                future.set_result(None)

    def _supervise(self, process: AgentProcess, plan: Supervision) -> None:
        for child in plan.children:
            self.known(child.image)
        supervisor = self.supervisors[process.pid] = Supervisor(self.table, process, plan)
        for child in supervisor.start():
            self.begin(child)

    def _interrupt(self, seat: Seat) -> bool:
        wait = seat.process.wait
        assert wait is not None
        if wait.kind in ("tool", "human"):
            seat.interrupted = True
            assert seat.task is not None
            return seat.task.cancel()
        return seat.interrupt()

    def _alarm(self, seconds: float) -> None:
        if self._ringing is not None:
            self._ringing.cancel()
        self._ringing = asyncio.get_running_loop().call_later(seconds, self.tick)


def _cost(tokens: float) -> float:
    return 1 + tokens / _TOKENS_A_TURN


def _current() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
