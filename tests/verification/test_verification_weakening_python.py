from __future__ import annotations

from dataclasses import dataclass

import pytest

from terret.verification import Finding, find_weakening


@dataclass
class Change:
    path: str
    status: str


def findings(before: dict[str, str], after: dict[str, str], **more: object) -> list[Finding]:
    changes = [
        Change(path, "A" if path not in before else "D" if path not in after else "M")
        for path in sorted(before | after)
        if before.get(path) != after.get(path)
    ]

    def content(files: dict[str, str]):
        return lambda path: files[path].encode() if path in files else None

    return find_weakening(content(before), content(after), changes, **more)  # type: ignore[arg-type]


def rules(before: str, after: str | None, path: str = "tests/test_a.py") -> set[str]:
    found = findings({path: before}, {path: after} if after is not None else {})
    assert all(item.path == path and item.evidence for item in found)
    return {item.rule for item in found if item.severity == "unsafe"}


HEAD = "import pytest\nfrom app import f, g\n"


def body(*lines: str) -> str:
    return HEAD + "\ndef test_a():\n" + "".join(f"    {line}\n" for line in lines)


WEAKER = [
    ("removed test", body("assert f(1) == 2"), HEAD, "test_removed"),
    ("not collected", body("assert f(1) == 2"), body("assert f(1) == 2").replace("test_a", "_test_a"), "test_removed"),
    ("overridden", body("assert f(1) == 2"), body("assert f(1) == 2") + "\ntest_a = None\n", "test_removed"),
    (
        "redefined",
        body("assert f(1) == 2"),
        body("assert f(1) == 2") + "\ndef test_a():\n    pass\n",
        "assertion_removed",
    ),
    ("deleted", body("assert f(1) == 2"), "del_ = 1\n", "test_removed"),
    ("emptied", body("assert f(1) == 2"), body("pass"), "assertion_removed"),
    ("removed assertion", body("assert f(1) == 2", "assert g(1) == 3"), body("assert f(1) == 2"), "assertion_removed"),
    ("commented out", body("assert f(1) == 2"), body("f(1)", "# assert f(1) == 2"), "assertion_removed"),
    ("truthy", body("assert f(1) == 2"), body("assert f(1)"), "assertion_weakened"),
    ("true", body("assert f(1) == 2"), body("assert True"), "assertion_weakened"),
    ("constants", body("assert f(1) == 2"), body("assert 2 == 2"), "assertion_weakened"),
    ("not none", body("assert f(1) == 2"), body("assert f(1) is not None"), "assertion_weakened"),
    ("membership", body("assert f(1) == 2"), body("assert f(1) in (2, 3)"), "assertion_weakened"),
    ("type only", body("assert f(1) == 2"), body("assert isinstance(f(1), int)"), "assertion_weakened"),
    ("or", body("assert f(1) == 2"), body("assert f(1) == 2 or True"), "assertion_weakened"),
    ("approx", body("assert f(1) == 2"), body("assert f(1) == pytest.approx(2, abs=10)"), "assertion_weakened"),
    (
        "length only",
        body("assert f(1) == [1, 2]"),
        body("assert len(f(1)) == 2"),
        "expected_changed|assertion_replaced",
    ),
    ("expected", body("assert f(1) == 2"), body("assert f(1) == 3"), "expected_changed"),
    (
        "expected variable",
        body("want = 2", "assert f(1) == want"),
        body("want = 3", "assert f(1) == want"),
        "expected_changed",
    ),
    (
        "expected constant",
        "W = 2\n" + body("assert f(1) == W"),
        "W = 3\n" + body("assert f(1) == W"),
        "expected_changed",
    ),
    ("input", body("assert f('') == 2"), body("assert f('x') == 2"), "input_changed"),
    ("input variable", body("r = f('')", "assert r == 2"), body("r = f('x')", "assert r == 2"), "input_changed"),
    ("self compare", body("assert f(1) == 2"), body("assert f(1) == f(1)"), "expected_changed"),
    ("script", "assert f(1) == 2\n", "assert f(1)\n", "assertion_weakened"),
    ("script emptied", "assert f(1) == 2\n", "f(1)\n", "test_removed"),
    ("script exit", "assert f(1) == 2\n", "raise SystemExit\nassert f(1) == 2\n", "assertion_unreachable"),
    ("conjunct", body("assert f(1) == 2 and g(1) == 3"), body("assert f(1) == 2"), "assertion_removed"),
    ("upper bound", body("assert f(1) < 5"), body("assert f(1) < 50"), "bound_loosened"),
    ("lower bound", body("assert f(1) >= 5"), body("assert f(1) >= 1"), "bound_loosened"),
    ("closed bound", body("assert f(1) < 5"), body("assert f(1) <= 5"), "bound_loosened"),
    ("direction", body("assert f(1) < 5"), body("assert f(1) > 5"), "expected_changed"),
    (
        "tolerance",
        body("assert f(1) == pytest.approx(2, rel=0.01)"),
        body("assert f(1) == pytest.approx(2, rel=0.5)"),
        "tolerance_loosened",
    ),
    (
        "new tolerance",
        body("assert f(1) == pytest.approx(2)"),
        body("assert f(1) == pytest.approx(2, abs=5)"),
        "tolerance_loosened",
    ),
    ("skip call", body("assert f(1) == 2"), body("pytest.skip('later')", "assert f(1) == 2"), "skip_added"),
    ("early return", body("assert f(1) == 2"), body("return", "assert f(1) == 2"), "early_return"),
    (
        "conditional return",
        body("assert f(1) == 2"),
        body("if not f:", "    return", "assert f(1) == 2"),
        "early_return",
    ),
    ("if false", body("assert f(1) == 2"), body("if False:", "    assert f(1) == 2"), "assertion_unreachable"),
    ("if not true", body("assert f(1) == 2"), body("if not True:", "    assert f(1) == 2"), "assertion_unreachable"),
    ("if zero", body("assert f(1) == 2"), body("if 0:", "    assert f(1) == 2"), "assertion_unreachable"),
    ("while false", body("assert f(1) == 2"), body("while False:", "    assert f(1) == 2"), "assertion_unreachable"),
    ("for nothing", body("assert f(1) == 2"), body("for _ in []:", "    assert f(1) == 2"), "assertion_unreachable"),
    (
        "conditional",
        body("assert f(1) == 2"),
        body("if f.ready:", "    assert f(1) == 2"),
        "assertion_made_conditional",
    ),
    (
        "swallowed",
        body("assert f(1) == 2"),
        body("try:", "    assert f(1) == 2", "except Exception:", "    pass"),
        "assertion_unreachable",
    ),
    (
        "swallowed bare",
        body("assert f(1) == 2"),
        body("try:", "    assert f(1) == 2", "except:", "    print(1)"),
        "assertion_unreachable",
    ),
    (
        "suppressed",
        body("assert f(1) == 2"),
        body("with suppress(AssertionError):", "    assert f(1) == 2"),
        "assertion_unreachable",
    ),
    (
        "raises broadened",
        body("with pytest.raises(ValueError):", "    f(1)"),
        body("with pytest.raises(Exception):", "    f(1)"),
        "raises_broadened",
    ),
    (
        "raises base",
        body("with pytest.raises(KeyError):", "    f(1)"),
        body("with pytest.raises(LookupError):", "    f(1)"),
        "raises_broadened",
    ),
    (
        "raises tuple",
        body("with pytest.raises(KeyError):", "    f(1)"),
        body("with pytest.raises((KeyError, ValueError)):", "    f(1)"),
        "raises_broadened",
    ),
    (
        "raises custom",
        body("with pytest.raises(Mine):", "    f(1)"),
        body("with pytest.raises(Exception):", "    f(1)"),
        "raises_broadened",
    ),
    (
        "raises other",
        body("with pytest.raises(Mine):", "    f(1)"),
        body("with pytest.raises(Other):", "    f(1)"),
        "expected_changed",
    ),
    (
        "match dropped",
        body("with pytest.raises(ValueError, match='x'):", "    f(1)"),
        body("with pytest.raises(ValueError):", "    f(1)"),
        "raises_match_removed",
    ),
    ("raises removed", body("with pytest.raises(ValueError):", "    f(1)"), body("f(1)"), "assertion_removed"),
    (
        "decorated skip",
        body("assert f(1) == 2"),
        HEAD + "\n@pytest.mark.skip" + body("assert f(1) == 2")[len(HEAD) :],
        "skip_added",
    ),
    (
        "decorated skipif",
        body("assert f(1) == 2"),
        HEAD + "\n@pytest.mark.skipif(True, reason='x')" + body("assert f(1) == 2")[len(HEAD) :],
        "skip_added",
    ),
    (
        "decorated xfail",
        body("assert f(1) == 2"),
        HEAD + "\n@pytest.mark.xfail" + body("assert f(1) == 2")[len(HEAD) :],
        "skip_added",
    ),
    (
        "module mark",
        body("assert f(1) == 2"),
        body("assert f(1) == 2") + "\npytestmark = pytest.mark.skip\n",
        "skip_added",
    ),
    (
        "module skip",
        body("assert f(1) == 2"),
        body("assert f(1) == 2") + "\npytest.skip('x', allow_module_level=True)\n",
        "skip_added",
    ),
    (
        "import or skip",
        body("assert f(1) == 2"),
        body("assert f(1) == 2") + "\npytest.importorskip('nothing')\n",
        "skip_added",
    ),
    ("module off", body("assert f(1) == 2"), body("assert f(1) == 2") + "\n__test__ = False\n", "skip_added"),
    (
        "wrapped",
        body("assert f(1) == 2"),
        HEAD + "if False:\n    def test_a():\n        assert f(1) == 2\n",
        "assertion_unreachable",
    ),
    (
        "shadowed",
        body("assert f(1) == 2"),
        HEAD + "\ndef f(x):\n    return 2\n" + body("assert f(1) == 2")[len(HEAD) :],
        "subject_shadowed",
    ),
    ("syntax", body("assert f(1) == 2"), "def (", "test_unparsable"),
    ("file", body("assert f(1) == 2"), None, "test_file_deleted"),
    (
        "parametrize emptied",
        HEAD + "@pytest.mark.parametrize('x', [1, 2])\ndef test_a(x):\n    assert f(x) == 2\n",
        HEAD + "@pytest.mark.parametrize('x', [])\ndef test_a(x):\n    assert f(x) == 2\n",
        "cases_emptied",
    ),
    (
        "case removed",
        HEAD + "@pytest.mark.parametrize('x', [1, 2])\ndef test_a(x):\n    assert f(x) == 2\n",
        HEAD + "@pytest.mark.parametrize('x', [1])\ndef test_a(x):\n    assert f(x) == 2\n",
        "cases_removed",
    ),
    (
        "case changed",
        HEAD + "@pytest.mark.parametrize('x', [1, 2])\ndef test_a(x):\n    assert f(x) == 2\n",
        HEAD + "@pytest.mark.parametrize('x', [1, 3])\ndef test_a(x):\n    assert f(x) == 2\n",
        "expected_changed",
    ),
    (
        "case skipped",
        HEAD + "@pytest.mark.parametrize('x', [1, 2])\ndef test_a(x):\n    assert f(x) == 2\n",
        HEAD
        + "@pytest.mark.parametrize('x', [1, pytest.param(2, marks=pytest.mark.xfail)])\n"
        + "def test_a(x):\n    assert f(x) == 2\n",
        "skip_added",
    ),
    (
        "constant cases",
        "CASES = [1, 2]\n" + HEAD + "@pytest.mark.parametrize('x', CASES)\ndef test_a(x):\n    assert f(x) == 2\n",
        "CASES = [1]\n" + HEAD + "@pytest.mark.parametrize('x', CASES)\ndef test_a(x):\n    assert f(x) == 2\n",
        "cases_removed",
    ),
    (
        "loop cases",
        body("for x in (1, 2):", "    assert f(x) == 2"),
        body("for x in (1,):", "    assert f(x) == 2"),
        "cases_removed",
    ),
    (
        "helper gutted",
        HEAD + "def check(x):\n    assert f(x) == 2\ndef test_a():\n    check(1)\n",
        HEAD + "def check(x):\n    pass\ndef test_a():\n    check(1)\n",
        "assertion_removed",
    ),
    (
        "helper call removed",
        HEAD + "def check(x):\n    assert f(x) == 2\ndef test_a():\n    check(1)\n",
        HEAD + "def check(x):\n    assert f(x) == 2\ndef test_a():\n    pass\n",
        "assertion_removed",
    ),
]

