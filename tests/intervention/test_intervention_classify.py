"""Every kind of help points at the responsibility that was missing; the two figures count different things."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.errors import InputError
from terret.intervention import (
    BURDEN,
    RESPONSIBILITIES,
    RULES,
    HumanAnswer,
    HumanRequest,
    avoidable_share,
    classify,
    m_hir,
    record,
)
from terret.journal import Intervened

LABELLED = {
    "context selection": [
        "look at src/auth/service.py",
        "The bug is in lib/cart.js, in total()",
        "It is implemented in core/rounding.py",
        "src/validator.py",
        "You are editing the wrong file",
        "src/store.ts holds the reducer",
        "open tests/test_login.py first",
    ],
    "failure attribution": [
        "The test fails because the password is None",
        "That AssertionError means the list is sorted the wrong way",
        "the error comes from the empty string being falsy",
        "KeyError: 'x' is raised when the cache is cold",
        "The root cause is an off-by-one in the loop",
        "the exception is caused by a missing await",
    ],
    "observability": [
        "here is the traceback: Traceback (most recent call last): ...",
        "look at the log",
        "The console shows nothing at all",
        "check the error message",
        "here are the logs of the run",
    ],
    "verification": [
        "I ran it and login works now",
        "still fails on my machine",
        "I checked the page by hand",
        "the tests pass now",
        "It does not work for empty input",
        "Looks right to me",
        "we have tested the export",
    ],
    "entropy auditing": [
        "remove the debug prints",
        "please delete the temporary file you left",
        "Clean up the commented-out code",
        "I deleted the stray backup",
        "revert the unrelated change in setup",
    ],
    "tool access": [
        "run pytest -q tests/unit instead",
        "use `npm test`",
        "The test command is `make check`",
        "that is the wrong command",
        "python -m unittest, not pytest",
        "the flag is --no-cov",
    ],
    "project memory": [
        "as I said, the fixtures are generated",
        "this is a known issue of the date tests",
        "Remember that the API is frozen",
        "in this project we use tabs",
        "test_slow always fails here",
        "like last time, regenerate the lock file",
    ],
    "task specification": [
        "The goal is to reject empty passwords",
        "I want the old behaviour kept",
        "you were asked to change the CLI only",
        "it should return an empty list",
        "the response must be JSON",
        "Changing the schema is out of scope",
    ],
    "task state": [
        "you already tried that",
        "You are going in circles",
        "the next step is the parser",
        "you forgot the second caller",
        "go back to the first idea",
    ],
    "permissions": ["you may install it", "go ahead", "Permission granted.", "I approve the write", "denied"],
    "intervention recording": ["hm, hard to say", "blue", "perhaps tomorrow"],
}


@pytest.mark.parametrize(("gap", "text"), [(gap, text) for gap, texts in LABELLED.items() for text in texts])
def test_help_points_at_the_missing_responsibility(gap, text):
    judged = classify("hint", text)
    assert judged.harness_gap == gap, judged.rule
    assert judged.avoidable == (gap not in ("permissions", "intervention recording"))
    assert judged.substantive == (gap != "permissions")


def test_every_rule_has_a_labelled_example_and_a_known_gap():
    used = {classify("hint", text).rule for texts in LABELLED.values() for text in texts}
    assert {rule.name for rule in RULES} <= used
    assert {rule.harness_gap for rule in RULES} <= set(RESPONSIBILITIES)
    assert len(RESPONSIBILITIES) == 11


def test_an_approval_is_about_permissions_whatever_it_says():
    judged = classify("approval", "yes, and look at src/a.py")
    assert (judged.harness_gap, judged.avoidable, judged.substantive) == ("permissions", False, False)
    assert classify("approval", "").burden == 0


@pytest.mark.parametrize("form", ["question", "hint", "interrupt"])
def test_nothing_said_is_no_help(form):
    judged = classify(form, " \n")
    assert (judged.substantive, judged.avoidable, judged.burden) == (False, False, 0)


def test_an_interrupt_is_no_help_towards_the_solution():
    judged = classify("interrupt", "stop, look at src/a.py")
    assert (judged.substantive, judged.avoidable, judged.burden) == (False, False, 1)


def test_a_takeover_is_the_heaviest_help_and_always_substantive():
    assert classify("takeover", "").burden == 3
    assert classify("takeover", "").substantive
    judged = classify("takeover", "removed the debug prints myself")
    assert (judged.burden, judged.harness_gap, judged.avoidable) == (3, "entropy auditing", True)
    assert classify("takeover", "go ahead").substantive


def test_a_long_explanation_is_a_heavier_burden():
    short = classify("hint", "look at src/a.py")
    assert classify("hint", "look at src/a.py " + "and think " * 40).burden == short.burden + 1
    assert classify("hint", "I ran it " * 100).burden == 3


def test_what_the_harness_knew_already_is_a_repetition():
    known = {"known": ["Fixtures are generated by tools/make_fixtures before each run"]}
    text = "fixtures are generated by make_fixtures"
    assert classify("hint", text, known).harness_gap == "project memory"
    assert classify("hint", text).harness_gap == "intervention recording"


def test_what_the_task_said_already_is_the_goal_again():
    context = {"objective": "Reject an empty password with a clear message; keep the API."}
    assert classify("question", "reject the empty password", context).harness_gap == "task specification"
    assert classify("question", "yes", context).harness_gap == "intervention recording"


@given(
    st.sampled_from(["question", "approval", "hint", "takeover", "interrupt", "other"]),
    st.text(max_size=300),
    st.dictionaries(st.sampled_from(["known", "objective"]), st.one_of(st.none(), st.text(), st.lists(st.integers()))),
)
def test_every_text_gets_a_judgement_within_the_scales(form, text, context):
    judged = classify(form, text, context)
    assert judged.harness_gap in RESPONSIBILITIES
    assert judged.burden in range(len(BURDEN))
    assert judged.substantive or not judged.avoidable


@pytest.mark.parametrize("text", ["a" * 200_000, "a/" * 100_000, "test " * 40_000, "remove " * 30_000, "-" * 100_000])
def test_a_huge_text_is_judged_at_once(text):
    assert classify("hint", text).burden >= 1


# figures


def help_given(avoidable):
    return Intervened(1, "hint", "x", True, avoidable, 1, "context selection")


def test_m_hir_is_a_ratio_of_counts_and_may_exceed_one():
    found = [help_given(True), help_given(True), help_given(True), help_given(False)]
    assert m_hir(found, 2) == 1.5
    assert m_hir([], 4) == 0.0
    assert m_hir([classify("hint", "look at src/a.py")], 4) == 0.25


def test_the_share_counts_an_episode_once():
    episodes = [[help_given(True), help_given(True)], [], [help_given(False)], [help_given(True)]]
    assert avoidable_share(episodes) == 0.5
    assert avoidable_share([[]]) == 0.0


@given(st.lists(st.lists(st.booleans(), max_size=4), min_size=1, max_size=8))
def test_the_share_never_exceeds_either_bound(flags):
    episodes = [[help_given(flag) for flag in episode] for episode in flags]
    share = avoidable_share(episodes)
    assert 0 <= share <= 1
    assert share <= m_hir([found for episode in episodes for found in episode], len(episodes))


def test_no_episodes_is_an_error_line():
    with pytest.raises(InputError, match="at least one episode"):
        m_hir([], 0)
    with pytest.raises(InputError, match="at least one episode"):
        avoidable_share([])


# the journal's entry


def test_an_answer_becomes_an_entry_of_the_journal():
    request = HumanRequest("h1", "question", "which file?", turn=3)
    entry = record(request, HumanAnswer("h1", "look at src/a.py", answered=True))
    assert entry == Intervened(3, "question", "look at src/a.py", True, True, 1, "context selection")


def test_no_answer_is_no_intervention():
    assert record(HumanRequest("h1", "hint", "?"), HumanAnswer("h1", reason="no human takes part")) is None


@pytest.mark.parametrize(("approved", "text"), [(True, "approved"), (False, "denied")])
def test_an_approval_without_words_says_what_was_decided(approved, text):
    entry = record(HumanRequest("h1", "approval", "may I?"), HumanAnswer("h1", "", approved, True))
    assert entry is not None
    assert (entry.text, entry.substantive, entry.avoidable) == (text, False, False)
