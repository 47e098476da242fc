"""Capabilities on the effect path of an episode: the strictest of policy and table, counted exactly once."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import episode_granted
import pytest
from episode_killed import KEY, TASK, Died, call, dying

from terret.intervention import HumanAnswer, HumanInput, HumanRequest
from terret.journal import Denied, EpisodeOpened, Event, Intent, Outcome, check_package
from terret.models import ModelIdentity, ScriptedModel
from terret.permissions import CapabilityTable, GrantSpec, parse_grant
from terret.runtime import Episode, audit, replay_package, resume_episode, run_episode
from terret.task import Permissions, Task

pytestmark = pytest.mark.sandbox

LOOK = parse_grant("fs:**=read,list")
ANY = "fs:**=write"
DONE = call("declare_complete", summary="done")


def write(path: str, content: str = "x\n") -> str:
    return call("write_file", path=path, content=content)


def scripted(replies: list[Any]) -> ScriptedModel:
    return ScriptedModel(replies, ModelIdentity(spec="scripted:test", provider="scripted", name="test"))


def run(folder: Path, replies: list[Any], *grants: str | GrantSpec, task: Task = TASK, **options: Any) -> Episode:
    given = [parse_grant(one) if isinstance(one, str) else one for one in grants]
    if any(one.effect == "allow" for one in given):
        given.append(LOOK)  # The tools that write look first.
    options = {"capabilities": given, **options}
    return asyncio.run(run_episode(task, model=scripted(replies), folder=folder, key=KEY, level="H1", **options))


def resume(folder: Path, replies: list[Any], **options: Any) -> Episode:
    return asyncio.run(resume_episode(folder, key=KEY, connect=lambda spec: scripted(replies), **options))


def decided(folder: Path, *primitives: str) -> list[tuple[str, str, list[str]]]:
    """What was decided about these primitives: target, rule (of a refusal) or nothing, capabilities."""
    found = [event.data for event in check_package(folder).events]
    return [
        (
            str(data.args.get("path") or data.args.get("command") or ""),
            data.decision["rule"] if isinstance(data, Denied) else "",
            data.decision.get("capabilities", []),
        )
        for data in found
        if isinstance(data, Intent | Denied) and data.primitive in primitives
    ]


def test_the_strictest_of_policy_and_table_decides_and_the_record_names_the_capability(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    replies = [
        write("src/b.py"),
        write("other.txt"),
        write("src/keep/c.py"),
        write("harness/x"),
        call("run", command="cat log.txt"),
        call("run", command="cat log.txt; rm old.txt"),
        DONE,
    ]
    denied = GrantSpec("filesystem:workspace:src/keep/**", ("write",), effect="deny", reason="kept as it is")
    run(folder, replies, "filesystem:workspace:src/**=read,write", "fs:harness/**=write", "shell:cat=execute", denied)
    assert decided(folder, "fs.write", "shell.run") == [
        ("src/b.py", "", ["c1"]),
        ("other.txt", "capability:none", []),
        ("src/keep/c.py", "capability:c4", []),
        ("harness/x", "protected:harness", []),
        ("cat log.txt", "capability:c4", []),
        ("cat log.txt; rm old.txt", "capability:none", []),
    ]
    events = check_package(folder).events
    opened = events[0].data
    assert isinstance(opened, EpisodeOpened)
    recorded = {one["id"]: one for one in opened.enforcement["granted"]}
    assert recorded["c1"]["resource"] == "fs:src/**"
    assert recorded["c1"]["rights"] == ["read", "write"]
    assert {one["resource"] for one in recorded.values() if one["issuer"] == "runtime"} == {
        "model:**",
        "human:**",
        "workspace:**",
    }
    rows = {row.target: row for row in audit(events) if row.primitive == "fs.write"}
    assert rows["src/b.py"].authority["capabilities"] == ["c1"]
    assert rows["src/b.py"].authority["rule"] == "write:**"
    assert replay_package(folder).divergence is None


def test_uses_run_out_in_the_middle_and_a_refused_effect_spends_none(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    task = Task(
        **{
            **{name: getattr(TASK, name) for name in TASK.__struct_fields__},
            "permissions": Permissions(deny_write=("no/**",)),
        }
    )
    replies = [write("no/a.txt"), write("a.txt"), write("b.txt"), write("c.txt"), DONE]
    run(folder, replies, "fs:**=write;uses=2", "fs:a.txt=write;uses=1", task=task)
    assert decided(folder, "fs.write") == [
        ("no/a.txt", "deny_write:no/**", []),
        ("a.txt", "", ["c1"]),
        ("b.txt", "", ["c1"]),
        ("c.txt", "capability:none", []),
    ]
    assert replay_package(folder).divergence is None


def test_a_one_shot_grant_covers_one_effect_of_several_commands(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    replies = [call("run", command="cat log.txt && ls"), call("run", command="ls"), DONE]
    run(folder, replies, "shell:*=execute;uses=1", ANY)
    assert [rule for _, rule, _ in decided(folder, "shell.run")] == ["", "capability:none"]


def test_model_calls_can_be_granted_by_number(tmp_path: Path) -> None:
    episode = run(tmp_path / "e", [write("a.txt"), write("b.txt"), DONE], "fs:**=write", "model:test=call;uses=2")
    assert (episode.stop_reason, episode.turns) == ("denied", 3)
    assert replay_package(tmp_path / "e").divergence is None


class Ticking:
    """A clock that moves by a second whenever it is asked, and by more when told."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_a_grant_expires_by_the_clock_of_the_record(tmp_path: Path) -> None:
    clock, folder = Ticking(), tmp_path / "e"

    def later(request: object) -> str:
        clock.now += 1000
        return write("b.txt")

    run(folder, [write("a.txt"), later, DONE], "fs:*=write;ttl=500", clock=clock)
    assert decided(folder, "fs.write") == [("a.txt", "", ["c1"]), ("b.txt", "capability:none", [])]
    assert replay_package(folder).divergence is None


