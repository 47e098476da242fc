"""The process table: the only place where a process changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from terret.errors import InputError
from terret.journal import (
    MessageSent,
    ProcessEnded,
    ProcessMoved,
    ProcessReplaced,
)
from terret.runtime.process._beginnings import Beginnings, plain
from terret.runtime.process._mailbox import Message
from terret.runtime.process._process import AgentProcess, folder
from terret.runtime.process._status import (
    MOVES,
    SIGNALS,
    TERMINAL,
    End,
    Lease,
    Signal,
    Status,
    Token,
    Wait,
)

_RECORDED = frozenset({"event", "message", "child"})
"""Waits that no intent tells of."""


class ProcessTable(Beginnings):
    """All agent processes of one host, from start to end.

    Every change is a legal move of :data:`MOVES`, counts the row's ``revision`` and, unless an intent or outcome tells
    of it, is an event. Not safe to share between threads.

    Args:
        record: Takes the events; without it none are kept.
        clock: Unix seconds.
        past: The events of a run that is taken up again. A process that is started in the place it had then keeps its
            pid, messages and what it spent; if it had ended, it has ended.
    """

    # running

    def claim(self, process: AgentProcess, owner: str, lease_s: float | None = None) -> Lease | None:
        """Begin to run a process that is runnable; nothing when it is not. Older leases end."""
        if process.status != "runnable":
            return None
        process.epoch += 1
        process.owner = owner
        process.lease_until = None if lease_s is None else self.clock() + lease_s
        self._move(process, "running")
        return Lease(process.pid, owner, process.epoch, process.lease_until)

    def holds(self, lease: Lease) -> bool:
        """Whether a lease is in force."""
        process = self.processes.get(lease.pid)
        if process is None or not process.alive or process.epoch != lease.epoch or process.owner != lease.owner:
            return False
        return process.lease_until is None or self.clock() < process.lease_until

    def renew(self, lease: Lease, lease_s: float) -> Lease:
        """Prolong a lease from now.

        Raises:
            InputError: It has ended.
        """
        process = self._held(lease)
        process.lease_until = self.clock() + lease_s
        return msgspec.structs.replace(lease, until=process.lease_until)

    def expire(self) -> list[AgentProcess]:
        """Take back every process whose lease ran out; they are runnable again."""
        now = self.clock()
        late = [p for p in self.processes.values() if p.status == "running" and (p.lease_until or now + 1) <= now]
        for process in late:
            process.epoch += 1
            process.owner = ""
            self._move(process, "runnable", "lease_expired")
        return late

    def give_way(self, lease: Lease) -> None:
        """Go back to the other runnable processes; raises InputError when the lease has ended."""
        self._move(self._running(lease), "runnable")

    def wait(self, lease: Lease, wait: Wait, *, record: bool = True) -> Token:
        """Wait for something; :meth:`wake` with the token ends it.

        Raises:
            InputError: The lease has ended, or the process is not running.
        """
        process = self._running(lease)
        process.wait = wait
        process.generation += 1
        if wait.kind == "event":
            self._waiting.setdefault(wait.key, set()).add(process.pid)
        noted = record and wait.kind in _RECORDED
        self._move(process, wait.status, "wait" if noted else "", msgspec.to_builtins(wait) if noted else None)
        return Token(process.pid, process.generation)

    def wake(self, token: Token, why: str) -> bool:
        """End the wait a token names; whether there still was one. A paused process stays paused."""
        process = self.processes.get(token.pid)
        if process is None or process.generation != token.generation or process.wait is None:
            return False
        wait = self._unwait(process)
        noted = wait.kind in _RECORDED
        if process.status == "paused":
            if noted:
                self._record(ProcessMoved(wait.status, "paused", why), pid=process.pid)
            return True
        self._move(process, "runnable", why if noted else "")
        return True

    def post(self, name: str) -> int:
        """Wake every process that waits for an event of that name; returns how many."""
        waiting = sorted(self._waiting.pop(name, ()))
        return sum(self.wake(Token(pid, self.processes[pid].generation), "event") for pid in waiting)

    def exec(self, lease: Lease, image: str, goal: Any = None, *, keep: Iterable[str] | None = None) -> None:
        """Go on as another image: same pid, budget, mailbox and children, and at most the same authority.

        Raises:
            InputError: The lease has ended, or a capability in ``keep`` is not held.
        """
        process = self._running(lease)
        held = {capability.id for capability in process.authority.capabilities()}
        kept = held if keep is None else set(keep)
        if unknown := sorted(kept - held):
            raise InputError("no such capability", value=unknown[0], where=f"process {process.pid}")
        dropped = sorted(
            capability.id
            for capability in process.authority.capabilities()
            # A denial is no authority to give up.
            if capability.id not in kept and capability.effect != "deny"
        )
        for one in dropped:
            process.authority.revoke(one)
        process.image, process.goal = image, plain(goal)
        process.generation += 1
        self._touch(process)
        story = self._stories.get(process.pid)
        if story is None or story.take(ProcessReplaced) is None:
            self._record(ProcessReplaced(image, process.goal, sorted(process.tools), dropped), pid=process.pid)

    def chdir(self, lease: Lease, path: str) -> str:
        """Change the working directory; returns it. Raises InputError when it would be outside the workspace."""
        process = self._running(lease)
        process.cwd = folder(process.cwd, path)
        self._touch(process)
        return process.cwd

    def send(self, sender: AgentProcess | None, to: AgentProcess, topic: str, body: Any = None) -> None:
        """Put a message into a mailbox; processes write only within their family, the host (no sender) to anybody.

        Raises:
            InputError: The receiver has ended, is of another family, or its mailbox is full.
        """
        if not to.alive:
            raise InputError("the process has ended", value=to.pid)
        if sender is not None and sender.root is not to.root:
            raise InputError("the process is of another family", value=to.pid)
        body = plain(body)
        own = 0 if sender is None else sender.pid
        to.mailbox.put(Message(own, topic, body))
        self._record(MessageSent(to.pid, topic, body), pid=own)
        if to.wait is not None and to.wait.kind == "message":
            self.wake(Token(to.pid, to.generation), "message")

    # ending

    def finish(self, lease: Lease, result: Any = None) -> None:
        """Exit; what is left of its children is killed. Raises InputError when the lease has ended."""
        self.end(self._running(lease), "exited", result)

    def end(self, process: AgentProcess, status: Status, result: Any = None) -> None:
        """Bring a process and everything below it to an end; an ended one stays as it is.

        Raises:
            InputError: It cannot come to that end from where it is.
        """
        if not process.alive:
            return
        if status not in TERMINAL or status not in MOVES[process.status]:
            raise InputError(f"a process that is {process.status} cannot be {status}", value=process.pid)
        # From here on it counts as ended: nothing below it is restarted, nothing new begins.
        process.end = End(status, plain(result))
        for child in list(process.children.values()):
            self.end(child, "killed", {"error": "parent_ended"})
        if process.wait is not None:
            self._unwait(process)
        process.budget.settle()
        process.mailbox.clear()
        process.owner = ""
        process.epoch += 1
        self._record(ProcessEnded(status, process.end.result, process.budget.own()), pid=process.pid)
        self._move(process, status)
        up = process.parent
        if up is not None and up.wait == Wait("child", str(process.pid)):
            self.wake(Token(up.pid, up.generation), "child")

    # from outside

    def signal(
        self, process: AgentProcess, signal: Signal, *, by: AgentProcess | None = None, revision: int | None = None
    ) -> bool:
        """Pause, resume, interrupt, cancel or terminate; whether it had an effect.

        An interrupt ends a wait; a cancellation asks the process and everything below it to end; a termination ends
        them. With ``revision`` only a row that has not changed since is touched.

        Raises:
            InputError: ``by`` is no ancestor, the signal is unknown, or the row has changed.
        """
        self.check_signal(process, signal, by, revision)
        own = 0 if by is None else by.pid
        if signal == "pause":
            return "paused" in MOVES[process.status] and self._move(process, "paused", "pause", by=own)
        if signal == "resume":
            return self._resume(process, own)
        if signal == "interrupt":
            return process.wait is not None and self.wake(Token(process.pid, process.generation), "interrupt")
        if not process.alive:
            return False
        if signal == "terminate":
            self.end(process, "killed", {"error": "terminated", "by": own})
            return True
        for one in [process, *process.descendants()]:
            if one.alive:
                one.cancelled = True
                self._touch(one)
                self.listener(one, one.status)
        return True

    def check_signal(
        self, process: AgentProcess, signal: Signal, by: AgentProcess | None, revision: int | None
    ) -> None:
        """Make sure that a signal may be given; raises what :meth:`signal` raises."""
        if signal not in SIGNALS:
            raise InputError("unknown signal", value=signal, hint="use " + ", ".join(SIGNALS))
        if by is not None and by.pid not in process.lineage()[1:]:
            raise InputError("only an ancestor may signal a process", value=process.pid, where=f"process {by.pid}")
        if revision is not None and revision != process.revision:
            raise InputError("the process has changed", value=revision, hint=f"its revision is {process.revision}")

    def find(self, pid: int) -> AgentProcess:
        """The process of a number.

        Raises:
            InputError: There is none.
        """
        process = self.processes.get(pid)
        if process is None:
            raise InputError("there is no such process", value=pid)
        return process

    def suspend(self, process: AgentProcess, why: str) -> bool:
        """Put a live process aside until it is taken up again; whether it was one."""
        if "suspended" not in MOVES[process.status]:
            return False
        process.owner = ""
        process.epoch += 1
        return self._move(process, "suspended", why)

    # the inside

    def _resume(self, process: AgentProcess, by: int) -> bool:
        if process.status not in ("paused", "suspended"):
            return False
        waits = process.wait is not None and process.status == "paused"
        after: Status = process.wait.status if waits and process.wait is not None else "runnable"
        return self._move(process, after, "resume", by=by)

    def _held(self, lease: Lease) -> AgentProcess:
        if not self.holds(lease):
            raise InputError("the lease has ended", value=lease.pid, where=lease.owner, hint="claim the process anew")
        return self.processes[lease.pid]

    def _running(self, lease: Lease) -> AgentProcess:
        process = self._held(lease)
        if process.status != "running":
            raise InputError(f"the process is {process.status}, not running", value=lease.pid)
        return process

    def _unwait(self, process: AgentProcess) -> Wait:
        wait, process.wait = process.wait, None
        assert wait is not None
        process.generation += 1
        if wait.kind == "event" and (waiting := self._waiting.get(wait.key)) is not None:
            waiting.discard(process.pid)
            if not waiting:
                del self._waiting[wait.key]
        return wait
