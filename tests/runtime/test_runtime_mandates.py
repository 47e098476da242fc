"""Mandates on the effect path: no external effect without one, none twice, across refusals, crashes and resumes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from episode_killed import Died

from terret.errors import ConfigError
from terret.journal import Denied, EpisodeOpened, Event, Intent, Journal, Outcome, SigningKey, check_package
from terret.mandates import Context, Grant, Issuer, MandateGate, Registry, Wallet
from terret.models import ModelIdentity, ScriptedModel
from terret.runtime import Episode, resume_episode, run_episode
from terret.task import Permissions, Repository, Task, task_json
from terret.tools import Tool, tool

pytestmark = pytest.mark.sandbox

KEY = SigningKey(bytes(range(32)))
TASK = Task(
    name="post",
    repository=Repository(files={"a.txt": "a\n"}),
    objective="Post it.",
    permissions=Permissions(network=True),
)
ARGS = {"url": "https://example.org/", "body": "hello"}


class World:
    """The outside, which counts what reaches it, and everything an episode needs to get there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "episode"
        self.posts: list[dict[str, Any]] = []
        self.registry = Registry(folder / "registry.db")
        self.wallet = Wallet()
        self.issuer = Issuer(KEY)
        self.die: Callable[[], None] = lambda: None

    def gate(self, kind: type[MandateGate] = MandateGate, **options: Any) -> MandateGate:
        return kind(self.registry, [KEY.public_hex], self.wallet, **options)

    def allow(self, args: dict[str, Any], primitive: str = "net.post", lifetime_s: float = 60) -> str:
        task = sha256(task_json(TASK)).hexdigest()
        mandate = self.issuer.issue(Context.of_call(task, "episode:0", primitive, args), lifetime_s)
        self.wallet.add(mandate)
        return mandate.id

    @property
    def tools(self) -> dict[str, Tool]:
        async def post(primitives: Any, body: str) -> str:
            """Post a text.

            Args:
                body: The text.
            """
            args = {"url": "https://example.org/", "body": body}

            async def act() -> tuple[str, dict[str, Any], dict[str, float]]:
                self.posts.append(args)
                self.die()
                return "ok", {"number": len(self.posts)}, {}

            outcome = await primitives.effect("net.post", args, act)
            return f"posted as number {outcome.result['number']}"

        return {"post": tool(post)}

    def model(self, *bodies: str) -> ScriptedModel:
        calls = [{"tool": "post", "args": {"body": body}} for body in bodies]
        calls.append({"tool": "declare_complete", "args": {"summary": "done"}})
        identity = ModelIdentity(spec="scripted:x", provider="scripted", name="x", dialect="json")
        return ScriptedModel([f"```json\n{json.dumps(call)}\n```" for call in calls], identity)

    def run(self, *bodies: str, gate: MandateGate | None) -> Episode:
        return asyncio.run(
            run_episode(
                TASK,
                model=self.model(*bodies),
                folder=self.folder,
                key=KEY,
                extra_tools=self.tools,
                mandates=gate,
                durability="full",
            )
        )

    def resume(self, *bodies: str, gate: MandateGate | None) -> Episode:
        return asyncio.run(
            resume_episode(
                self.folder,
                key=KEY,
                connect=lambda spec: self.model(*bodies),
                extra_tools=self.tools,
                mandates=gate,
            )
        )

    def events(self) -> list[Event]:
        return check_package(self.folder).events

    def of(self, kind: type[Any]) -> list[Any]:
        found = [event.data for event in self.events() if isinstance(event.data, kind)]
        return [data for data in found if getattr(data, "primitive", "net.post") == "net.post"]


@pytest.fixture
def world(tmp_path: Path) -> Any:
    made = World(tmp_path)
    with made.registry:
        yield made


def test_an_external_effect_spends_its_mandate_and_the_journal_says_which(world: World) -> None:
    spent = world.allow(ARGS)
    world.run("hello", "hello", gate=world.gate())
    assert world.posts == [ARGS], "the second post had no mandate"
    (intent,), (denied,) = world.of(Intent), world.of(Denied)
    assert intent.decision["mandate"] == spent
    assert intent.decision["effect"] == "allow"
    assert (denied.decision["effect"], denied.decision["rule"]) == ("deny", "mandate:missing")
    assert isinstance(world.events()[0].data, EpisodeOpened)
    assert world.events()[0].data.enforcement["mandates"] == world.gate().declare()
    context = Context.of_call(sha256(task_json(TASK)).hexdigest(), "episode:0", "net.post", ARGS)
    kept = world.registry.find(f"episode:0/{intent.effect}", context.binding)
    assert kept is not None
    assert kept.outcome is not None
    assert json.loads(kept.outcome)["result"] == {"number": 1}