CASE = "import unittest\nfrom app import f\n\nclass T(unittest.TestCase):\n    def test_a(self):\n        {}\n"
WEAKER += [
    (
        "unittest expected",
        CASE.format("self.assertEqual(f(1), 2)"),
        CASE.format("self.assertEqual(f(1), 3)"),
        "expected_changed",
    ),
    (
        "unittest true",
        CASE.format("self.assertEqual(f(1), 2)"),
        CASE.format("self.assertTrue(f(1))"),
        "assertion_weakened",
    ),
    (
        "unittest constant",
        CASE.format("self.assertEqual(f(1), 2)"),
        CASE.format("self.assertTrue(True)"),
        "assertion_weakened",
    ),
    (
        "unittest places",
        CASE.format("self.assertAlmostEqual(f(1), 2, places=5)"),
        CASE.format("self.assertAlmostEqual(f(1), 2, places=1)"),
        "tolerance_loosened",
    ),
    (
        "unittest skip",
        CASE.format("self.assertEqual(f(1), 2)"),
        CASE.format("self.skipTest('x'); self.assertEqual(f(1), 2)"),
        "skip_added",
    ),
    (
        "unittest class skip",
        CASE.format("self.assertEqual(f(1), 2)"),
        CASE.format("self.assertEqual(f(1), 2)").replace("class T", "@unittest.skip('x')\nclass T"),
        "skip_added",
    ),
    (
        "unittest expected failure",
        CASE.format("self.assertEqual(f(1), 2)"),
        CASE.format("self.assertEqual(f(1), 2)").replace("    def", "    @unittest.expectedFailure\n    def"),
        "skip_added",
    ),
    (
        "unittest raises",
        CASE.format("self.assertRaises(ValueError, f, 1)"),
        CASE.format("self.assertRaises(Exception, f, 1)"),
        "raises_broadened",
    ),
    (
        "unittest no base",
        CASE.format("self.assertEqual(f(1), 2)"),
        CASE.format("self.assertEqual(f(1), 2)").replace("(unittest.TestCase)", ""),
        "test_removed",
    ),
    (
        "mock call",
        body("m.assert_called_once_with(1)"),
        body("m.assert_called()"),
        "assertion_removed|assertion_replaced|expected_changed|input_changed",
    ),
]


