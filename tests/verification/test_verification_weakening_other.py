from __future__ import annotations

import json
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


def unsafe(found: list[Finding]) -> set[str]:
    return {item.rule for item in found if item.severity == "unsafe"}


def js(*lines: str, head: str = "it('adds', () => {", tail: str = "});") -> str:
    inside = "".join(f"    {line}\n" for line in lines)
    return f"const {{ f }} = require('../src/app');\ndescribe('f', () => {{\n  {head}\n{inside}  {tail}\n}});\n"


EXPECT = js("expect(f(1)).toBe(2);")
ASSERT = js("assert.strictEqual(f(1), 2);")

SCRIPT_WEAKER = [
    ("it.skip", EXPECT, js("expect(f(1)).toBe(2);", head="it.skip('adds', () => {"), "skip_added"),
    ("xit", EXPECT, js("expect(f(1)).toBe(2);", head="xit('adds', () => {"), "skip_added"),
    ("describe.skip", EXPECT, EXPECT.replace("describe(", "describe.skip("), "skip_added"),
    ("xdescribe", EXPECT, EXPECT.replace("describe(", "xdescribe("), "skip_added"),
    ("todo", EXPECT, EXPECT.replace("it('adds', () =>", "it.todo('adds', () =>"), "skip_added"),
    ("skip option", EXPECT, EXPECT.replace("it('adds', ", "it('adds', { skip: true }, "), "skip_added"),
    ("this.skip", EXPECT, js("this.skip();", "expect(f(1)).toBe(2);"), "skip_added"),
    ("t.skip", EXPECT, js("t.skip('later');", "expect(f(1)).toBe(2);"), "skip_added"),
    ("only", EXPECT, EXPECT + "it.only('x', () => { expect(1).toBe(1); });\n", "only_added"),
    ("removed test", EXPECT, "const x = 1;\n", "test_removed"),
    ("removed expect", js("expect(f(1)).toBe(2);", "expect(f(2)).toBe(3);"), EXPECT, "assertion_removed"),
    ("commented out", EXPECT, js("// expect(f(1)).toBe(2);"), "assertion_removed"),
    ("block comment", EXPECT, js("/* expect(f(1)).toBe(2); */"), "assertion_removed"),
    ("weaker matcher", EXPECT, js("expect(f(1)).toBeDefined();"), "assertion_weakened"),
    ("truthy", EXPECT, js("expect(f(1)).toBeTruthy();"), "assertion_weakened"),
    ("negated", EXPECT, js("expect(f(1)).not.toBe(5);"), "assertion_weakened"),
    ("expected", EXPECT, js("expect(f(1)).toBe(3);"), "expected_changed"),
    ("input", js("expect(f('')).toBe(2);"), js("expect(f('x')).toBe(2);"), "input_changed"),
    ("constant", EXPECT, js("expect(true).toBe(true);"), "assertion_weakened"),
    ("assert to ok", ASSERT, js("assert.ok(f(1));"), "assertion_weakened"),
    ("assert expected", ASSERT, js("assert.strictEqual(f(1), 3);"), "expected_changed"),
    ("assert removed", ASSERT, js("f(1);"), "assertion_removed"),
    ("if false", ASSERT, js("if (false) {", "assert.strictEqual(f(1), 2);", "}"), "assertion_removed"),
    ("swallowed", ASSERT, js("try {", "assert.strictEqual(f(1), 2);", "} catch (e) {}"), "assertion_removed"),
    ("early return", ASSERT, js("return;", "assert.strictEqual(f(1), 2);"), "assertion_removed"),
    ("loose assertion", "assert.equal(f(1), 2);\n", "f(1);\n", "assertion_removed"),
]


@pytest.mark.parametrize(("before", "after", "rule"), [c[1:] for c in SCRIPT_WEAKER], ids=[c[0] for c in SCRIPT_WEAKER])
def test_a_weaker_script_test_is_found(before: str, after: str, rule: str) -> None:
    assert rule in unsafe(findings({"test/app.test.js": before}, {"test/app.test.js": after}))