def test_without_a_gate_nothing_changes(world: World) -> None:
    world.run("hello", gate=None)
    assert world.posts == [ARGS]
    (intent,) = world.of(Intent)
    assert "mandate" not in intent.decision
    assert len(world.registry) == 0


def test_a_mandate_for_other_arguments_does_not_help(world: World) -> None:
    world.allow({**ARGS, "body": "something else"})
    world.run("hello", gate=world.gate())
    assert world.posts == []


def test_a_primitive_that_the_gate_names_needs_one_too(world: World) -> None:
    world.run("hello", gate=world.gate(primitives=["net.*", "workspace.*", "model.complete"]))
    denied = [event.data for event in world.events() if isinstance(event.data, Denied)]
    assert [data.primitive for data in denied][:1] == ["model.complete"]
    assert len(world.registry) == 0


def test_death_during_the_effect_is_unknown_and_spends_nothing_more(world: World) -> None:
    spent = world.allow(ARGS)
    world.die = _die
    with pytest.raises(Died):
        world.run("hello", gate=world.gate())
    world.die = lambda: None
    world.allow(ARGS)
    world.resume("hello", gate=world.gate())
    assert world.posts == [ARGS]
    assert len(world.registry) == 1
    (intent,) = world.of(Intent)
    assert intent.decision["mandate"] == spent
    assert "unknown" in [outcome.status for outcome in world.of(Outcome)]


class DiesAfterSpending(MandateGate):
    """The process dies when the mandate is spent and the intent not yet journalled."""

    def consume(self, identity: str, context: Context) -> Grant:
        super().consume(identity, context)
        raise Died


class DiesBeforeStoring(MandateGate):
    """The process dies when the outcome is journalled and not yet stored in the registry."""

    def store(self, identity: str, outcome: object) -> None:
        raise Died


def test_death_between_spending_and_intent_never_runs_the_effect_on_a_second_mandate(world: World) -> None:
    spent = world.allow(ARGS)
    with pytest.raises(Died):
        world.run("hello", gate=world.gate(DiesAfterSpending))
    world.allow(ARGS)
    world.resume("hello", gate=world.gate())
    assert world.posts == []
    (intent,) = world.of(Intent)
    assert intent.decision["mandate"] == spent
    assert "unknown" in [outcome.status for outcome in world.of(Outcome)]
    assert len(world.registry) == 1


def test_death_before_storing_leaves_the_journal_to_answer(world: World) -> None:
    world.allow(ARGS)
    with pytest.raises(Died):
        world.run("hello", gate=world.gate(DiesBeforeStoring))
    world.resume("hello", gate=world.gate())
    assert world.posts == [ARGS]
    assert {outcome.status for outcome in world.of(Outcome)} == {"ok"}


def test_a_lost_intent_is_answered_by_the_registry(world: World) -> None:
    """As after a loss of power, which a journal in ``normal`` may pay with its latest events."""
    world.allow(ARGS)
    name = "episode:0/e2"
    context = Context.of_call(sha256(task_json(TASK)).hexdigest(), "episode:0", "net.post", ARGS)
    gate = world.gate()
    assert gate.consume(name, context).state == "fresh"
    outcome = {"effect": "e2", "status": "ok", "result": {"number": 41}, "duration_ms": 1.0}
    gate.store(name, {"kind": "outcome/1", **outcome})
    world.run("hello", gate=gate)
    assert world.posts == []
    assert {"number": 41} in [data.result for data in world.of(Outcome)]


def test_a_recorded_refusal_is_handed_out_although_there_is_a_mandate_now(world: World) -> None:
    world.die = _die
    world.allow({**ARGS, "body": "second"})
    with pytest.raises(Died):
        world.run("hello", "second", gate=world.gate())
    world.die = lambda: None
    world.allow(ARGS)
    world.resume("hello", "second", gate=world.gate())
    assert [data.decision["rule"] for data in world.of(Denied)] == ["mandate:missing"]
    assert [post["body"] for post in world.posts] == ["second"]


def test_an_episode_is_resumed_under_the_gate_it_began_with(world: World) -> None:
    world.allow(ARGS)
    world.die = _die
    with pytest.raises(Died):
        world.run("hello", gate=world.gate())
    for other in (None, world.gate(primitives=["shell.*"]), world.gate(ablate=["once"])):
        with pytest.raises(ConfigError, match="another mandate gate"):
            world.resume("hello", gate=other)
    with Journal.open(world.folder / "live", KEY) as journal:
        assert not any(isinstance(event.data, Outcome) and event.data.status == "unknown" for event in journal.events())


def _die() -> None:
    raise Died
