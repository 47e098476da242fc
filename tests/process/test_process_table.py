"""The process table through its public face: legal moves, fences, lineage, authority."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terret.errors import BudgetExhausted, InputError
from terret.journal import Event, MessageSent, ProcessEnded, ProcessMoved, ProcessStarted
from terret.permissions import CapabilityTable
from terret.runtime.process import MOVES, TERMINAL, AgentProcess, Lease, ProcessTable, Token, Wait


class Ticking:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def authority() -> CapabilityTable:
    table = CapabilityTable("host")
    table.grant("fs:src/**", ["read", "write"], depth=2)
    table.grant("net:host", ["connect"])
    table.grant("fs:src/secret", ["read"], "deny")
    return table


OPS = ["claim", "give_way", "wait", "wake", "finish", "fail", "pause", "resume", "interrupt", "cancel", "terminate"]
OPS += ["suspend", "spawn", "fork", "send", "post", "restart", "reap", "expire", "exec"]


class Walk:
    """Applies operations blindly and notes every change of a status."""

    def __init__(self) -> None:
        self.clock = Ticking()
        self.events: list[tuple[int, Any]] = []
        self.table = ProcessTable(record=self.keep, clock=self.clock)
        self.seen: dict[int, tuple[str, int]] = {}
        self.table.listener = self.changed
        self.leases: dict[int, Lease] = {}
        self.tokens: dict[int, Token] = {}
        self.all: list[AgentProcess] = [self.table.spawn("root", authority=authority(), limits={"processes": 9})]

    def keep(self, data: Any, *, pid: int = 0, durable: bool = False) -> None:
        self.events.append((pid, data))

    def changed(self, process: AgentProcess, before: str) -> None:
        last, made = self.seen.get(process.pid, ("created", 0))
        if process.incarnation == made:
            assert before == last or before == process.status, "a change was not told"
            assert process.status in MOVES[before] or process.status == before, f"{before} -> {process.status}"
        else:
            assert last in TERMINAL
            assert process.status == "created"
        self.seen[process.pid] = (process.status, process.incarnation)

    def do(self, op: str, at: int) -> None:
        process = self.all[at % len(self.all)]
        if process.pid not in self.table.processes:
            return
        revision = process.revision
        before = process.status
        try:
            self.apply(op, process)
        except (InputError, BudgetExhausted):
            assert process.status == before, "a refused operation changed the process"
        assert process.revision >= revision
        assert (process.end is not None) == (process.status in TERMINAL)
        assert (process.wait is not None) <= (process.status.startswith("waiting") or process.status in HELD)

    def apply(self, op: str, process: AgentProcess) -> None:
        lease = self.leases.get(process.pid, Lease(process.pid, "nobody", 0))
        if op in ("pause", "resume", "interrupt", "cancel", "terminate"):
            self.table.signal(process, op)
        else:
            getattr(self, op)(process, lease)

    def claim(self, process: AgentProcess, _: Lease) -> None:
        if (made := self.table.claim(process, "me", 5.0)) is not None:
            self.leases[process.pid] = made

    def give_way(self, _: AgentProcess, lease: Lease) -> None:
        self.table.give_way(lease)

    def finish(self, _: AgentProcess, lease: Lease) -> None:
        self.table.finish(lease)

    def fail(self, process: AgentProcess, _: Lease) -> None:
        self.table.end(process, "failed", {"error": "E"})

    def wait(self, process: AgentProcess, lease: Lease) -> None:
        self.tokens[process.pid] = self.table.wait(lease, Wait("message" if process.pid % 2 else "event", "go"))

    def wake(self, process: AgentProcess, _: Lease) -> None:
        self.table.wake(self.tokens.get(process.pid, Token(process.pid, -1)), "message")

    def suspend(self, process: AgentProcess, _: Lease) -> None:
        self.table.suspend(process, "test")

    def spawn(self, process: AgentProcess, _: Lease) -> None:
        if len(self.all) < 12:
            self.all.append(self.table.spawn("child", parent=process))

    def fork(self, process: AgentProcess, _: Lease) -> None:
        if len(self.all) < 12:
            self.all.append(self.table.fork(process))

    def send(self, process: AgentProcess, _: Lease) -> None:
        self.table.send(None, process, "hello", 1)

    def post(self, *_: object) -> None:
        self.table.post("go")

    def restart(self, process: AgentProcess, _: Lease) -> None:
        self.table.restart(process)

    def reap(self, process: AgentProcess, _: Lease) -> None:
        self.table.reap(process)

    def exec(self, _: AgentProcess, lease: Lease) -> None:
        self.table.exec(lease, "other")

    def expire(self, *_: object) -> None:
        self.clock.now += 3
        self.table.expire()


HELD = ("paused", "suspended")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(OPS), st.integers(0, 11)), max_size=60))
def test_no_sequence_of_operations_makes_an_illegal_move(steps: list[tuple[str, int]]) -> None:
    walk = Walk()
    for op, at in steps:
        walk.do(op, at)
    walk.table.end(walk.all[0], "killed")
    assert not any(process.alive for process in walk.table.processes.values()), "a child outlived its parent"
    ends = [pid for pid, data in walk.events if isinstance(data, ProcessEnded)]
    starts = [pid for pid, data in walk.events if isinstance(data, ProcessStarted)]
    assert sorted(ends) == sorted(starts), "every incarnation ends once"


def running(table: ProcessTable, **options: Any) -> tuple[AgentProcess, Lease]:
    process = table.spawn("root", authority=authority(), **options)
    lease = table.claim(process, "one")
    assert lease is not None
    return process, lease


def test_nothing_leads_out_of_an_end_and_every_status_is_in_the_table() -> None:
    assert all(not MOVES[status] for status in TERMINAL)
    assert {after for moves in MOVES.values() for after in moves} | {"created"} == set(MOVES)


def test_an_older_lease_can_change_nothing() -> None:
    clock = Ticking()
    table = ProcessTable(clock=clock)
    process = table.spawn("root")
    old = table.claim(process, "zombie", 5.0)
    assert old is not None
    clock.now += 6
    assert not table.holds(old)
    assert table.expire() == [process]
    new = table.claim(process, "worker", 5.0)
    assert new is not None
    for act in (lambda: table.finish(old), lambda: table.wait(old, Wait("message")), lambda: table.renew(old, 9)):
        with pytest.raises(InputError, match="the lease has ended"):
            act()
    table.finish(table.renew(new, 5.0), {"done": True})
    assert process.end is not None
    assert process.end.result == {"done": True}


def test_a_wake_up_for_an_earlier_wait_does_not_end_a_later_one() -> None:
    table = ProcessTable()
    process, lease = running(table)
    first = table.wait(lease, Wait("event", "a"))
    assert table.wake(first, "event")
    again = table.claim(process, "one")
    assert again is not None
    table.wait(again, Wait("event", "a"))
    assert not table.wake(first, "event")
    assert process.status == "waiting_event"
    assert table.post("b") == 0
    assert table.post("a") == 1


def test_a_pause_keeps_the_wait_and_a_wake_up_meanwhile_counts() -> None:
    table = ProcessTable()
    process, lease = running(table)
    token = table.wait(lease, Wait("human", "q1"))
    table.signal(process, "pause")
    table.signal(process, "resume")
    assert process.status == "waiting_human"
    table.signal(process, "pause")
    assert table.wake(token, "human")
    assert process.status == "paused"
    table.signal(process, "resume")
    assert process.status == "runnable"


def test_a_signal_for_a_row_that_has_changed_is_refused() -> None:
    table = ProcessTable()
    process = table.spawn("root")
    seen = process.revision
    table.signal(process, "pause")
    with pytest.raises(InputError, match="the process has changed"):
        table.signal(process, "terminate", revision=seen)
    assert process.alive


def test_only_ancestors_signal_and_only_the_family_writes() -> None:
    table = ProcessTable()
    root, _ = running(table)
    child, other = table.fork(root), table.fork(root)
    stranger = table.spawn("stranger")
    with pytest.raises(InputError, match="only an ancestor"):
        table.signal(other, "terminate", by=child)
    with pytest.raises(InputError, match="another family"):
        table.send(stranger, child, "hello")
    table.send(other, child, "hello", {"n": 1})
    message = child.mailbox.take()
    assert message is not None
    assert (message.sender, message.body) == (other.pid, {"n": 1})
    assert table.signal(child, "terminate", by=root)


def test_a_full_mailbox_refuses_and_drops_nothing() -> None:
    table = ProcessTable()
    process = table.spawn("root")
    for number in range(process.mailbox.capacity):
        table.send(None, process, "n", number)
    with pytest.raises(InputError, match="the mailbox is full"):
        table.send(None, process, "n", -1)
    taken = [message.body for _ in range(process.mailbox.capacity) if (message := process.mailbox.take())]
    assert taken == list(range(process.mailbox.capacity))


def test_a_fork_has_at_most_what_may_be_handed_on() -> None:
    table = ProcessTable()
    root, _ = running(table, tools=["read_file", "run"])
    child = table.fork(root, tools=["read_file"])
    grandchild = table.fork(child)
    third = table.fork(grandchild)
    assert child.authority.decide("fs:src/a.py", "write").effect == "allow"
    assert grandchild.authority.decide("fs:src/a.py", "write").effect == "allow"
    assert third.authority.decide("fs:src/a.py", "write").effect == "deny", "it was handed on twice already"
    assert child.authority.decide("net:host", "connect").effect == "deny", "it may not be handed on"
    assert child.authority.decide("fs:src/secret", "read").effect == "deny"
    assert table.spawn("helper", parent=root).authority.decide("fs:src/a.py", "read").effect == "deny"
    with pytest.raises(InputError, match="no such tool"):
        table.fork(child, tools=["run"])


def test_exec_keeps_pid_and_budget_and_gives_authority_up() -> None:
    table = ProcessTable()
    process, lease = running(table, limits={"tokens": 10})
    process.budget.spend(tokens=4)
    keep = [one.id for one in process.authority.capabilities() if one.resource == "net:host"]
    table.exec(lease, "other", {"n": 1}, keep=keep)
    assert (process.pid, process.image, process.budget.left("tokens")) == (1, "other", 6)
    assert process.authority.decide("fs:src/a.py", "read").effect == "deny"
    assert process.authority.decide("net:host", "connect").effect == "allow"


def test_a_restart_resets_nothing_that_was_spent() -> None:
    table = ProcessTable()
    root, _ = running(table, limits={"tokens": 10})
    child = table.fork(root, limits={"tokens": 6})
    child.budget.spend(tokens=5)
    table.end(child, "failed")
    table.restart(child)
    assert child.incarnation == 1
    with pytest.raises(BudgetExhausted):
        child.budget.reserve(tokens=2)


def test_a_working_directory_stays_in_the_workspace() -> None:
    table = ProcessTable()
    process, lease = running(table, cwd="src")
    assert table.chdir(lease, "../docs/./a") == "docs/a"
    assert table.fork(process, cwd="b").cwd == "docs/a/b"
    for path in ("/etc", "../../..", "../../../docs"):
        with pytest.raises(InputError, match="out of the workspace"):
            table.chdir(lease, path)


def test_the_record_tells_the_life_of_a_process() -> None:
    kept: list[tuple[int, Any]] = []
    table = ProcessTable(record=lambda data, *, pid=0, durable=False: kept.append((pid, data)))
    root, lease = running(table, tenant="team")
    table.wait(lease, Wait("message"))
    table.send(None, root, "go")
    table.signal(root, "terminate")
    assert [(pid, type(data)) for pid, data in kept] == [
        (1, ProcessStarted),
        (1, ProcessMoved),
        (0, MessageSent),
        (1, ProcessMoved),
        (1, ProcessEnded),
    ]
    assert kept[0][1].authority[0]["resource"] == "fs:src/**"


def test_what_is_taken_up_again_keeps_pids_messages_and_what_was_spent() -> None:
    kept: list[Event] = []

    def keep(data: Any, *, pid: int = 0, durable: bool = False) -> None:
        kept.append(Event(len(kept), 1.0, "ep", pid, data, [], "", ""))

    table = ProcessTable(record=keep)
    root, _ = running(table, limits={"tokens": 10})
    ended = table.fork(root, {"n": 0})
    waiting = table.fork(root, {"n": 1})
    ended.budget.spend(tokens=3)
    table.claim(ended, "me")
    table.end(ended, "exited", "done")
    table.send(root, waiting, "hint", 7)
    again = ProcessTable(past=kept)
    root2, _ = running(again, limits={"tokens": 10})
    assert (root2.pid, root2.budget.left("tokens")) == (root.pid, 7)
    first, second = again.fork(root2, {"n": 0}), again.fork(root2, {"n": 1})
    assert (first.pid, second.pid) == (ended.pid, waiting.pid)
    assert first.end is not None
    assert first.end.result == "done"
    assert len(second.mailbox) == 1
    assert again.fork(root2).pid == max(ended.pid, waiting.pid) + 1