def test_what_expired_while_no_process_drove_the_episode_is_expired(tmp_path: Path) -> None:
    clock, folder = Ticking(), tmp_path / "e"
    replies = [write("a.txt"), write("b.txt"), DONE]
    # The process dies while the reply that asks for b.txt is the last thing on record.
    with pytest.raises(Died):
        run(folder, replies, "fs:*=write;ttl=500", clock=clock, listener=dies_with("write_file", 2))
    clock.now += 1000
    resume(folder, replies, clock=clock)
    assert decided(folder, "fs.write") == [("a.txt", "", ["c1"]), ("b.txt", "capability:none", [])]
    assert replay_package(folder).divergence is None


def dies_with(tool: str, number: int) -> Any:
    """A listener with which the process dies at the ``number``-th action of a tool."""
    seen = 0

    def listen(item: object) -> None:
        nonlocal seen
        if (
            isinstance(item, Event)
            and getattr(item.data, "tool", "") == tool
            and type(item.data).__name__ == "ActionParsed"
        ):
            seen += 1
            if seen == number:
                raise Died

    return listen


SPENT = [
    ("a.txt", "", ["c1"]),
    ("cat a.txt >> log.txt", "", ["c2", "c3", "c1"]),
    ("b.txt", "", ["c1"]),
    ("c.txt", "capability:none", []),
]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_kill_9_between_reserve_and_commit_spends_the_use_once(number: int, tmp_path: Path) -> None:
    folder = tmp_path / "e"
    child = Path(episode_granted.__file__)
    ran = subprocess.run([sys.executable, str(child), str(folder), str(number)], capture_output=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr.decode()
    resume(folder, episode_granted.REPLIES)
    assert decided(folder, "fs.write", "shell.run") == SPENT
    done = [event.data.effect for event in check_package(folder).events if isinstance(event.data, Outcome)]
    assert len(done) == len(set(done))
    assert replay_package(folder).divergence is None


def test_an_orderly_death_at_either_end_of_an_effect_spends_the_use_once(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    asyncio.run(episode_granted.go(whole))
    assert decided(whole, "fs.write", "shell.run") == SPENT
    events = check_package(whole).events
    begun = next(e.seq for e in events if isinstance(e.data, Intent) and e.data.primitive == "shell.run")
    for after in (begun - 1, begun, begun + 1):
        folder = tmp_path / str(after)
        with pytest.raises(Died):
            run(folder, episode_granted.REPLIES, *episode_granted.GRANTS[:2], listener=dying(after))
        resume(folder, episode_granted.REPLIES)
        assert decided(folder, "fs.write", "shell.run") == SPENT, after


class Person:
    """Says yes once, and keeps what was asked."""

    policy = "test: a person answers"

    def __init__(self, scope: Any = "once") -> None:
        self.asked: list[HumanRequest] = []
        self.scope = scope

    async def ask(self, request: HumanRequest) -> HumanAnswer:
        self.asked.append(request)
        return HumanAnswer(request.id, approved=True, answered=True, by="ada", scope=self.scope)

    async def poll(self) -> list[HumanInput]:
        return []

    async def settle(self, given: HumanInput, refusal: str = "") -> None: ...


def test_a_person_answers_what_a_capability_asks_once_for_each_effect(tmp_path: Path) -> None:
    folder, person = tmp_path / "e", Person()
    asks = GrantSpec("fs:docs/**", ("write",), effect="ask", reason="people write the guides")
    replies = [write("docs/a.md"), write("docs/a.md", "y\n"), write("a.txt"), DONE]
    run(folder, replies, "fs:**=write", asks, human=person)
    assert [request.subject["rule"] for request in person.asked] == ["capability:c2"] * 2
    rows = decided(folder, "fs.write")
    assert [rule for _, rule, _ in rows] == ["", "", ""]
    assert rows[2][2] == ["c1"]
    events = [event.data for event in check_package(folder).events]
    first = next(data for data in events if isinstance(data, Intent) and data.primitive == "fs.write")
    assert first.decision["approval"]["by"] == "ada"
    assert replay_package(folder).divergence is None


def test_denials_only_leave_the_rest_to_the_policy_and_no_grant_leaves_nothing(tmp_path: Path) -> None:
    replies = [write("a.txt"), call("run", command="rm old.txt"), call("run", command="cat a.txt"), DONE]
    run(tmp_path / "e", replies, parse_grant("shell:rm", "deny"))
    assert [rule for _, rule, _ in decided(tmp_path / "e", "fs.write", "shell.run")] == ["", "capability:c1", ""]
    run(tmp_path / "none", replies)
    assert {rule for _, rule, _ in decided(tmp_path / "none", "fs.write", "shell.run")} == {"capability:none"}


def test_what_is_denied_below_a_folder_binds_what_reaches_below_it(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    replies = [
        call("search", pattern="A", path="."),
        call("search", pattern="A", path="src"),
        call("list_files", path=".", depth=2),
        call("list_files", path="src", depth=1),
        call("run", command="./rm old.txt"),
        call("run", command="rm old.txt"),
        DONE,
    ]
    run(
        folder,
        replies,
        "fs:**=read,list",
        "shell:**=execute",
        parse_grant("fs:secret/**", "deny"),
        parse_grant("shell:rm", "deny"),
    )
    rules = [rule for _, rule, _ in decided(folder, "fs.search", "fs.list", "shell.run")]
    assert rules.pop(0) == "capability:c3"  # The listing that the agent begins with.
    assert rules == ["capability:c3", "", "capability:c3", "", "capability:c4", "capability:c4"]


def test_a_search_needs_a_grant_for_all_of_the_folder(tmp_path: Path) -> None:
    run(tmp_path / "e", [call("search", pattern="A", path="src"), DONE], capabilities=[parse_grant("fs:*=read")])
    assert [rule for _, rule, _ in decided(tmp_path / "e", "fs.search")] == ["capability:none"]


def test_counted_uses_of_a_table_move_to_the_episode(tmp_path: Path) -> None:
    table = CapabilityTable("host")
    once = table.grant("fs:*", ["write"], uses=1)
    gone = table.grant("fs:**", ["write"])
    table.revoke(gone.id)
    table.grant("fs:**", ["read", "list"])
    given: Any = {"capabilities": table}
    run(tmp_path / "e", [write("a.txt"), write("b.txt"), DONE], **given)
    assert [rule for _, rule, _ in decided(tmp_path / "e", "fs.write")] == ["", "capability:none"]
    assert table.status(once.id) == "exhausted"
    run(tmp_path / "f", [write("a.txt"), DONE], **given)
    assert [rule for _, rule, _ in decided(tmp_path / "f", "fs.write")] == ["capability:none"]


def test_outcomes_of_effects_under_a_capability_are_recorded_once(tmp_path: Path) -> None:
    run(tmp_path / "e", [write("a.txt"), DONE], "fs:*=write;uses=1")
    events = check_package(tmp_path / "e").events
    intents = [event.data.effect for event in events if isinstance(event.data, Intent)]
    assert intents == [event.data.effect for event in events if isinstance(event.data, Outcome)]