SCRIPT_SILENT = [
    ("same text", EXPECT, EXPECT.replace("    expect", "      expect")),
    ("comment", EXPECT, EXPECT + "// expect nothing\n"),
    ("new test", EXPECT, EXPECT + js("expect(f(2)).toBe(3);", head="it('more', () => {")),
    ("more", EXPECT, js("expect(f(1)).toBe(2);", "expect(f(2)).toBe(3);")),
    ("stronger", js("expect(f(1)).toBeTruthy();"), EXPECT),
    ("renamed", EXPECT, EXPECT.replace("'adds'", "'adds numbers'")),
    ("unskipped", EXPECT.replace("it(", "it.skip("), EXPECT),
    ("text in a string", EXPECT, js("const s = 'it.only( // expect';", "expect(f(1)).toBe(2);")),
    ("url", js("expect(f('http://x')).toBe(2);"), js("expect(f('http://x')).toBe(2);", "expect(f('//')).toBe(3);")),
    ("async", ASSERT, js("assert.strictEqual(f(1), 2);", head="it('adds', async () => {")),
]


@pytest.mark.parametrize(("before", "after"), [c[1:] for c in SCRIPT_SILENT], ids=[c[0] for c in SCRIPT_SILENT])
def test_stronger_script_tests_are_silent(before: str, after: str) -> None:
    assert findings({"test/app.test.js": before}, {"test/app.test.js": after}) == []


def test_script_files_moved_deleted_and_not_tests() -> None:
    assert findings({"test/a.test.js": EXPECT}, {"test/b.test.js": EXPECT}) == []
    assert unsafe(findings({"test/a.test.js": EXPECT}, {})) == {"test_file_deleted"}
    assert findings({"src/a.js": "assert.ok(x);\n"}, {"src/a.js": "x;\n"}) == []


@pytest.mark.parametrize(
    ("path", "before", "after", "rule"),
    [
        ("tests/data/cases.json", "[[1], 2]\n[[2], 3]\n", "[[1], 2]\n[[2], 4]\n", "test_data_changed"),
        ("tests/data/cases.json", "[[1], 2]\n[[2], 3]\n", "[[1], 2]\n", "test_data_changed"),
        ("tests/expected.json", '{"a": 1}', '{"a": 2}', "test_data_changed"),
        ("json_testcases/x.json", "[[1], 2]\n", "", "test_data_changed"),
        ("src/__snapshots__/a.snap", "a\nb\n", "a\nc\n", "test_data_changed"),
        ("tests/golden.txt", "a\n", None, "test_data_deleted"),
        ("tests/data/cases.json", "[[1], 2]\n", "[[1], 2]\n[[2], 3]\n", None),
        ("tests/expected.json", '{"a": [1]}', '{\n  "a": [2, 1],\n "b": 3}', None),
        ("tests/expected.json", '{"a": 1}', '{"a": true}', "test_data_changed"),
        ("src/__snapshots__/a.snap", "a\n", "a\nb\n", None),
        ("src/data.json", '{"a": 1}', '{"a": 2}', None),
        ("docs/tests.md", "a", "b", None),
    ],
)
def test_recorded_data(path: str, before: str, after: str | None, rule: str | None) -> None:
    found = findings({path: before}, {} if after is None else {path: after})
    assert unsafe(found) == ({rule} if rule else set())


