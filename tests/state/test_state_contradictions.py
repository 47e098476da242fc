"""Each rule of contradiction: what it finds, and what it must leave alone."""

from __future__ import annotations

import pytest

from terret.journal import Attributed, CheckRan, Event, Intent, Outcome, StateUpdated
from terret.state import RULES, Refutation, StateFacts, TaskState, contradictions, facts_of, find_contradictions

ALLOW = {"effect": "allow", "rule": "default", "reason": ""}
PATHS = ("src/auth.py", "src/util/text.py", "tests/test_auth.py", "README.md")
FAILED = StateFacts(last_run=False, last_command="pytest -q")


def rules(state, facts):
    return [found.rule for found in find_contradictions(state, facts)]


def chain(*payloads):
    return [Event(n, float(n), "e", 0, data, [], "", "") for n, data in enumerate(payloads)]


def effect(name, primitive, turn, status="ok", tree=None, **args):
    return Intent(name, primitive, "read", args, ALLOW, turn), Outcome(name, status, {}, 1.0, tree=tree)


@pytest.mark.parametrize(
    "claim",
    [
        "All tests pass.",
        "the tests now pass",
        "fixed; all tests are passing",
        "the test suite is green",
        "tests passed after the change",
        "The failing tests pass now",
        "unit tests pass",
        "all green",
        "I changed the parser, and all the tests pass",
        "every check succeeds",
    ],
)
def test_claimed_tests_contradict_a_failed_run(claim):
    assert rules(TaskState(hypothesis=claim), FAILED) == ["tests_claimed"]
    assert rules(TaskState(decisions=[claim]), FAILED) == ["tests_claimed"]
    assert rules(TaskState(decisions=[claim]), StateFacts(last_run=True)) == []
    assert rules(TaskState(decisions=[claim]), StateFacts()) == []


@pytest.mark.parametrize(
    "words",
    [
        "the tests do not pass",
        "make the tests pass",
        "tests should pass after this",
        "the tests will pass once the guard is in",
        "go on until all tests pass",
        "if the tests pass, declare",
        "no tests pass",
        "the tests don't pass",
        "the test fails because of the passing of None",
        "the password check is wrong",
        "get the tests to pass",
        "tests pass None to login()",
    ],
)
def test_a_wish_is_no_claim(words):
    assert rules(TaskState(hypothesis=words), FAILED) == []


@pytest.mark.parametrize(
    "state",
    [
        TaskState(inspected=["src/login.py"]),
        TaskState(inspected=["./src/login.py:12"]),
        TaskState(hypothesis="the guard in src/login.py is wrong"),
        TaskState(next_steps=["edit src/util/strings.py"]),
    ],
)
def test_a_file_that_is_not_there(state):
    assert rules(state, StateFacts(paths=PATHS)) == ["missing_file"]
    assert rules(state, StateFacts()) == []


@pytest.mark.parametrize(
    "state",
    [
        TaskState(inspected=["src/auth.py", "auth.py", "text.py", "./README.md", "src/auth.py:1-20", "src"]),
        TaskState(hypothesis="src/auth.py and/or util/text.py return None/False; see https://x.org/a/b.py, v1.2.3"),
        TaskState(next_steps=["create tests/test_new.py", "remove src/old.py"]),
        TaskState(hypothesis="src/config.py is missing"),
        TaskState(hypothesis="obj.method is called with self.value/2"),
    ],
)
def test_files_that_are_there_or_are_to_come(state):
    assert rules(state, StateFacts(paths=PATHS)) == []


def test_a_file_read_and_then_deleted_was_inspected_all_the_same():
    assert rules(TaskState(inspected=["old.py"]), StateFacts(paths=PATHS, read={"old.py": 1})) == []


DONE = StateFacts(
    read={"src/auth.py": 2, "README.md": 3}, written=("tests/test_new.py",), ran=("python -m pytest -q", "make lint")
)


@pytest.mark.parametrize(
    "step",
    [
        "read src/auth.py",
        "Look at auth.py",
        "inspect `src/auth.py` and README.md",
        "run python -m pytest -q",
        "run `make lint`",
        "create tests/test_new.py",
    ],
)
def test_a_step_already_taken(step):
    assert rules(TaskState(next_steps=[step]), DONE) == ["step_done"]
    assert rules(TaskState(next_steps=[step]), StateFacts()) == []


@pytest.mark.parametrize(
    "step",
    [
        "read src/util/text.py",
        "read src/auth.py and src/util/text.py",
        "read the rest of src/auth.py",
        "run python -m pytest -q -x",
        "run python -m pytest -q tests/test_auth.py::test_x",
        "run make lint-all",
        "edit src/auth.py",
        "fix README.md",
        "create tests/test_other.py",
        "run src/auth.py",
    ],
)
def test_a_step_still_to_take(step):
    assert rules(TaskState(next_steps=[step]), DONE) == []


