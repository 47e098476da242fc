"""A person decides where authority says so: bound to the arguments, recorded, never asked twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from terret.intervention import HumanAnswer, HumanInput, HumanRequest
from terret.journal import Denied, Intent, Journal, SigningKey
from terret.permissions import CapabilityTable, Wanted, demands_of, wanted
from terret.runtime.process import AgentProcess
from terret.runtime.schedule import Scheduler, Seat
from terret.tools import ToolFailure

KEY = SigningKey(bytes(range(32)))


class Person:
    """Answers by a rule over the arguments; counts what it is asked."""

    policy = "a person"

    def __init__(self, yes: Sequence[str] = (), scope: str = "once", silent: bool = False) -> None:
        self.yes = yes
        self.scope: Any = scope
        self.silent = silent
        self.asked: list[HumanRequest] = []

    async def ask(self, request: HumanRequest) -> HumanAnswer:
        """Yes to the commands it knows."""
        self.asked.append(request)
        if self.silent:
            return HumanAnswer(request.id, reason="no answer in time")
        approved = request.subject["args"]["command"] in self.yes
        return HumanAnswer(request.id, "", approved, True, "ann", scope=self.scope)

    async def poll(self) -> Sequence[HumanInput]:
        """Nothing."""
        return []

    async def settle(self, given: HumanInput, refusal: str = "") -> None:
        """Nothing."""


class Run:
    """One process that runs commands; ``done`` are those that were carried out."""

    def __init__(self, commands: Sequence[str], folder: Path, person: Person | None) -> None:
        self.commands = commands
        self.folder = folder
        self.person = person
        self.done: list[str] = []

    async def body(self, seat: Seat) -> list[str]:
        """Try every command; what came of each."""
        results: list[str] = []
        for command in self.commands:

            async def act(command: str = command) -> tuple[str, dict[str, Any], dict[str, float]]:
                self.done.append(command)
                return "ok", {}, {}

            first, *also = demands_of("shell.run", {"command": command})
            args = {"command": command}
            try:
                await seat.effect("shell.run", first.resource, first.right, args, act, also=also)
                results.append("done")
            except ToolFailure as failure:
                results.append(failure.message)
        return results

    def __call__(self, table: CapabilityTable) -> tuple[AgentProcess, Any]:
        return asyncio.run(self._run(table))

    async def _run(self, table: CapabilityTable) -> tuple[AgentProcess, Any]:
        exists = (self.folder / "journal.db").exists()
        opened = Journal.open(self.folder, KEY) if exists else Journal.create(self.folder, "ask", KEY)
        with opened as journal:
            scheduler = Scheduler({"agent": self.body}, journal=journal, human=self.person)
            process = scheduler.spawn("agent", authority=table)
            end = await scheduler.join(process)
            assert end is not None
            self.events = [event.data for event in journal.events()]
            return process, end.result


def asking() -> CapabilityTable:
    table = CapabilityTable("host")
    table.grant("fs:**", ["read", "write"])
    table.grant("shell:git", ["execute"])
    table.grant("shell:rm", ["execute"], "ask", reason="removing is for a person to decide")
    return table


def test_an_approval_is_for_the_very_arguments_and_on_record(tmp_path: Path) -> None:
    run = Run(["git status", "rm a", "rm b", "rm a"], tmp_path, Person(["rm a"]))
    _, results = run(asking())
    assert results[0] == "done"
    assert results[1] == "done"
    assert "a person refused it" in results[2]
    assert results[3] == "done"
    assert run.done == ["git status", "rm a", "rm a"]
    assert run.person is not None
    assert [request.subject["args"]["command"] for request in run.person.asked] == ["rm a", "rm b", "rm a"]
    intents = [data for data in run.events if isinstance(data, Intent)]
    assert intents[1].decision["approval"]["by"] == "ann"
    assert intents[1].decision["approval"]["args_sha256"] == run.person.asked[0].subject["args_sha256"]
    assert [data.args["command"] for data in run.events if isinstance(data, Denied)] == ["rm b"]


def test_one_for_the_episode_reaches_the_same_command_again_even_after_a_restart(tmp_path: Path) -> None:
    person = Person(["rm a"], "episode")
    run = Run(["rm a", "rm a"], tmp_path, person)
    assert run(asking())[1] == ["done", "done"]
    assert len(person.asked) == 1
    again = Run(["rm a", "rm a"], tmp_path, Person())
    assert again(asking())[1] == ["done", "done"]
    assert again.done == []
    assert again.person is not None
    assert again.person.asked == []


def test_silence_and_nobody_there_refuse(tmp_path: Path) -> None:
    assert "not approved" in Run(["rm a"], tmp_path / "a", Person(silent=True))(asking())[1][0]
    assert "nobody is there to ask" in Run(["rm a"], tmp_path / "b", None)(asking())[1][0]


def test_nothing_approved_beats_a_denial_of_another_part(tmp_path: Path) -> None:
    person = Person(["rm a && curl x"])
    run = Run(["rm a && curl x", "git status && rm a"], tmp_path, person)
    results = run(asking())[1]
    assert "shell:curl" in results[0]
    assert "a person refused it" in results[1]
    assert run.done == []
    assert [request.subject["args"]["command"] for request in person.asked] == ["git status && rm a"]


def test_uses_are_spent_by_what_was_carried_out_only(tmp_path: Path) -> None:
    table = CapabilityTable("host")
    table.grant("fs:**", ["read", "write"])
    table.grant("shell:git", ["execute"], uses=2)
    table.grant("shell:rm", ["execute"], "ask")
    run = Run(["git add && curl x", "git add && rm a", "git log", "git log", "git log"], tmp_path, Person())
    results = run(table)[1]
    assert [result == "done" for result in results] == [False, False, True, True, False]


def test_what_an_approved_effect_used_stays_used_after_a_restart(tmp_path: Path) -> None:
    def table() -> CapabilityTable:
        made = CapabilityTable("host")
        made.grant("fs:**", ["read", "write"])
        made.grant("shell:git", ["execute"], uses=1)
        made.grant("shell:rm", ["execute"], "ask")
        return made

    first = Run(["git add && rm a"], tmp_path, Person(["git add && rm a"]))
    second = Run(["git add && rm a"], tmp_path, Person())

    async def stopped(run: Run) -> tuple[str, CapabilityTable]:
        async def body(seat: Seat) -> list[str]:
            results = await run.body(seat)
            await seat.sleep(1e6)
            return results

        exists = (tmp_path / "journal.db").exists()
        with Journal.open(tmp_path, KEY) if exists else Journal.create(tmp_path, "ask", KEY) as journal:
            scheduler = Scheduler({"agent": body}, journal=journal, human=run.person)
            process = scheduler.spawn("agent", authority=table())
            for _ in range(50):
                await asyncio.sleep(0)
            waits = process.status
            await scheduler.drain()
            return waits, process.authority

    for run in (first, second):
        waits, authority = asyncio.run(stopped(run))
        assert waits == "waiting_event"
        git = next(one.id for one in authority.capabilities() if one.resource == "shell:git")
        assert authority.status(git) == "exhausted"
    assert (first.done, second.done) == (["git add && rm a"], [])


def test_a_right_of_its_own_is_a_plain_value() -> None:
    one = wanted("fs.read", {"path": "a"})[0]
    assert isinstance(one, Wanted)
    assert (str(one.resource), one.right) == ("fs:a", "read")
