"""Budgets shared down the tree: nothing is spent that an ancestor does not have, in any interleaving."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terret.errors import BudgetExhausted, InputError
from terret.permissions import CapabilityTable
from terret.runtime.process import Account, AgentProcess, Hold
from terret.runtime.schedule import Capacity, Scheduler, Seat


def conserved(accounts: list[Account], limit: float) -> None:
    for account in accounts:
        used, held = account.used().get("tokens", 0.0), account.reserved().get("tokens", 0.0)
        bound = account.limits().get("tokens", limit)
        assert used + held <= bound
        below = [one for one in accounts if one.parent is account]
        assert sum(one.used().get("tokens", 0.0) for one in below) <= used
        assert sum(one.reserved().get("tokens", 0.0) for one in below) <= held


AMOUNT = st.one_of(st.integers(0, 60), st.sampled_from([0.1, 0.2, 0.3, 1e-6, 33.333333]))
OP = st.tuples(st.sampled_from(["reserve", "commit", "over", "release", "spend", "settle", "child"]), st.integers(0, 9))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(OP, AMOUNT), max_size=80))
def test_no_interleaving_spends_more_than_the_grant(steps: list[tuple[tuple[str, int], float]]) -> None:
    accounts = [Account({"tokens": 100})]
    holds: list[tuple[Account, Hold]] = []
    for (op, at), amount in steps:
        account = accounts[at % len(accounts)]
        try:
            if op == "reserve":
                holds.append((account, account.reserve(tokens=amount)))
            elif op == "spend":
                account.spend(tokens=amount)
            elif op == "settle":
                account.settle()
            elif op == "child" and len(accounts) < 10:
                accounts.append(Account({"tokens": amount} if at % 2 else None, account))
            elif holds and op in ("commit", "over", "release"):
                owner, hold = holds.pop(at % len(holds))
                spent = hold.amounts.get("tokens", 0.0)
                if op == "release":
                    owner.release(hold)
                else:
                    owner.commit(hold, tokens=spent / 2 if op == "commit" else spent + amount)
        except (BudgetExhausted, InputError):
            pass
        conserved(accounts, 100)


def test_exact_sums_whatever_the_order() -> None:
    for order in itertools.permutations([0.1, 0.2, 0.7]):
        account = Account({"cost": 1.0})
        for amount in order:
            account.spend(cost=amount)
        assert account.left("cost") == 0
        with pytest.raises(BudgetExhausted):
            account.reserve(cost=1e-6)


def test_an_overrun_is_told_and_takes_from_what_is_left() -> None:
    root = Account({"tokens": 10})
    child = Account(None, root)
    hold = child.reserve(tokens=4)
    child.commit(hold, tokens=9)
    assert (root.used(), root.overrun(), root.left("tokens")) == ({"tokens": 4}, {"tokens": 5}, 1)
    with pytest.raises(InputError, match="settled already"):
        child.release(hold)


@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf"), True])
def test_an_amount_is_a_number_from_0_up(amount: Any) -> None:
    with pytest.raises(InputError, match="no number"):
        Account().reserve(tokens=amount)
    with pytest.raises(InputError, match="no number"):
        Account({"tokens": amount})


def test_a_child_is_not_given_more_than_its_line_has() -> None:
    root = Account({"tokens": 10})
    middle = Account({"cost": 1}, root)
    with pytest.raises(InputError, match="more tokens than its parent"):
        Account({"tokens": 11}, middle)
    assert Account({"tokens": 10}, middle).left("tokens") == 10


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11), st.sampled_from(["cancel", "terminate", "pause"])), max_size=8))
def test_the_budget_holds_while_processes_are_cut_off(cuts: list[tuple[int, str]]) -> None:
    async def act() -> Any:
        await asyncio.sleep(0)
        return "ok", {}, {"tokens": 3}

    async def worker(seat: Seat) -> Any:
        for number in range(6):
            await seat.effect("model.complete", "model:fake", "call", {"n": number}, act, reserve={"tokens": 7})
        return "done"

    async def parent(seat: Seat) -> Any:
        children = [await seat.fork(number, image="worker") for number in range(3)]
        return [(await seat.wait_child(pid)).status for pid in children]

    async def play() -> None:
        scheduler = Scheduler({"parent": parent, "worker": worker}, capacity=Capacity(effects=4))
        roots: list[AgentProcess] = []
        for _ in range(3):
            authority = CapabilityTable("host")
            authority.grant("model:fake", ["call"], depth=1)
            authority.grant("process:*", ["spawn"])
            roots.append(scheduler.spawn("parent", authority=authority, limits={"tokens": 40}))
        for at, signal in [*cuts, *[(99, "")] * 12]:
            live = [one for one in scheduler.table.processes.values() if one.alive]
            if signal and live:
                scheduler.signal(live[at % len(live)], signal)  # type: ignore[arg-type]
            await asyncio.sleep(0)
            conserved([one.budget for one in scheduler.table.processes.values()], 40)
        await scheduler.drain()
        for root in roots:
            assert root.budget.used().get("tokens", 0) <= 40
            assert not any(root.budget.reserved().values()) or root.alive
        assert scheduler.admission.effects == 0
        assert scheduler.admission.tokens == 0

    asyncio.run(play())
