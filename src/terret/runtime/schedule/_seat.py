"""What the body of an agent process acts through: effects, waits, children and messages, all resumable."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from terret.errors import InputError
from terret.journal import Denied, MessageSent, Outcome, ProcessMoved
from terret.permissions import Demand, Resource
from terret.runtime._classes import Act
from terret.runtime.process import TERMINAL, AgentProcess, End, Lease, Message, Signal, Story, Token, Wait
from terret.runtime.schedule._effect import Effect, Interrupted

if TYPE_CHECKING:
    from terret.runtime.schedule._scheduler import Scheduler


class Replace(BaseException):
    """Unwinds a body that goes on as another image; passes every ``except Exception``."""

    def __init__(self, image: str, goal: Any, keep: Iterable[str] | None) -> None:
        super().__init__(image)
        self.image = image
        self.goal = goal
        self.keep = keep


class Seat:
    """The place of one running process. A body uses it from one task, one call at a time.

    A body that is taken up again runs from its start: what it did comes from the record, then it goes on. So it may
    depend on nothing but its goal and what the seat gave it.

    Attributes:
        process: The process.
    """

    __slots__ = ("_busy", "_future", "_lease", "_waking", "count", "host", "interrupted", "process", "task", "tokens")

    def __init__(self, host: Scheduler, process: AgentProcess) -> None:
        self.host = host
        self.process = process
        self.task: asyncio.Task[None] | None = None
        self.count = 0
        self.tokens = 0.0
        """What it asks for while it stands in line."""
        self.interrupted = False
        self._lease: Lease | None = None
        self._future: asyncio.Future[None] | None = None
        self._waking = ""
        self._busy = False

    @property
    def goal(self) -> Any:
        """What the process is to do."""
        return self.process.goal

    # effects

    async def effect(
        self,
        primitive: str,
        resource: str | Resource,
        right: str,
        args: dict[str, Any],
        act: Act,
        *,
        also: Sequence[Demand] = (),
        reserve: Mapping[str, float] | None = None,
        key: str | None = None,
    ) -> Outcome:
        """Authorise, reserve, stand in line, record the intent, act, record the outcome, book what it came to.

        ``reserve`` is the most it can cost; the usage that ``act`` returns is what it did cost. With a ``key`` by which
        the other side knows it again, an effect of unknown outcome is repeated. ``also`` are further rights it takes.
        Where authority says ``ask``, the scheduler's human is asked, or it is refused.

        Raises:
            ToolFailure: Authority refused it, it was impossible, or its outcome is unknown and it may not be repeated.
            BudgetExhausted: What it can cost does not fit, here or up the tree.
            Interrupted: A signal ended it.
        """
        every = (Demand(_resource(resource), right), *also)
        return await self.effect_of(primitive, every, args, act, reserve=reserve, key=key)

    async def effect_of(
        self,
        primitive: str,
        demands: Sequence[Demand],
        args: dict[str, Any],
        act: Act,
        *,
        reserve: Mapping[str, float] | None = None,
        key: str | None = None,
    ) -> Outcome:
        """As :meth:`effect`, with all the rights it takes; raises what that raises."""
        with self._turn():
            await self.resume()
            return await Effect(self, primitive, demands, args, reserve or {}, key).carry_out(act)

    async def sleep(self, seconds: float) -> None:
        """Wait so long by the table's clock; raises Interrupted when a signal ends it early."""
        with self._turn():
            await self.resume()
            until = self.host.table.clock() + seconds
            effect = Effect(self, "clock.wait", (), {"until": round(until, 6)}, {}, None)
            await effect.wait_until()

    # waits

    async def receive(self, timeout_s: float | None = None) -> Message | None:
        """The oldest message, or nothing after a time-out; raises Interrupted when a signal ends the wait."""
        with self._turn():
            if await self._until(Wait("message", until=self._deadline(timeout_s)), len(self.process.mailbox) > 0):
                return self.process.mailbox.take()
            return None

    async def wait_event(self, name: str, timeout_s: float | None = None) -> bool:
        """Wait until the host posts an event; whether it did before the time-out."""
        with self._turn():
            return await self._until(Wait("event", name, self._deadline(timeout_s)), False)

    async def wait_child(self, pid: int) -> End:
        """How a child ended; waits for it and takes it out of the table.

        Raises:
            InputError: There is no such child.
            Interrupted: A signal ended the wait.
        """
        with self._turn():
            child = self._child(pid)
            if child.alive:
                await self._until(Wait("child", str(pid)), False, ready=lambda: not child.alive)
            else:
                await self._until(Wait("child", str(pid)), True)
            return self.host.table.reap(child)

    # children and neighbours

    async def spawn(
        self,
        image: str,
        goal: Any = None,
        *,
        keep: Iterable[str] = (),
        tools: Iterable[str] = (),
        limits: Mapping[str, float] | None = None,
        priority: int | None = None,
        cwd: str = ".",
    ) -> int:
        """Start a child with the capabilities and tools named, and nothing else; returns its pid.

        Raises:
            InputError: Something would be wider than its parent's, or the image is unknown.
            BudgetExhausted: There may be no more ``processes``.
            ToolFailure: The process may not spawn: right ``spawn`` on ``process:IMAGE``.
        """
        with self._turn():
            await self._may("spawn", image)
            made = self.host.table.spawn(
                image,
                goal,
                parent=self.process,
                keep=keep,
                tools=tools,
                limits=limits,
                priority=self._priority(priority),
                cwd=cwd,
            )
            return self.host.begin(made).pid

    async def fork(
        self,
        goal: Any = None,
        *,
        image: str | None = None,
        keep: Iterable[str] | None = None,
        tools: Iterable[str] | None = None,
        limits: Mapping[str, float] | None = None,
        priority: int | None = None,
        cwd: str = ".",
    ) -> int:
        """Start a child like this process, with everything that may be handed on or what ``keep`` names of it.

        Raises what :meth:`spawn` raises.
        """
        with self._turn():
            await self._may("spawn", image or self.process.image)
            made = self.host.table.fork(
                self.process,
                goal,
                image=image,
                keep=keep,
                tools=tools,
                limits=limits,
                priority=self._priority(priority),
                cwd=cwd,
            )
            return self.host.begin(made).pid

    def exec(self, image: str, goal: Any = None, *, keep: Iterable[str] | None = None) -> NoReturn:
        """Go on as another image, with the capabilities in ``keep`` or all; does not return."""
        self.host.known(image)
        raise Replace(image, goal, keep)

    async def send(self, pid: int, topic: str, body: Any = None) -> None:
        """Send a message within the family.

        Raises:
            InputError: The receiver is unknown, has ended or is of another family, or its mailbox is full.
        """
        with self._turn():
            await self.resume()
            if self.story is not None and self.story.take(MessageSent) is not None:
                return
            self.host.table.send(self.process, self.host.table.find(pid), topic, body)

    async def signal(self, pid: int, signal: Signal) -> bool:
        """Signal a descendant; raises InputError when it is none.

        Who repeats a record does not signal again: what came of it is on the record.
        """
        with self._turn():
            await self.resume()
            if self.replaying:
                return True
            return self.host.signal(self.host.table.find(pid), signal, by=self.process)

    async def chdir(self, path: str) -> str:
        """Change the working directory; raises InputError when it would be outside the workspace."""
        with self._turn():
            return self.host.table.chdir(await self.resume(), path)

    # for the scheduler

    @property
    def story(self) -> Story | None:
        """What it did in the run that is taken up again."""
        return self.host.table.story(self.process)

    @property
    def replaying(self) -> bool:
        """Whether there is still some of it to repeat."""
        story = self.story
        return story is not None and bool(story.stream)

    async def resume(self) -> Lease:
        """The lease, once the process may run: after a pause, or when it was woken.

        Raises:
            CancelledError: It was cancelled.
            InputError: It has ended or was put aside; nothing it does counts any more.
        """
        table, process = self.host.table, self.process
        while process.status != "running" or self._lease is None or not table.holds(self._lease):
            if process.cancelled:
                raise asyncio.CancelledError
            if process.status in TERMINAL or process.status == "suspended":
                raise InputError(f"the process is {process.status}", value=process.pid)
            self._lease = table.claim(process, self.host.name)
            if self._lease is None:
                await self.woken()
        if process.cancelled:
            raise asyncio.CancelledError
        return self._lease

    async def woken(self) -> None:
        """Sleep until :meth:`wake`."""
        self._future = asyncio.get_running_loop().create_future()
        try:
            await self._future
        finally:
            self._future = None

    def wake(self) -> None:
        """Go on."""
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    async def pause_for(self, wait: Wait, *, record: bool) -> str:
        """Wait for something; why the wait ended: what it was for, ``timeout`` or ``interrupt``."""
        table = self.host.table
        token = table.wait(await self.resume(), wait, record=record)
        timer = rung = None
        if wait.until is not None:
            rung = asyncio.Event()
            timer = self.host.timers.at(wait.until, lambda: (rung.set(), self.end_wait(token, "timeout")))
        try:
            while self.process.wait is not None and self.process.generation == token.generation:
                await self.woken()
        finally:
            if timer is not None and rung is not None and not rung.is_set():
                self.host.timers.cancel(timer)
        await self.resume()
        why, self._waking = self._waking, ""
        return why or wait.kind

    def end_wait(self, token: Token, why: str) -> bool:
        """End a wait for another reason than what it was for; whether there still was one."""
        if self.process.generation == token.generation and self.process.wait is not None:
            self._waking = why
        return self.host.table.wake(token, why)

    def interrupt(self) -> bool:
        """End its wait; whether there was one."""
        return self.end_wait(Token(self.process.pid, self.process.generation), "interrupt")

    # the inside

    async def _until(self, wait: Wait, now: bool, ready: Any = None) -> bool:
        await self.resume()
        story = self.story
        waited = story is not None and story.take_wait(wait)
        if waited and story is not None and story.stream:
            moved = story.take(ProcessMoved)
            assert isinstance(moved, ProcessMoved)
            why = moved.why
            # What it waited for may come later in this run than it did in that one.
            while ready is not None and why == wait.kind and not ready():
                await self.pause_for(wait, record=False)
        elif now or (story is not None and story.stream):
            why = wait.kind
            while ready is not None and not ready():
                await self.pause_for(wait, record=False)
        else:
            why = await self.pause_for(wait, record=not waited)
        if why == "interrupt":
            raise Interrupted("a signal ended the wait")
        return why != "timeout"

    def _deadline(self, timeout_s: float | None) -> float | None:
        return None if timeout_s is None else round(self.host.table.clock() + timeout_s, 6)

    def _child(self, pid: int) -> AgentProcess:
        for child in self.process.children.values():
            if child.pid == pid:
                return child
        raise InputError("there is no such child", value=pid, where=f"process {self.process.pid}")

    def _priority(self, priority: int | None) -> int | None:
        """A process cannot raise its children above itself."""
        return None if priority is None else min(priority, self.process.priority)

    async def _may(self, right: str, image: str) -> None:
        await self.resume()
        self.host.known(image)
        args = {"image": image, "child": self.process.spawned}
        taken = (Demand(Resource.of("process", image), right),)
        effect = Effect(self, f"process.{right}", taken, args, {}, None)
        head = self.story.stream[0] if self.story is not None and self.story.stream else None
        if head is None or (isinstance(head, Denied) and (head.primitive, head.args) == (effect.primitive, args)):
            await effect.permit()

    def _turn(self) -> _Turn:
        if self._busy:
            raise InputError("a process does one thing at a time", value=self.process.pid, hint="fork for more")
        return _Turn(self)

    def busy(self, now: bool) -> None:
        """Note whether a call is under way."""
        self._busy = now

    def describe(self) -> dict[str, Any]:
        """The row, and what the scheduler adds."""
        return {**self.process.row(), "effects": self.count, "wait": msgspec.to_builtins(self.process.wait)}


class _Turn:
    __slots__ = ("_seat",)

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def __enter__(self) -> None:
        self._seat.busy(True)

    def __exit__(self, *_: object) -> None:
        self._seat.busy(False)


def _resource(resource: str | Resource) -> Resource:
    """As a resource; a malformed one is kept as it is, for the table to refuse it."""
    if not isinstance(resource, str):
        return resource
    try:
        return Resource.parse(resource)
    except InputError:
        return Resource(resource, ())