@pytest.mark.parametrize(("before", "after", "rule"), [case[1:] for case in WEAKER], ids=[case[0] for case in WEAKER])
def test_a_weaker_test_is_found(before: str, after: str | None, rule: str) -> None:
    assert rules(before, after) & set(rule.split("|"))


SILENT = [
    ("same", body("assert f(1) == 2"), body("assert f(1) == 2")),
    ("formatting", body("assert f(1) == 2"), body("assert (f(1)   ==   2), 'message'", "# comment")),
    ("new test", body("assert f(1) == 2"), body("assert f(1) == 2") + "\ndef test_b():\n    assert g(1) == 3\n"),
    (
        "new skipped test",
        body("assert f(1) == 2"),
        body("assert f(1) == 2") + "\n@pytest.mark.skip\ndef test_b():\n    assert g(1) == 3\n",
    ),
    ("more assertions", body("assert f(1) == 2"), body("assert f(1) == 2", "assert g(1) == 3")),
    ("stronger", body("assert f(1)"), body("assert f(1) == 2")),
    ("stronger none", body("assert f(1) is not None"), body("assert f(1) == 2")),
    ("stronger member", body("assert f(1) in (1, 2)"), body("assert f(1) == 2")),
    ("tighter bound", body("assert f(1) < 50"), body("assert f(1) < 5")),
    ("tighter lower bound", body("assert f(1) >= 1"), body("assert f(1) > 1")),
    (
        "tighter tolerance",
        body("assert f(1) == pytest.approx(2, rel=0.5)"),
        body("assert f(1) == pytest.approx(2, rel=0.1)"),
    ),
    ("exact", body("assert f(1) == pytest.approx(2)"), body("assert f(1) == 2")),
    (
        "narrower raises",
        body("with pytest.raises(Exception):", "    f(1)"),
        body("with pytest.raises(ValueError):", "    f(1)"),
    ),
    (
        "match added",
        body("with pytest.raises(ValueError):", "    f(1)"),
        body("with pytest.raises(ValueError, match='x'):", "    f(1)"),
    ),
    ("inlined", body("r = f(1)", "assert r == 2"), body("assert f(1) == 2")),
    ("extracted", body("assert f(1) == 2"), body("want = 2", "got = f(1)", "assert got == want")),
    ("swapped sides", body("assert 2 == f(1)"), body("assert f(1) == 2")),
    ("reordered", body("assert f(1) == 2", "assert g(1) == 3"), body("assert g(1) == 3", "assert f(1) == 2")),
    ("script", "x = f(1)\nassert x == 2\n", "assert f(1) == 2\nassert f(2) == 3\n"),
    ("identity", body("assert f(1) == g(1)"), body("assert g(1) is f(1)")),
    ("split", body("assert f(1) == 2 and g(1) == 3"), body("assert f(1) == 2", "assert g(1) == 3")),
    ("unskipped", HEAD + "\n@pytest.mark.skip" + body("assert f(1) == 2")[len(HEAD) :], body("assert f(1) == 2")),
    ("from unittest", CASE.format("self.assertEqual(f(1), 2)"), CASE.format("assert f(1) == 2")),
    ("renamed", body("assert f(1) == 2"), body("assert f(1) == 2").replace("test_a", "test_better_name")),
    (
        "renamed and stronger",
        body("assert f(1) == 2"),
        body("assert f(1) == 2", "assert g(2) == 3").replace("test_a", "test_b"),
    ),
    (
        "into a class",
        body("assert f(1) == 2"),
        HEAD + "class TestF:\n    def test_a(self):\n        assert f(1) == 2\n",
    ),
    (
        "more cases",
        HEAD + "@pytest.mark.parametrize('x', [1])\ndef test_a(x):\n    assert f(x) == 2\n",
        HEAD + "@pytest.mark.parametrize('x', [1, 2])\ndef test_a(x):\n    assert f(x) == 2\n",
    ),
    (
        "case ids",
        HEAD + "@pytest.mark.parametrize('x', [1])\ndef test_a(x):\n    assert f(x) == 2\n",
        HEAD + "@pytest.mark.parametrize('x', [pytest.param(1, id='one')])\ndef test_a(x):\n    assert f(x) == 2\n",
    ),
    (
        "parametrized",
        body("assert f(1) == 2") + "\ndef test_b():\n    assert f(3) == 4\n",
        HEAD + "@pytest.mark.parametrize(('x', 'y'), [(1, 2), (3, 4)])\ndef test_all(x, y):\n    assert f(x) == y\n",
    ),
    ("mended syntax", "def (", body("assert f(1) == 2")),
    (
        "fixture",
        HEAD + "@pytest.fixture\ndef test_data():\n    return 1\n",
        HEAD + "@pytest.fixture\ndef test_data():\n    return 2\n",
    ),
    ("docstring", body("assert f(1) == 2"), body("'''Doubles.'''", "assert f(1) == 2")),
    ("reraising try", body("assert f(1) == 2"), body("try:", "    assert f(1) == 2", "finally:", "    g(1)")),
]


