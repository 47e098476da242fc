"""People in an episode: approvals, questions, hints, patches and the order to stop, and what a resume makes of them."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from episode_killed import KEY, TASK, call

import terret
from terret.errors import ConfigError, ModelUnavailable
from terret.gym import read_metrics
from terret.intervention import FileQueue, HumanAnswer, HumanInput, HumanRequest, NoHuman, m_hir
from terret.journal import Denied, EpisodeOpened, Event, Intent, Intervened, Outcome, canonical, check_package
from terret.models import ModelIdentity, Request, ScriptedModel
from terret.runtime import allowed_tools, resume_episode, run_episode
from terret.task import Check, Permissions, Repository, Requirement, Task

pytestmark = pytest.mark.sandbox

ASKING = msgspec.structs.replace(TASK, permissions=Permissions(ask_run=("touch",), ask_write=("src/**",)))
DONE = call("declare_complete", summary="done")
YES = {"approved": True, "answered": True, "by": "ada"}
NO = {"answered": True, "by": "ada"}


class Person:
    """A queue that answers from a list and gives what lies in ``waiting``."""

    policy = "test: a person answers"

    def __init__(self, *answers: dict[str, Any], waiting: list[list[HumanInput]] | None = None) -> None:
        self.answers = list(answers)
        self.asked: list[HumanRequest] = []
        self.waiting = waiting or []
        self.settled: list[tuple[str, str]] = []

    async def ask(self, request: HumanRequest) -> HumanAnswer:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if "raise" in answer:
            raise answer["raise"]
        return HumanAnswer(request.id, **answer)

    async def poll(self) -> list[HumanInput]:
        return self.waiting.pop(0) if self.waiting else []

    async def settle(self, given: HumanInput, refusal: str = "") -> None:
        self.settled.append((given.name, refusal))


def scripted(*replies: object) -> ScriptedModel:
    return ScriptedModel(list(replies), ModelIdentity(spec="scripted:test", provider="scripted", name="test"))  # type: ignore[arg-type]


def run(folder: Path, person: Any, *replies: object, task: Task = ASKING, **options: Any) -> terret.Episode:
    return asyncio.run(run_episode(task, model=scripted(*replies), folder=folder, key=KEY, human=person, **options))


def resume(folder: Path, person: Any, *replies: object, **options: Any) -> terret.Episode:
    connect = lambda spec: scripted(*replies)  # noqa: E731
    return asyncio.run(resume_episode(folder, key=KEY, connect=connect, human=person, **options))


def data(folder: Path, kind: type) -> list[Any]:
    return [event.data for event in check_package(folder).events if isinstance(event.data, kind)]


def effects(folder: Path, primitive: str) -> list[Intent]:
    return [intent for intent in data(folder, Intent) if intent.primitive == primitive]


# approvals


def test_an_approved_command_runs_once_and_is_bound_to_its_arguments(tmp_path: Path) -> None:
    person = Person(YES, YES | {"approved": False})
    touch = call("run", command="touch made.txt")
    run(tmp_path / "e", person, touch, call("run", command="touch other.txt"), DONE)
    assert [request.form for request in person.asked] == ["approval", "approval"]
    (ran,) = effects(tmp_path / "e", "shell.run")
    assert person.asked[0].subject == {
        "primitive": "shell.run",
        "args": ran.args,
        "args_sha256": sha256(canonical(ran.args)).hexdigest(),
        "rule": "ask_run:touch",
    }
    approval = ran.decision["approval"]
    assert (ran.decision["effect"], approval["scope"], approval["by"]) == ("allow", "once", "ada")
    assert approval["args_sha256"] == person.asked[0].subject["args_sha256"]
    assert approval["asked"] == effects(tmp_path / "e", "human.ask")[0].effect
    (denied,) = data(tmp_path / "e", Denied)
    assert denied.args["command"] == "touch other.txt"
    assert "made.txt" in (tmp_path / "e" / "patch.diff").read_text()
    assert "other.txt" not in (tmp_path / "e" / "patch.diff").read_text()
    forms = [(help.form, help.text, help.avoidable) for help in data(tmp_path / "e", Intervened)]
    assert forms == [("approval", "approved", False), ("approval", "denied", False)]


def test_a_one_shot_approval_is_used_up_and_a_refusal_is_remembered(tmp_path: Path) -> None:
    person = Person(YES, NO)
    touch = call("run", command="touch a; date +%N")
    run(tmp_path / "e", person, touch, touch, touch, DONE)
    assert len(person.asked) == 2, "the second use asks again, the third was refused before"
    assert len(effects(tmp_path / "e", "shell.run")) == 1
    assert [denied.decision["reason"] for denied in data(tmp_path / "e", Denied)] == [
        "a person refused it",
        "a person refused exactly this before",
    ]


def test_an_approval_for_the_episode_covers_the_rule_and_no_other(tmp_path: Path) -> None:
    person = Person(YES | {"scope": "episode"}, NO)
    run(
        tmp_path / "e",
        person,
        call("run", command="touch a"),
        call("run", command="touch b && touch c"),
        call("write_file", path="src/a.py", content="A = 2\n"),
        DONE,
    )
    assert [request.subject["rule"] for request in person.asked] == ["ask_run:touch", "ask_write:src/**"]
    assert person.asked[0].scopes == ("once", "episode")
    assert len(effects(tmp_path / "e", "shell.run")) == 2
    assert not effects(tmp_path / "e", "fs.write")


def test_a_write_is_shown_as_a_diff(tmp_path: Path) -> None:
    person = Person(YES, YES)
    new = call("write_file", path="src/new.py", content="B = 1\n")
    run(tmp_path / "e", person, call("edit_file", path="src/a.py", old="A = 1", new="A = 2"), new, DONE)
    assert "--- a/src/a.py\n+++ b/src/a.py\n@@ -1 +1 @@\n-A = 1\n+A = 2\n" in person.asked[0].text
    assert "--- /dev/null\n+++ b/src/new.py\n" in person.asked[1].text


def test_what_cannot_be_told_beforehand_is_approved_one_by_one(tmp_path: Path) -> None:
    person = Person(YES)
    run(tmp_path / "e", person, call("run", command="$(printf tou)ch x"), DONE)
    assert person.asked[0].subject["rule"] == "ask_run:opaque"
    assert person.asked[0].scopes == ("once",)


def test_silence_denies(tmp_path: Path, clock: Any) -> None:
    began = clock()

    async def wait(seconds: float) -> None:
        clock.advance(seconds)

    queue = FileQueue(tmp_path / "q", timeout_s=60, poll_s=10, wait=wait, clock=clock)
    run(tmp_path / "e", queue, call("run", command="touch a"), DONE)
    assert clock() - began == 60
    (denied,) = data(tmp_path / "e", Denied)
    assert denied.decision["reason"] == "not approved: no answer within 60 s"
    assert data(tmp_path / "e", Intervened) == []
    assert not list((tmp_path / "q").iterdir())
    assert data(tmp_path / "e", EpisodeOpened)[0].intervention_policy.endswith("no answer within 60 s denies")


@pytest.mark.parametrize("human", [None, NoHuman()])
def test_without_a_human_what_needs_one_is_denied(tmp_path: Path, human: Any) -> None:
    run(tmp_path / "e", human, call("run", command="touch a"), DONE)
    (denied,) = data(tmp_path / "e", Denied)
    assert denied.decision["reason"].endswith("no human takes part")
    assert not effects(tmp_path / "e", "human.ask")
    (opened,) = data(tmp_path / "e", EpisodeOpened)
    assert opened.intervention_policy == "none: no human takes part"
    assert opened.allowed_tools == allowed_tools("H1")


def test_words_that_come_with_an_approval_count_as_help_and_reach_the_agent(tmp_path: Path) -> None:
    seen: list[str] = []

    def look(request: Request) -> str:
        seen.extend(message.content for message in request.messages)
        return DONE

    person = Person(YES | {"text": "the bug is in src/a.py"})
    run(tmp_path / "e", person, call("run", command="touch a"), look)
    approval, hint = data(tmp_path / "e", Intervened)
    assert (approval.form, approval.substantive) == ("approval", False)
    assert (hint.form, hint.substantive, hint.avoidable, hint.harness_gap) == ("hint", True, True, "context selection")
    assert "A person remarked: the bug is in src/a.py" in seen


# questions


@pytest.mark.parametrize("level", ["H0", "H1", "H2", "H3"])
def test_the_question_tool_exists_with_a_human_from_h1_on(tmp_path: Path, level: Any) -> None:
    question = call("ask_human", question="Which number?")
    person = Person({"text": "Two.", "answered": True})
    seen: list[str] = []

    def look(request: Request) -> str:
        seen.extend(message.content for message in request.messages)
        return DONE

    options: dict[str, Any] = {"level": level, "task": msgspec.structs.replace(TASK, budget=terret_budget(4))}
    run(tmp_path / "e", person, question, look, DONE, DONE, DONE, **options)
    offered = data(tmp_path / "e", EpisodeOpened)[0].allowed_tools
    assert ("ask_human" in offered) == (level != "H0") == bool(person.asked)
    if level != "H0":
        assert any("Two." in text for text in seen)
        assert data(tmp_path / "e", Intervened)[0].form == "question"


def terret_budget(steps: int) -> Any:
    from terret.task import Budget

    return Budget(steps=steps)


def test_an_unanswered_question_is_an_observation(tmp_path: Path) -> None:
    run(tmp_path / "e", Person({"reason": "gone"}), call("ask_human", question="Why?"), DONE)
    rows = [json.loads(line) for line in (tmp_path / "e/records/observation.jsonl").read_text().splitlines()]
    (shown,) = [row for row in rows if row.get("tool") == "ask_human"]
    assert shown["ok"]
    assert "no answer (gone)" in shown["text"]["inline"]
    assert data(tmp_path / "e", Intervened) == []


def test_waiting_for_a_person_costs_the_agent_no_time(tmp_path: Path, clock: Any) -> None:

    class Slow(Person):
        async def ask(self, request: HumanRequest) -> HumanAnswer:
            clock.advance(10_000)
            return await super().ask(request)

    person = Slow({"text": "Two.", "answered": True})
    episode = run(tmp_path / "e", person, call("ask_human", question="Which?"), DONE, clock=clock)
    assert episode.stop_reason == "completed"
    assert episode.usage["wall"] < 1


# resume


def test_a_recorded_answer_is_handed_out_and_nobody_is_asked_twice(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    replies = [call("run", command="touch a"), call("ask_human", question="Which?")]
    person = Person(YES, {"text": "Two.", "answered": True})
    assert run(folder, person, *replies, ModelUnavailable("gone")).status == "suspended"
    again = Person()
    seen: list[str] = []

    def look(request: Request) -> str:
        seen.extend(message.content for message in request.messages)
        return DONE

    assert resume(folder, again, *replies, look).status == "finished"
    assert again.asked == []
    assert any("Two." in text for text in seen)
    assert len(effects(folder, "human.ask")) == len(data(folder, Intervened)) == 2


def test_a_question_interrupted_before_its_answer_is_put_again_under_the_same_name(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    question = call("ask_human", question="Which?")
    first = Person({"raise": KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        run(folder, first, question, DONE)
    second = Person({"text": "Two.", "answered": True})
    assert resume(folder, second, question, DONE).status == "finished"
    assert second.asked == first.asked
    intents = effects(folder, "human.ask")
    assert len(intents) == 1
    assert intents[0].key
    assert intents[0].effect_class == "external"
    (outcome,) = [outcome for outcome in data(folder, Outcome) if outcome.effect == intents[0].effect]
    assert outcome.status == "ok"


@pytest.mark.slow
def test_killed_anywhere_a_resume_ends_the_same(tmp_path: Path) -> None:
    """An exception after every event stands for a death there: nothing later is journalled."""
    replies = [call("run", command="touch a"), call("ask_human", question="Which?"), call("read_file", path="a"), DONE]
    hint = HumanInput("1.hint", "hint", "the bug is in src/a.py")
    patch = HumanInput("2.patch", "takeover", "look at src/a.py", PATCH)

    class Folder(Person):
        """Keeps its inputs until they are settled, as a folder does."""

        async def poll(self) -> list[HumanInput]:
            return [given for given in (hint, patch) if given.name not in {name for name, _ in self.settled}]

    def help_given(folder: Path) -> list[Intervened]:
        return data(folder, Intervened)

    task = msgspec.structs.replace(TASK, permissions=Permissions(ask_run=("touch",)))
    answers = [YES, {"text": "Two.", "answered": True}]
    run(tmp_path / "whole", Folder(*answers), *replies, task=task)
    expected = help_given(tmp_path / "whole")
    assert [help.form for help in expected] == ["hint", "takeover", "approval", "question"]
    points = [event.seq for event in check_package(tmp_path / "whole").events if is_of_people(event)]

    class Death(BaseException):
        pass

    for point in points:
        folder = tmp_path / str(point)

        def die(item: object, point: int = point) -> None:
            if isinstance(item, Event) and item.seq == point:
                raise Death

        person = Folder(*answers)
        with pytest.raises(Death):
            run(folder, person, *replies, task=task, listener=die)
        left = Folder(*answers[len(recorded_answers(folder)) :])
        left.settled = list(person.settled)
        episode = resume(folder, left, *replies)
        assert episode.status == "finished", point
        assert help_given(folder) == expected, point
        assert (folder / "patch.diff").read_text() == (tmp_path / "whole/patch.diff").read_text(), point
        assert {name for name, _ in left.settled} == {"1.hint", "2.patch"}, point


def is_of_people(event: Event) -> bool:
    primitives = ("human.ask", "human.hear", "workspace.apply")
    return isinstance(event.data, Intervened | Outcome) or (
        isinstance(event.data, Intent) and event.data.primitive in primitives
    )


def recorded_answers(folder: Path) -> list[Any]:
    from terret.journal import Journal

    with Journal.open(folder / "live", KEY) as journal:
        events = journal.events()
    asked = {e.data.effect for e in events if isinstance(e.data, Intent) and e.data.primitive == "human.ask"}
    return [e for e in events if isinstance(e.data, Outcome) and e.data.effect in asked]


def test_an_episode_begun_alone_cannot_get_a_human_later(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    run(folder, None, ModelUnavailable("gone"))
    with pytest.raises(ConfigError, match="begun without a human"):
        resume(folder, Person(), DONE)
    assert resume(folder, None, DONE).status == "finished"


# unasked

PATCH = "--- a/src/a.py\n+++ b/src/a.py\n@@ -1 +1 @@\n-A = 1\n+A = 2\n"


def test_a_hint_reaches_the_next_prompt(tmp_path: Path) -> None:
    prompts: list[list[str]] = []

    def look(request: Request) -> str:
        prompts.append([message.content for message in request.messages])
        return call("list_files", path=".", depth=len(prompts)) if len(prompts) < 3 else DONE

    hint = HumanInput("a.hint", "hint", "open src/a.py")
    person = Person(waiting=[[], [hint]])
    run(tmp_path / "e", person, look, look, look)
    told = ["A person says: open src/a.py" in prompt for prompt in prompts]
    assert told == [False, True, True]
    assert person.settled == [("a.hint", "")]
    (help_given,) = data(tmp_path / "e", Intervened)
    assert (help_given.turn, help_given.form, help_given.text) == (2, "hint", "open src/a.py")


def test_a_guided_agent_keeps_a_hint_in_every_question(tmp_path: Path) -> None:
    prompts: list[str] = []

    def look(request: Request) -> str:
        prompts.append(request.messages[-1].content)
        return "```python\nnot python at all(\n```"

    person = Person(waiting=[[HumanInput("a.hint", "hint", "A is two")]])
    task = msgspec.structs.replace(TASK, budget=terret_budget(3))
    run(tmp_path / "e", person, look, look, look, task=task, image="guided")
    assert len(prompts) == 3
    assert all("A person says: A is two" in prompt for prompt in prompts)


def test_a_takeover_is_applied_in_the_workspace_and_makes_the_success_assisted(tmp_path: Path) -> None:
    seen: list[str] = []

    def look(request: Request) -> str:
        seen.extend(message.content for message in request.messages)
        return DONE

    patch = HumanInput("a.patch", "takeover", "I fixed it", PATCH, "ada")
    task = msgspec.structs.replace(TASK, checks=(), hidden=TASK.hidden)
    episode = run(tmp_path / "e", Person(waiting=[[patch]]), look, task=task)
    assert (episode.functional_pass, episode.label) == (True, "assisted_verified_success")
    (applied,) = effects(tmp_path / "e", "workspace.apply")
    assert (applied.effect_class, applied.args["by"]) == ("workspace", "ada")
    (taken,) = data(tmp_path / "e", Intervened)
    assert (taken.form, taken.substantive, taken.burden) == ("takeover", True, 3)
    assert taken.text == "I fixed it\nchanged: src/a.py"
    assert any("changed src/a.py in the workspace" in text for text in seen)


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        (PATCH.replace("src/a.py", "old.txt").replace("A = 1", "old").replace("A = 2", "new"), "old.txt may not"),
        (PATCH.replace("-A = 1", "-A = 9"), "does not apply"),
        ("--- /dev/null\n+++ b/harness/x.md\n@@ -0,0 +1 @@\n+x\n", "protected:harness"),
        (PATCH.replace("A = 2", "A = '[secret:X]'"), "secret"),
    ],
)
def test_a_takeover_that_does_not_fit_or_is_not_allowed_changes_nothing(tmp_path: Path, patch: str, why: str) -> None:
    task = msgspec.structs.replace(TASK, permissions=Permissions(deny_write=("old.txt",)))
    person = Person(waiting=[[HumanInput("a.patch", "takeover", "", patch)]])
    run(tmp_path / "e", person, DONE, task=task)
    ((_, refusal),) = person.settled
    assert why in refusal
    assert (tmp_path / "e" / "patch.diff").read_text() == ""
    assert data(tmp_path / "e", Intervened) == []


def test_a_person_can_end_the_episode(tmp_path: Path) -> None:
    person = Person(waiting=[[], [HumanInput("x.stop", "interrupt", "enough")]])
    episode = run(tmp_path / "e", person, call("list_files", path=".", depth=1), DONE)
    assert (episode.stop_reason, episode.turns) == ("interrupted", 2)
    assert person.settled == [("x.stop", "")]
    assert [help_given.form for help_given in data(tmp_path / "e", Intervened)] == ["interrupt"]
    assert terret.verify(tmp_path / "e").ok


# what it means for label and metrics

VERIFIED = Task(
    name="two",
    repository=Repository(files={"a.txt": "1\n"}),
    objective="Put 2 into a.txt.",
    requirements=(Requirement("R1", "a.txt holds 2"),),
    checks=(Check("two", "grep -q 2 a.txt", covers=("R1",)),),
)
WORK = [
    call("run", command="grep -q 2 a.txt"),
    call("update_task_state", hypothesis="a.txt holds 1"),
    call("write_file", path="a.txt", content="2\n"),
    call("run", command="grep -q 2 a.txt"),
    DONE,
]


@pytest.mark.parametrize(
    ("given", "label", "avoidable"),
    [
        ([], "autonomous_verified_success", 0),
        ([HumanInput("a.hint", "hint", "look at a.txt")], "assisted_verified_success", 1),
        ([HumanInput("a.hint", "hint", "blue is nicer")], "assisted_verified_success", 0),
    ],
)
def test_help_keeps_a_success_from_being_autonomous_and_is_counted(
    tmp_path: Path, given: list[HumanInput], label: str, avoidable: int
) -> None:
    episode = run(tmp_path / "e", Person(waiting=[given]), *WORK, task=VERIFIED, level="H3")
    assert episode.label == label
    metrics = read_metrics(tmp_path / "e")
    assert (metrics.interventions, metrics.avoidable) == (len(given), avoidable)
    assert m_hir(data(tmp_path / "e", Intervened), 1) == avoidable


def test_a_mere_approval_leaves_a_success_autonomous(tmp_path: Path) -> None:
    task = msgspec.structs.replace(VERIFIED, permissions=Permissions(ask_write=("a.txt",)))
    episode = run(tmp_path / "e", Person(YES), *WORK, task=task, level="H3")
    assert episode.label == "autonomous_verified_success"
    assert read_metrics(tmp_path / "e").interventions == 1


def test_after_a_takeover_at_h3_the_evidence_is_taken_again(tmp_path: Path) -> None:
    patch = HumanInput("a.patch", "takeover", "done for you", "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-1\n+2\n")
    person = Person(waiting=[[], [patch]])
    replies = [WORK[0], DONE, WORK[3], DONE]
    episode = run(tmp_path / "e", person, *replies, task=VERIFIED, level="H3")
    assert (episode.stop_reason, episode.label) == ("completed", "assisted_verified_success")
    declared = [json.loads(line) for line in (tmp_path / "e/traces/action.jsonl").read_text().splitlines()]
    assert "declare_complete" in str(declared)


def test_a_package_with_people_in_it_verifies(tmp_path: Path) -> None:
    run(
        tmp_path / "e",
        Person(YES, waiting=[[HumanInput("a.hint", "hint", "touch it")]]),
        call("run", command="touch a"),
        DONE,
    )
    assert terret.verify(tmp_path / "e").ok
