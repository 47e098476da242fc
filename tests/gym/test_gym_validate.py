"""Validation: which of a task's claims hold, tried by the real evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from terret.gym import SuiteTask, Validation, load_suite, validate
from terret.task import Check, Hidden, Repository, Task

PATCH = b"""\
diff --git a/a.py b/a.py
--- a/a.py
+++ b/a.py
@@ -1 +1 @@
-x = 1
+x = 2
"""
WEAKENING = b"""\
diff --git a/test_a.py b/test_a.py
--- a/test_a.py
+++ b/test_a.py
@@ -1,3 +1,2 @@
 import a
 def test_a():
-    assert a.x == 2
"""


def task(name: str = "one", run: str = "grep -q 2 a.py", reference: bytes | None = PATCH) -> SuiteTask:
    files = {"a.py": "x = 1\n", "test_a.py": "import a\ndef test_a():\n    assert a.x == 2\n"}
    return SuiteTask(name, Task(name, Repository(files=files), "Set x to 2.", checks=(Check("c", run),)), reference)


def tried(tasks: Sequence[SuiteTask], folder: Path, repeats: int = 2) -> list[Validation]:
    return validate(tasks, folder, repeats=repeats, tier="none", allow_none=True)


def test_a_sound_task(tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    (row,) = validate(
        [task()], tmp_path, repeats=2, on_progress=lambda *told: heard.append(told), tier="none", allow_none=True
    )
    assert row.ok, row
    assert (row.buggy_fails, row.noop_fails, row.reference_passes, row.repeats_agree) == (True, True, True, True)
    assert (row.exposed, row.detail) == (True, "")
    assert heard == [
        (f"one: {variant} {repeat}/2", done, 6)
        for done, (variant, repeat) in enumerate((v, r) for v in ("buggy", "noop", "reference") for r in (1, 2))
    ]


@pytest.mark.parametrize(
    ("suite_task", "broken", "detail"),
    [
        (task(run="true"), {"buggy_fails", "noop_fails"}, "buggy_fails does not hold"),
        (task(run="grep -q 3 a.py"), {"reference_passes"}, "reference: check c failed"),
        (task(run="grep -q No.change a.py"), {"noop_fails", "reference_passes"}, "noop: every deterministic check"),
        (task(reference=b"no patch"), {"reference_passes"}, "does not apply"),
        (task(run="! grep -q assert test_a.py", reference=WEAKENING), {"reference_passes"}, "test_a.py"),
    ],
    ids=["passes from the start", "wrong reference", "passes with a comment", "broken patch", "weakens a test"],
)
def test_a_task_that_claims_too_much(suite_task: SuiteTask, broken: set[str], detail: str, tmp_path: Path) -> None:
    (row,) = tried([suite_task], tmp_path, repeats=1)
    assert not row.ok
    conditions = ("buggy_fails", "noop_fails", "reference_passes", "repeats_agree")
    assert {name for name in conditions if getattr(row, name) is False} == broken, row
    assert detail in row.detail
    assert "\n" not in row.detail


def test_repeats_that_disagree(tmp_path: Path) -> None:
    count = tmp_path / "count"
    (row,) = tried([task(run=f"echo >> {count}; test $(wc -l < {count}) = 2")], tmp_path / "work", repeats=3)
    assert row.repeats_agree is False
    assert "repeats_agree does not hold" in row.detail
    assert not row.ok


def test_without_a_reference_or_a_file_to_comment(tmp_path: Path) -> None:
    bare = Task("two", Repository(files={"data.bin": "1\n"}), "x", checks=(Check("c", "false"),))
    (row,) = tried([SuiteTask("two", bare)], tmp_path, repeats=1)
    assert (row.ok, row.buggy_fails, row.noop_fails, row.reference_passes) == (True, True, None, None)
    assert row.repeats_agree is None


def test_hidden_only(tmp_path: Path) -> None:
    hidden = Hidden(checks=(Check("h", "grep -q 2 a.py"),))
    covert = msgspec.structs.replace(task().task, checks=(Check("c", "true"),), hidden=hidden)
    (row,) = tried([SuiteTask("three", covert, PATCH)], tmp_path, repeats=1)
    assert (row.ok, row.exposed) == (True, False)


def test_a_broken_task_does_not_stop_the_others(tmp_path: Path) -> None:
    broken = SuiteTask("gone", Task("gone", Repository(path=str(tmp_path / "nowhere")), "x"))
    first, second = tried([broken, task()], tmp_path / "work", repeats=1)
    assert (first.ok, first.buggy_fails) == (False, None)
    assert str(tmp_path / "nowhere") in first.detail
    assert second.ok


def test_a_small_quixbugs_folder(quixbugs: Path, tmp_path: Path) -> None:
    rows = tried(load_suite("quixbugs", quixbugs, only=["double", "length"]), tmp_path, repeats=1)
    assert [(row.id, row.ok, row.reference_passes, row.exposed) for row in rows] == [
        ("double", True, True, False),
        ("length", True, None, True),
    ]