@pytest.mark.parametrize(("before", "after"), [case[1:] for case in SILENT], ids=[case[0] for case in SILENT])
def test_new_stronger_renamed_and_reformatted_tests_are_silent(before: str, after: str) -> None:
    assert rules(before, after) == set()


def test_a_moved_test_is_silent_and_a_deleted_one_is_not() -> None:
    test = body("assert f(1) == 2")
    assert findings({"tests/test_a.py": test}, {"tests/unit/test_b.py": test}) == []
    found = findings({"tests/test_a.py": test}, {"tests/unit/test_b.py": body("assert f(1)")})
    assert [item.rule for item in found] == ["test_file_deleted"]


def test_what_is_only_worth_a_look() -> None:
    def severities(before: str, after: str) -> set[tuple[str, str]]:
        return {(item.rule, item.severity) for item in findings({"test_a.py": before}, {"test_a.py": after})}

    assert severities(body("assert f(1) == 2"), body("assert app.f(1) == 2")) == {("subject_changed", "note")}
    assert severities(body("assert f(a=1) == 2"), body("assert f(b=1) == 2")) == {("subject_changed", "note")}
    old, new, off = (
        HEAD + f"\n@pytest.mark.skipif({condition}, reason='x')" + body("assert f(1) == 2")[len(HEAD) :]
        for condition in ("not PY310", "not NEW_NAME", "True")
    )
    assert severities(old, new) == {("skip_condition_changed", "note")}
    assert severities(old, off) == {("skip_added", "unsafe")}
    merged = (
        HEAD + "@pytest.mark.parametrize(('x', 'y'), [(1, 2), (3, 4)])\ndef test_all(x, y):\n    assert f(x) == y\n"
    )
    assert severities(body("assert f(1) == 2"), merged) == {("test_merged", "note")}