def test_a_step_that_is_a_decision_already():
    assert rules(TaskState(next_steps=["use strip()"], decisions=["use strip()"]), StateFacts()) == ["step_done"]


def test_a_hypothesis_kept_after_its_refutation():
    facts = StateFacts(refuted=[Refutation("The guard is missing.", "test_empty still fails")])
    state = TaskState(hypothesis="the guard is  missing")
    assert contradictions(state, facts) == ['hypothesis "the guard is missing" was refuted: test_empty still fails']
    assert rules(TaskState(hypothesis="the guard is in the wrong place"), facts) == []
    assert rules(TaskState(), facts) == []


def test_a_question_answered_by_a_later_read():
    question = "What does src/auth.py return for an empty password?"
    state = TaskState(open_questions=[question])
    assert rules(state, StateFacts(read={"src/auth.py": 4}, asked={question: 3})) == ["answered"]
    assert rules(state, StateFacts(read={"src/auth.py": 3}, asked={question: 3})) == []
    assert rules(state, StateFacts(read={"src/util/text.py": 9}, asked={question: 3})) == []


@pytest.mark.parametrize("question", ["why does src/auth.py fail on Windows?", "should src/auth.py be split?", "API?"])
def test_a_read_does_not_answer_why(question):
    assert rules(TaskState(open_questions=[question]), StateFacts(read={"src/auth.py": 9})) == []


def test_every_rule_is_documented_and_found_at_once_in_order():
    state = TaskState(
        hypothesis="the tests pass; src/nowhere.py was wrong",
        next_steps=["read src/auth.py"],
        open_questions=["where is login in src/auth.py?"],
    )
    facts = StateFacts(
        paths=PATHS, last_run=False, read={"src/auth.py": 5}, refuted=[Refutation(state.hypothesis, "still fails")]
    )
    assert rules(state, facts) == list(RULES)


# facts from a journal


def test_facts_are_read_from_the_events():
    events = chain(
        StateUpdated(1, "agent", {"hypothesis": "h1", "open_questions": ["what is in a.py?"]}),
        *effect("e0", "fs.read", 2, path="a.py"),
        *effect("e1", "fs.read", 3, "error", path="b.py"),
        *effect("e2", "shell.run", 4, "error", tree="t1", command="pytest  -q tests"),
        *effect("e3", "shell.run", 5, tree="t1", command="ls"),
    )
    facts = facts_of(events, test_commands=["pytest -q"])
    assert (facts.read, facts.asked) == ({"a.py": 2}, {"what is in a.py?": 1})
    assert (facts.last_run, facts.last_command, list(facts.ran)) == (False, "pytest  -q tests", ["ls"])
    assert facts.paths is None


def test_a_change_of_the_workspace_makes_earlier_runs_old():
    before = [*effect("e0", "shell.run", 1, tree="t1", command="make"), *effect("e1", "shell.run", 2, command="ls")]
    assert list(facts_of(chain(*before)).ran) == ["make", "ls"]
    assert list(facts_of(chain(*before, *effect("e2", "fs.write", 3, path="a.py"))).ran) == []
    assert list(facts_of(chain(*before, *effect("e3", "shell.run", 4, tree="t2", command="sed"))).ran) == ["sed"]


def test_a_check_of_the_episode_is_a_test_run_and_one_of_the_evaluator_is_not():
    check = CheckRan("episode", "c", "check", "node check.js", True, 0, [], "", 1.0)
    hidden = CheckRan("evaluator", "h", "hidden", "pytest", False, 1, [], "", 1.0)
    unknown = CheckRan("episode", "c", "check", "node slow.js", None, None, [], "", 1.0)
    facts = facts_of(chain(check, hidden, unknown))
    assert (facts.last_run, facts.last_command) == (True, "node check.js")


def test_an_edit_that_did_not_help_refutes_the_hypothesis_behind_it():
    failure = Attributed(4, "test_a fails", "", "F_model", [], [], "", "runtime")
    said = StateUpdated(1, "agent", {"hypothesis": "h1"})
    edit = effect("e0", "fs.write", 2, path="a.py")
    passed = CheckRan("episode", "c", "check", "x", True, 0, [], "", 1.0)
    assert facts_of(chain(said, *edit, failure)).refuted == (Refutation("h1", "test_a fails"),)
    assert facts_of(chain(said, failure)).refuted == ()
    assert facts_of(chain(said, *edit, passed, failure)).refuted == ()
    facts = facts_of(chain(said, *edit, failure, StateUpdated(5, "agent", {"hypothesis": "h2"})))
    assert rules(TaskState(hypothesis="h2"), facts) == []
    assert rules(TaskState(hypothesis="h1"), facts) == ["refuted"]
