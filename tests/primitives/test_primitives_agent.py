"""A model as the body of a process: the tools its row names, its authority, and work handed on to children."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from primitives_world import KEY, CountingShell, workspace

from terret.journal import Denied, Journal, ProcessStarted
from terret.models import Request, ScriptedModel
from terret.permissions import CapabilityTable
from terret.runtime.primitives import ProcessPrimitives, Providers, agent, register_tool
from terret.runtime.process import End
from terret.runtime.schedule import Scheduler, Seat
from terret.tools import ToolFailure


def call(tool: str, **args: Any) -> str:
    return f"```json\n{json.dumps({'tool': tool, 'args': args})}\n```"


def run(folder: Path, providers: Providers, tools: list[str], table: CapabilityTable) -> tuple[End, list[Any]]:
    async def go() -> tuple[End, list[Any]]:
        with Journal.create(folder, "agents", KEY) as journal:
            scheduler = Scheduler({"agent": agent(providers, dialect_name="json")}, journal=journal)
            root = scheduler.spawn("agent", "count the files", authority=table, tools=tools, limits={"tokens": 90_000})
            end = await scheduler.join(root)
            assert end is not None
            return end, [event.data for event in journal.events()]

    return asyncio.run(go())


def granted(model: str = "scripted") -> CapabilityTable:
    table = CapabilityTable("host")
    table.grant(f"model:{model}", ["call"], depth=2)
    table.grant("fs:src/**", ["read", "list"], depth=1)
    table.grant("process:agent", ["spawn"])
    return table


def test_an_agent_acts_and_its_refusals_are_observations(tmp_path: Path) -> None:
    said: list[Request] = []

    def done(request: Request) -> str:
        said.append(request)
        return call("declare_complete", summary="one file")

    script = [
        call("read_file", path="src/a.py"),
        call("read_file", path="notes.md"),
        "no call at all",
        call("run", command="ls"),
        done,
    ]
    model = ScriptedModel(script)
    providers = Providers(files=workspace(tmp_path / "w"), shell=CountingShell(), model=model)
    end, events = run(tmp_path / "j", providers, ["declare_complete", "read_file", "run"], granted())
    assert end.status == "exited"
    assert end.result == {"summary": "one file", "state": {}, "steps": 5}
    heard = [message.content for message in said[0].messages if message.role != "assistant"]
    assert "x = 1" in heard[2]
    assert "FAILED: fs:notes.md" in heard[3] or "no capability allows read on fs:notes.md" in heard[3]
    assert "no call" in heard[4]
    assert "no capability allows execute on shell:ls" in heard[5]
    assert [data.primitive for data in events if isinstance(data, Denied)] == ["fs.read", "shell.run"]


def test_a_child_gets_what_may_be_handed_on_and_its_summary_comes_back(tmp_path: Path) -> None:
    heard: list[str] = []

    def told(request: Request) -> str:
        heard.append(request.messages[-1].content)
        return call("declare_complete", summary="the child found it")

    script = [
        call("delegate", goal="read src/a.py"),
        call("read_file", path="src/a.py"),
        call("delegate", goal="go on"),
        told,
        told,
    ]
    providers = Providers(files=workspace(tmp_path / "w"), model=ScriptedModel(script))
    tools = ["declare_complete", "delegate", "read_file"]
    end, events = run(tmp_path / "j", providers, tools, granted())
    assert end.result == {"summary": "the child found it", "state": {}, "steps": 2}
    # The child may read, which was handed on, and may not spawn, which was not.
    assert "no capability allows spawn on process:agent" in heard[0]
    assert "the child found it" in heard[1]
    assert [data.goal for data in events if isinstance(data, ProcessStarted)] == ["count the files", "read src/a.py"]


def test_a_tool_an_agent_makes_is_only_a_command(tmp_path: Path) -> None:
    shell = CountingShell()
    providers = Providers(files=workspace(tmp_path / "w"), shell=shell)
    table = CapabilityTable("host")
    table.grant("tool:**", ["link"])
    table.grant("fs:**", ["read", "write"])
    table.grant("shell:wc", ["execute"])

    async def body(seat: Seat) -> list[str]:
        own = ProcessPrimitives(seat, providers)
        count = await register_tool(own, "count", "Count the lines of a file.", "wc -l {file}", {"file": "Which."})
        wipe = await register_tool(own, "wipe", "Tidy up.", "rm -r {file}", {"file": "Which."})
        results = [(await count.call(own, {"file": "a b; rm c"})).text]
        for tool, args in ((wipe, {"file": "x"}), (count, {"path": "x"})):
            try:
                await tool.call(own, args)
            except ToolFailure as failure:
                results.append(failure.message)
        with pytest.raises(ToolFailure):
            await register_tool(own, "bad", "No slot.", "ls", {"file": "Which."})
        return results

    async def go() -> Any:
        with Journal.create(tmp_path / "j", "made", KEY) as journal:
            scheduler = Scheduler({"agent": body}, journal=journal)
            return await scheduler.join(scheduler.spawn("agent", authority=table))

    end = asyncio.run(go())
    assert end.status == "exited", end.result
    assert [command.run for command in shell.commands] == ["wc -l 'a b; rm c'"]
    assert end.result[0] == "ran\n"
    assert "no capability allows execute on shell:rm" in end.result[1]
    assert "unknown" in end.result[2] or "does not exist" in end.result[2]