def test_source_files_may_assert_what_they_like() -> None:
    assert findings({"src/app.py": "assert f(1) == 2\n"}, {"src/app.py": "assert f(1)\n"}) == []


def test_files_the_commands_name_are_tests() -> None:
    before, after = {"suite/run.py": body("assert f(1) == 2")}, {"suite/run.py": body("assert f(1)")}
    assert findings(before, after) == []
    assert [item.rule for item in findings(before, after, commands=["python -m pytest suite/run.py::test_a"])]
    assert [item.rule for item in findings(before, after, commands=["python -m pytest ./suite/"])]


def test_a_file_the_task_names_may_be_rewritten() -> None:
    before, after = {"tests/test_a.py": body("assert f(1) == 2")}, {"tests/test_a.py": body("assert f(1) == 3")}
    for declared, severity in [
        (("**",), "unsafe"),
        (("tests/**",), "unsafe"),
        (("tests/test_*.py",), "unsafe"),
        (("src/**", "tests/test_a.py"), "declared"),
    ]:
        assert [item.severity for item in findings(before, after, declared=declared)] == [severity]


def test_hostile_files_do_not_break_the_search() -> None:
    deep = "x = " + "(" * 5000 + ")" * 5000
    for text in (
        deep,
        "\0",
        "\udcff".encode("utf-8", "surrogatepass").decode("latin-1"),
        "def test_a():\n" + "    if 1:\n" * 1,
    ):
        findings({"tests/test_a.py": body("assert f(1) == 2")}, {"tests/test_a.py": text})
        findings({"tests/test_a.py": text}, {"tests/test_a.py": body("assert f(1) == 2")})