ATTACKS = [
    (
        "skip all",
        "conftest.py",
        "import pytest\n@pytest.fixture(autouse=True)\ndef f():\n    pytest.skip('x')\n",
        "runner_hook",
    ),
    ("drop items", "conftest.py", "def pytest_collection_modifyitems(items):\n    items[:] = []\n", "runner_hook"),
    (
        "mark items",
        "conftest.py",
        "import pytest\ndef pytest_collection_modifyitems(items):\n    items[0].add_marker(pytest.mark.skip)\n",
        "runner_hook",
    ),
    (
        "report",
        "tests/conftest.py",
        "def pytest_runtest_makereport(item):\n    o = yield\n    o.get_result().outcome = 'passed'\n",
        "runner_hook",
    ),
    ("exit status", "conftest.py", "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n", "runner_hook"),
    ("exit", "conftest.py", "import pytest\npytest.exit('ok', returncode=0)\n", "runner_hook"),
    ("sys.exit in conftest", "conftest.py", "import sys\nsys.exit(0)\n", "forged_exit"),
    ("ignore", "conftest.py", "collect_ignore = ['tests']\n", "selection_changed"),
    ("sys.exit in source", "src/app.py", "import sys\nsys.exit(0)\n", "forged_exit"),
    ("sys.exit below if", "src/app.py", "import sys\nif True:\n    sys.exit()\n", "forged_exit"),
    ("SystemExit", "src/app.py", "raise SystemExit\n", None),
    ("SystemExit called", "src/app.py", "raise SystemExit(0)\n", "forged_exit"),
    ("os._exit", "src/app.py", "import os\ndef f():\n    os._exit(0)\n", "forged_exit"),
    ("os._exit import", "src/app.py", "from os import _exit\n", "forged_exit"),
    ("atexit", "src/app.py", "import atexit, os\natexit.register(os._exit, 0)\n", "forged_exit"),
    (
        "patched unittest",
        "src/app.py",
        "import unittest\nunittest.TestCase.assertEqual = lambda *a: None\n",
        "framework_patched",
    ),
    (
        "patched setattr",
        "src/app.py",
        "import unittest\nsetattr(unittest.TestCase, 'assertEqual', print)\n",
        "framework_patched",
    ),
    ("patched pytest", "src/app.py", "import _pytest.runner\n_pytest.runner.check = 1\n", "framework_patched"),
    ("patched modules", "src/app.py", "import sys\nsys.modules['pytest'] = None\n", "framework_patched"),
    ("patched builtins", "src/app.py", "import builtins\nbuiltins.AssertionError = Warning\n", "framework_patched"),
    ("always equal", "src/app.py", "class A:\n    def __eq__(self, other):\n        return True\n", "always_equal"),
    ("sitecustomize", "sitecustomize.py", "x = 1\n", "startup_hook"),
    ("usercustomize", "src/usercustomize.py", "x = 1\n", "startup_hook"),
    ("pth", "x.pth", "import os\n", "startup_hook"),
    ("shadow pytest", "pytest.py", "x = 1\n", "runner_shadowed"),
    ("shadow package", "unittest/__init__.py", "x = 1\n", "runner_shadowed"),
    ("node runner", "node_modules/mocha/lib/mocha.js", "x\n", "runner_edited"),
    ("addopts ignore", "pytest.ini", "[pytest]\naddopts = --ignore=tests/test_a.py\n", "selection_changed"),
    ("addopts -k", "pytest.ini", "[pytest]\naddopts = -q -k 'not hard'\n", "selection_changed"),
    ("addopts collect", "setup.cfg", "[tool:pytest]\naddopts = --collect-only\n", "selection_changed"),
    ("addopts -m", "pyproject.toml", "[tool.pytest.ini_options]\naddopts = ['-m', 'fast']\n", "selection_changed"),
    ("plugin", "tox.ini", "[pytest]\naddopts = -p mine\n", "selection_changed"),
    ("python_files", "pytest.ini", "[pytest]\npython_files = none_*.py\n", "selection_changed"),
    ("npm test", "package.json", json.dumps({"scripts": {"test": "exit 0"}}), "test_script_changed"),
    ("npm or true", "package.json", json.dumps({"scripts": {"test": "node --test || true"}}), "test_script_changed"),
    ("jest", "package.json", json.dumps({"jest": {"testPathIgnorePatterns": ["."]}}), "selection_changed"),
    ("jest config", "jest.config.js", "module.exports = {\n  testMatch: ['none'],\n};\n", "selection_changed"),
    ("make", "Makefile", "test:\n\tpytest || true\n", "test_script_changed"),
    ("make dash", "Makefile", "test:\n\t-pytest\n", "test_script_changed"),
    ("process.exit", "src/app.js", "process.exit(0);\n", "forged_exit"),
    ("exit code", "src/app.js", "process.on('exit', () => { process.exitCode = 0; });\n", "forged_exit"),
    ("assert patched", "src/app.js", "assert.strictEqual = () => {};\n", "framework_patched"),
    ("global expect", "src/app.js", "global.expect = () => ({ toBe() {} });\n", "framework_patched"),
    ("exit in test", "test/a.test.js", "  process.exit(0);\n", "forged_exit"),
    (
        "clean source",
        "src/app.py",
        "import sys\ndef main():\n    sys.exit(0)\nif __name__ == '__main__':\n    sys.exit(main())\n",
        None,
    ),
    ("clean script", "src/cli.py", "import sys\nsys.exit(main())\n", None),
    ("clean fork", "src/app.py", "import os\nif os.fork() == 0:\n    os._exit(0)\n", None),
    ("clean conftest", "conftest.py", "import pytest\n@pytest.fixture\ndef db():\n    yield 1\n", None),
    (
        "clean ini",
        "pytest.ini",
        "[pytest]\naddopts = -q --strict-markers -p no:cacheprovider\ntestpaths = tests\n",
        None,
    ),
    ("clean pyproject", "pyproject.toml", "[project]\nname = 'x'\n[tool.ruff]\nselect = ['E']\n", None),
    ("clean package", "package.json", json.dumps({"scripts": {"test": "node --test", "start": "node ."}}), None),
    ("clean make", "Makefile", "test:\n\tpytest -q\n", None),
    ("clean js", "src/cli.js", "if (bad) {\n  process.exit(1);\n}\n", None),
    ("clean eq", "src/app.py", "class A:\n    def __eq__(self, other):\n        return self.x == other.x\n", None),
    ("clean monkeypatch", "src/app.py", "config.fail = True\nself.assertion = 1\n", None),
    ("syntax error", "src/app.py", "def (\n", None),
    ("bad json", "package.json", "{", None),
    ("bad toml", "pyproject.toml", "[[[", None),
    ("bad ini", "setup.cfg", "no section\n", None),
]


