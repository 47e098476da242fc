"""rank: the files of a change come first, within the budget, always the same."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from terret.context import Repo, rank
from terret.models import estimate_tokens
from terret.task import load_task

ROOT = Path(__file__).parents[2]

OWN = {
    "torn tail recovery": "journal/_recovery.py",
    "secrets scrubbed by token patterns": "journal/_scrub.py",
    "how is an episode label decided": "verification/_adjudicate.py",
    "seccomp filter of system calls": "sandbox/_seccomp.py",
    "cgroup memory limit": "sandbox/_cgroup.py",
    "suspicious lines by ochiai": "attribution/_spectrum.py",
    "the agent repeats the same action and is stuck": "runtime/_stuck.py",
    "retry after rate limit 429": "models/_http.py",
    "bubblewrap arguments": "sandbox/_bwrap.py",
    "task file lint finds repeated requirement ids": "task/_lint.py",
    "where is JournalBusy raised": "journal/_lock.py",
}


@pytest.fixture(scope="module")
def own(request: pytest.FixtureRequest) -> Repo:
    paths = {
        path.relative_to(ROOT).as_posix(): path
        for part in ("src", "tests", "docs")
        for path in (ROOT / part).rglob("*")
        if path.is_file() and not {"starter", "golden", "__pycache__", "context"} & set(path.parts)
    }
    texts = {name: path.read_bytes() for name, path in paths.items()}
    return Repo(tuple(sorted(texts)), texts.get)


def files_of(spans) -> list[str]:
    return list(dict.fromkeys(span.path for span in spans))


@pytest.mark.parametrize("query", OWN)
def test_questions_about_terret_find_their_module(own, query):
    found = files_of(rank(own, query, budget_tokens=12_000))
    assert f"src/terret/{OWN[query]}" in found[:3], found[:6]


def test_the_files_of_a_reference_change_come_first(folder, starter):
    """In most starter tasks the sources that the reference patch changes are the top three."""
    hits, complete, tasks = 0, 0, sorted(path.parent for path in starter.glob("*/task.yaml"))
    for place in tasks:
        task = load_task(place / "task.yaml")
        changed = re.findall(r"^--- a/(.*)$", (place / "reference.patch").read_text(), re.MULTILINE)
        gold = {path for path in changed if path.startswith(("src/", "salesreport/"))}
        query = "\n".join([task.objective, *(item.text for item in task.requirements)])
        spans = rank(folder(place / "repo"), query, budget_tokens=20_000, tests=task.targeted, hints=task.hints)
        top = set(files_of(spans)[:3])
        hits += bool(gold & top)
        complete += len(gold & top) == min(3, len(gold))
    print(f"{hits} of {len(tasks)} tasks have a changed source in the top three, {complete} have all that fit")
    assert hits >= len(tasks) * 0.9
    assert complete >= len(tasks) * 0.6


@pytest.mark.parametrize("budget", [0, 30, 200, 1500, 6000])
def test_the_budget_holds(own, budget):
    spans = rank(own, "journal commit fails on a full disk", budget_tokens=budget)
    assert sum(span.tokens for span in spans) <= budget
    assert bool(spans) == (budget > 0)
    for span in spans:
        lines = own.read(span.path).decode().splitlines(keepends=True)
        assert span.text == "".join(lines[span.start - 1 : span.end])
        assert span.tokens == estimate_tokens(span.text)


def test_the_same_question_has_the_same_answer(own):
    first = rank(own, "patch applies to a fresh workspace", budget_tokens=3000)
    again = rank(Repo(tuple(reversed(own.paths)), own.read), "patch applies to a fresh workspace", budget_tokens=3000)
    assert first == again


def test_three_hundred_files_take_less_than_half_a_second(own):
    many = Repo(own.paths[:300], own.read)
    taken: list[float] = []
    for _ in range(3):
        begun = time.process_time()
        rank(many, "torn tail recovery", budget_tokens=4000)
        taken.append(time.process_time() - begun)
    assert len(many.paths) == 300
    assert min(taken) < 0.5


def test_a_traceback_points_at_its_lines(repository):
    filler = "\n\n".join(f"def other_{n}(value):\n    total = value + {n}\n    return total" for n in range(120))
    text = filler + "\n\n\ndef wanted(rows):\n    return rows[0]\n"
    line = text.count("\n")
    repo = repository({"app/rows.py": text, "app/main.py": "from app.rows import wanted\n"})
    query = f'Traceback:\n  File "/workspace/app/rows.py", line {line}, in wanted\nIndexError'
    spans = rank(repo, query, budget_tokens=300)
    assert spans[0].path == "app/rows.py"
    assert any(span.path == "app/rows.py" and span.start <= line <= span.end for span in spans)
    assert sum(span.tokens for span in spans) < 150, "nothing else in the file is of any use"


def test_tests_hints_quotes_and_history_count(repository):
    files = {
        "src/pay/__init__.py": "",
        "src/pay/core.py": "def charge(amount):\n    return amount\n",
        "src/pay/extra.py": "def refund(amount):\n    return -amount\n",
        "src/pay/texts.py": 'MESSAGE = "Card was declined."\n',
        "tests/test_core.py": "from pay.core import charge\n\ndef test_charge():\n    assert charge(1) == 1\n",
    }
    repo = repository(files)

    def first(query: str, **rest) -> str:
        return rank(repo, query, budget_tokens=2000, **rest)[0].path

    assert first("it is broken", tests=["python -m pytest -q tests/test_core.py"]) == "src/pay/core.py"
    assert first("it is broken", hints=["src/pay/extra.py"]) == "src/pay/extra.py"
    assert first('customers see "Card was declined." for no reason') == "src/pay/texts.py"
    assert first("amount", history=["src/pay/extra.py"]) == "src/pay/extra.py"
    assert first("see pay.extra for it") == "src/pay/extra.py"
    assert first("nothing here matches") in {"src/pay/core.py", "src/pay/extra.py"}


def test_noise_and_binary_files_are_never_offered(repository):
    repo = repository(
        {
            "src/total.py": "def total(): return 0\n",
            "node_modules/total/index.js": "function total() {}\n",
            "harness/total.md": "total total total",
            "total.min.js": "total",
            "package-lock.json": '{"total": 1}',
            "total.py": b"\0\1total",
            "src/gone.py": "",
        }
    )
    assert files_of(rank(repo, "total", budget_tokens=5000)) == ["src/total.py"]
