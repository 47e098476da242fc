"""Candidates, the trial of many at once, and which of several plausible ones is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from terret.runtime.repair import (
    Answers,
    Plausible,
    candidates,
    choose,
    examples,
    passed,
    plan,
    probe_plan,
    probed,
    undecided,
)
from terret.sandbox import Command, Sandbox
from terret.task import Limits

BUGGY = '''def find(values, wanted):
    """Where it is, or -1.

    >>> find([3, 5, 7], 7)
    2
    """
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle] == wanted:
            return middle
        if values[middle] < wanted:
            low = middle
        else:
            high = middle
    return -1
'''
TESTS = """from find import find

def test_first():
    assert find([3, 5, 7], 3) == 0

def test_missing():
    assert find([3, 5, 7], 9) == -1
"""
RIGHT = BUGGY.replace("low = middle\n", "low = middle + 1\n")
SHORT = RIGHT.replace("len(values)", "len(values) - 1")


@pytest.fixture
def box(tmp_path: Path) -> Sandbox:
    (tmp_path / "find.py").write_text(BUGGY)
    (tmp_path / "test_find.py").write_text(TESTS)
    with Sandbox(tmp_path) as box:
        yield box


def run(box: Sandbox, trial) -> str:
    assert trial is not None
    return box.run(Command(run=trial.command, stdin=trial.stdin, scratch=True)).output.decode()


def test_the_repair_is_among_the_candidates() -> None:
    assert RIGHT in [item.text for item in candidates(BUGGY, {})]


def test_examples_are_read_from_the_texts_of_the_file() -> None:
    assert examples(BUGGY) == [("find([3, 5, 7], 7)", "2")]
    assert examples('"""None here."""\n') == []
    assert examples("not python (") == []


@pytest.mark.sandbox
def test_a_trial_names_those_that_pass_and_gives_up_those_that_hang(box: Sandbox) -> None:
    trial = plan("python -m pytest -q test_find.py", "find.py", [RIGHT, BUGGY, SHORT, "def ("], each_s=2.0, most=9)
    assert passed(run(box, trial)) == [0, 2]


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("tests", "texts", "good"),
    [
        ("def test_one():\n    from find import find\n    assert find([1], 2) == -1\n", [RIGHT, BUGGY], [0]),
        ("import find\n\ndef test_one():\n    assert find.find([1], 2) == -1\n", [BUGGY, RIGHT], [1]),
        (
            "from find import Finder\n\ndef test_one():\n    assert Finder().place() == 2\n",
            [f"class Finder:\n    def place(self):\n        return {n}\n" for n in (1, 2)],
            [1],
        ),
        (
            "from find import outer\n\ndef test_one():\n    assert outer(3)() == 4\n",
            [
                "def outer(n):\n    def inner():\n        return n\n    return inner\n",
                "def outer(n):\n    m = 1\n    def inner():\n        return n + m\n    return inner\n",
                "import functools\n\ndef outer(n):\n    return functools.partial(lambda a: a + 1, n)\n",
                "def more(function):\n    return lambda n: lambda: function(n) + 1\n\n"
                "@more\ndef outer(n):\n    return n\n",
            ],
            [1, 2, 3],
        ),
        (
            "import find\n\ndef test_a():\n    find.SEEN.append(1)\n\n"
            "def test_b():\n    assert len(find.SEEN) == find.most()\n",
            ["SEEN = []\n\ndef most():\n    return 1\n", "SEEN = [0]\n\ndef most():\n    return 2\n"],
            [0, 1],
        ),
    ],
)
def test_a_trial_says_what_running_each_anew_says(
    tmp_path: Path, tests: str, texts: list[str], good: list[int]
) -> None:
    (tmp_path / "find.py").write_text(texts[0])
    (tmp_path / "test_find.py").write_text(tests)
    with Sandbox(tmp_path) as box:
        trial = plan("python -m pytest -q test_find.py", "find.py", texts, each_s=5.0, most=9)
        assert passed(run(box, trial)) == good
        anew = []
        for index, text in enumerate(texts):
            (tmp_path / "find.py").write_text(text)
            done = box.run(Command(run="python -m pytest -q test_find.py", scratch=True, limits=Limits(wall_s=5.0)))
            anew += [index] if done.exit_code == 0 else []
        assert anew == good


@pytest.mark.sandbox
@pytest.mark.parametrize("first", ["def (", "raise SystemExit\n"])
def test_a_file_that_cannot_be_imported_is_tried_anew_each_time(tmp_path: Path, first: str) -> None:
    (tmp_path / "find.py").write_text(first)
    (tmp_path / "test_find.py").write_text(TESTS)
    with Sandbox(tmp_path) as box:
        trial = plan("python -m pytest -q test_find.py", "find.py", [first, RIGHT], each_s=5.0, most=9)
        assert passed(run(box, trial)) == [1]


@pytest.mark.sandbox
def test_probing_sees_the_difference_and_the_contradicted_example(box: Sandbox) -> None:
    answers = probed(run(box, probe_plan("python -m pytest -q test_find.py", "find.py", [SHORT, RIGHT], each_s=5.0)))
    assert [answer.failed for answer in answers] == [1, 0]
    assert undecided([answers[1]]) is False
    assert choose([Plausible(SHORT, "model", 4), Plausible(RIGHT, "operator", 2)], answers) == 1


def test_without_answers_the_smallest_change_of_the_model_is_kept() -> None:
    pool = [Plausible("a", "operator", 2), Plausible("b", "model", 2), Plausible("c", "model", 9)]
    assert choose(pool, []) == 1


def test_many_like_minded_operators_do_not_outvote_what_the_specification_says() -> None:
    """Operators copy one another's mistakes; an implementation written from the specification does not."""
    wrong, right, kept = ("a", "x", "x"), ("a", "b", "c"), ("a", "b", "x")
    pool = [Plausible("kept", "model", 4)] + [Plausible(f"w{n}", "operator", 2) for n in range(4)]
    pool.append(Plausible("right", "operator", 2))
    answers = [Answers(kept, 0)] + [Answers(wrong, 0)] * 4 + [Answers(right, 0)]
    assert pool[choose(pool, answers)].text.startswith("w"), "the largest group, when nobody else is heard"
    assert undecided(answers)
    assert pool[choose(pool, answers, [Answers(right, 0)])].text == "right"


def test_of_those_that_agree_about_as_well_the_smallest_change_is_kept() -> None:
    vote = Answers(tuple("aaaaaaaaaaaaaaaaaaaa"), 0)
    kept = Answers(tuple("aaaaaaaaaaaaaaaaaaax"), 0)
    right = Answers(tuple("aaaaaaaaaaaaaaaaaayy"), 0)
    other = Answers(tuple("aaaaaaaaaaaaaazzzzzz"), 0)
    pool = [Plausible("kept", "model", 4), Plausible("right", "operator", 2), Plausible("other", "operator", 2)]
    assert pool[choose(pool, [kept, right, other], [vote])].text == "right"
    far = [Plausible("kept", "model", 4), Plausible("other", "operator", 2)]
    assert far[choose(far, [kept, other], [vote])].text == "kept"


def test_candidates_that_answer_alike_are_decided() -> None:
    alike = Answers(("a", "b"), 0)
    assert not undecided([alike, alike])
    assert not undecided([alike, Answers(("a", "c"), 0, 1)]), "one contradicts the specification: nothing is open"
    assert undecided([alike, Answers(("a", "c"), 0)])
    assert not undecided([])