@pytest.mark.parametrize(("path", "after", "rule"), [c[1:] for c in ATTACKS], ids=[c[0] for c in ATTACKS])
def test_a_file_that_attacks_the_evaluator(path: str, after: str, rule: str | None) -> None:
    found = unsafe(findings({}, {path: after}))
    assert rule in found if rule else found == set()


ALWAYS = (".pth", "customize.py", "mocha.js")
"""Any change of these is a finding."""

KEPT = [case for case in ATTACKS if not case[1].endswith(ALWAYS)]


@pytest.mark.parametrize(("path", "text"), [c[1:3] for c in KEPT], ids=[c[0] for c in KEPT])
def test_what_was_there_before_is_not_held_against_the_patch(path: str, text: str) -> None:
    after = text + ("" if path.endswith((".json", ".toml")) else "\n")
    assert unsafe(findings({path: text}, {path: after})) == set()


def test_configuration_that_changes() -> None:
    def pytest_ini(before: str, after: str) -> set[str]:
        return unsafe(findings({"pytest.ini": f"[pytest]\n{before}\n"}, {"pytest.ini": f"[pytest]\n{after}\n"}))

    assert pytest_ini("testpaths = a b", "testpaths = a") == {"selection_changed"}
    assert pytest_ini("testpaths = a", "testpaths = a b") == set()
    assert pytest_ini("xfail_strict = true", "xfail_strict = false") == {"selection_changed"}
    assert pytest_ini("addopts = -k x", "addopts = -q") == set()
    assert unsafe(findings({"pytest.ini": "[pytest]\naddopts = -q\n"}, {"pytest.ini": "broken"})) == {
        "selection_changed"
    }
    before = json.dumps({"scripts": {"test": "node --test"}})
    changed = findings({"package.json": before}, {"package.json": json.dumps({"scripts": {"test": "mocha"}})})
    assert [(item.rule, item.severity) for item in changed] == [("test_script_changed", "note")]
    assert unsafe(findings({"package.json": before}, {"package.json": "{}"})) == {"test_script_changed"}


def test_a_script_the_test_command_names() -> None:
    commands = ["sh run_tests.sh"]
    before = {"run_tests.sh": "set -e\npytest\n"}
    assert unsafe(findings(before, {"run_tests.sh": "set -e\n"}, commands=commands)) == {"test_runner_changed"}
    assert unsafe(findings(before, {}, commands=commands)) == {"test_runner_deleted"}
    added = findings(before, {"run_tests.sh": "set -e\npytest\nnode --test\n"}, commands=commands)
    assert [(item.rule, item.severity) for item in added] == [("test_runner_changed", "note")]
    assert findings(before, {"run_tests.sh": ""}) == []
