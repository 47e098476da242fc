"""The auditor's face: parameters, limits, and texts nobody can read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.entropy import RULES, Burden, audit


class File(NamedTuple):
    path: str
    status: str


def check(before: dict[str, str | bytes], after: dict[str, str | bytes], **keywords) -> list[Burden]:
    """Audit two trees."""
    old = {path: text.encode() if isinstance(text, str) else text for path, text in before.items()}
    new = {path: text.encode() if isinstance(text, str) else text for path, text in after.items()}
    status = {path: "A" if path not in old else "D" if path not in new else "M" for path in sorted({*old, *new})}
    files = [File(path, kind) for path, kind in status.items() if old.get(path) != new.get(path)]
    return audit(old.get, new.get, files, paths=list(new), **keywords)


def rules(found: list[Burden]) -> list[str]:
    return [item.rule for item in found]


def test_nothing_changed_is_nothing_found():
    assert check({"a.py": "print(1)\n"}, {"a.py": "print(1)\n"}) == []
    assert audit({}.get, {}.get, [], paths=[]) == []


def test_a_burden_says_what_where_and_how_bad():
    (item,) = check(
        {"lib/a.py": "def one():\n    return 1\n"}, {"lib/a.py": "def one():\n    breakpoint()\n    return 1\n"}
    )
    assert item == Burden("code", 3, "debugger", "lib/a.py", 2, "breakpoint()")
    assert (item.category, item.severity) == RULES[item.rule][:2]


def test_findings_about_tests_are_taken_over_and_tests_not_counted_again():
    before = {"tests/test_a.py": "def test_a():\n    assert 1 + 1 == 2\n    assert 2 + 2 == 4\n"}
    after = {"tests/test_a.py": "def test_a():\n    assert 1 + 1 == 2\n"}
    assert rules(check(before, after)) == ["assertions_removed"]
    assert check(before, after, weakened=[]) == []
    finding = {"rule": "assertion_removed", "path": "tests/test_a.py", "evidence": "2 + 2\n== 4", "severity": "unsafe"}
    (item,) = check(before, after, weakened=[finding])
    assert item == Burden("test", 3, "assertion_removed", "tests/test_a.py", 0, "2 + 2 == 4")
    severities = [
        check(before, after, weakened=[{**finding, "severity": kind}])[0].severity for kind in ("declared", "note")
    ]
    assert severities == [2, 1]


def test_many_burdens_of_one_rule_in_one_file_are_cut():
    many = "".join(f"    # TODO: {number}\n    x = {number}\n" for number in range(50))
    found = check({"a.py": "def f():\n    x = 0\n    return x\n"}, {"a.py": f"def f():\n{many}    return x\n"})
    assert rules(found) == ["todo_added"] * 20


def test_hints_may_be_files_folders_patterns_and_names():
    before = {"src/a.py": "A = 1\n", "src/deep/b.py": "B = 1\n", "other/c.py": "C = 1\n"}
    after = {"src/a.py": "A = 2\n", "src/deep/b.py": "B = 2\n", "other/c.py": "C = 2\n"}

    def unrelated(*hints: str) -> list[str]:
        return [item.path for item in check(before, after, hints=hints) if item.rule == "unrelated_edit"]

    assert unrelated() == []
    assert unrelated("src/a.py") == ["other/c.py", "src/deep/b.py"]
    assert unrelated("src") == unrelated("./src/") == unrelated("src/**") == ["other/c.py"]
    assert unrelated("b.py", "a.py") == ["other/c.py"]


def test_task_state_is_searched_through_and_through():
    before = {"lib/gone.py": "def vanish_now():\n    return 1\n", "lib/kept.py": "KEPT = 1\n"}
    after = {"lib/kept.py": "KEPT = 1\n"}
    state = {
        "inspected": ["lib/gone.py", "lib/kept.py"],
        "deep": {"notes": [{"text": "call vanish_now() first"}]},
        "n": 3,
    }
    found = check(before, after, state=state)
    assert rules(found) == ["stale_state"] * 2
    assert any("vanish_now" in item.evidence for item in found)
    assert check(before, after, state={"inspected": ["lib/kept.py"]}) == []


@pytest.mark.parametrize(
    "rules_given",
    [
        ["app.ui", "app.core"],
        [{"type": "layers", "layers": ["ui", "core"], "containers": ["app"]}],
        [{"type": "layers", "layers": "app.ui\napp.core"}],
        [{"type": "forbidden", "source_modules": ["app.core"], "forbidden_modules": ["app.ui"]}],
        [{"type": "independence", "modules": ["app.core", "app.ui"]}],
        ["app/ui", "app/core"],
        ["app.ui", "app.billing | app.search", "(app.core)"],
    ],
)
def test_import_rules_in_every_form(rules_given):
    before = {"app/__init__.py": "", "app/ui.py": "UI = 1\n", "app/core.py": "CORE = 1\n"}
    after = {**before, "app/core.py": "from app.ui import UI\n\nCORE = UI\n"}
    found = [item for item in check(before, after, import_rules=rules_given) if item.rule == "import_rule"]
    assert [(item.path, item.line, item.severity) for item in found] == [("app/core.py", 1, 3)]
    upwards = {**before, "app/ui.py": "from app.core import CORE\n\nUI = CORE\n"}
    directed = not isinstance(rules_given[0], dict) or rules_given[0]["type"] != "independence"
    assert bool(check(before, upwards, import_rules=rules_given)) is not directed


@pytest.mark.parametrize("exception", ["app.core -> app.ui", "app.* -> app.ui", "app.** -> **"])
def test_import_rules_have_exceptions(exception):
    before = {"app/__init__.py": "", "app/ui.py": "UI = 1\n", "app/core.py": "CORE = 1\n"}
    after = {**before, "app/core.py": "from app.ui import UI\n\nCORE = UI\n"}
    contract = {"type": "layers", "layers": ["app.ui", "app.core"]}
    assert rules(check(before, after, import_rules=[contract])) == ["import_rule"]
    assert check(before, after, import_rules=[{**contract, "ignore_imports": [exception]}]) == []


def test_names_in_all_forms_of_import_are_uses():
    before = {"app/__init__.py": "", "app/tools.py": "A = 1\n", "app/run.py": "R = 1\n"}
    new = "A = 1\n\n\ndef helper():\n    return A\n"
    uses = {
        "from app.tools import helper": "helper",
        "from .tools import helper as h": "h",
        "import app.tools\n\napp.tools.helper()": "app",
    }
    for use, name in uses.items():
        assert check(before, {**before, "app/tools.py": new, "app/run.py": f"{use}\n\nR = [{name}]\n"}) == []
    assert rules(check(before, {**before, "app/tools.py": new})) == ["unused_symbol"]


def test_star_imports_decorators_and_suppressed_imports_are_left_alone():
    before = {"a.py": "A = 1\n", "b.py": "B = 1\n"}
    after = {
        "a.py": "from b import *\nimport json  # noqa: F401\n\nA = 1\n\n\n@register\ndef added():\n    return A\n",
        "b.py": "B = 1\n",
    }
    assert check(before, after) == []


def test_generated_and_vendored_files_are_not_judged():
    bad = "import json\n\n\ndef f():\n    breakpoint()   \n"
    assert check({}, {"node_modules/x/a.py": bad, "a_pb2.py": bad})[0].rule == "build_output"
    assert check({}, {"gen.py": "# Generated by the schema compiler. DO NOT EDIT\n" + bad}) == []


UNREADABLE: list[bytes] = [
    b"",
    b"\0\1\2",
    b"\xff\xfe\x00a",
    b"\xef\xbb\xbfprint(1)\n",
    "é\u2028é\n".encode("latin-1", "replace"),
    b"(" * 5000,
    b"[" * 300 + b"]" * 300,
    b"x = " + b"-" * 20000 + b"1\n",
    b"'''",
    b"`${`${`${",
    b"/*",
    b"{\r\n" * 50,
    b"def f(:\n\tpass\n  pass\n",
    b"a" * 700_000,
    b"\n" * 2000,
    b"[project]\ndependencies = 3\n",
    b'{"dependencies": [1, 2], "scripts": 4}',
    b'{"dependencies": {"a": 1}, "scripts": {"b": []}}',
    b"[tool.importlinter]\ncontracts = 5\n",
    b"[importlinter:contract:x]\ntype = layers\nlayers =\n  |\n  a | \n",
    b"a: &a [*a, *a]\nb: !!python/object:os.system {}\n---\n- x\n",
]
PATHS = [
    "a.py",
    "src/b.js",
    "c.tsx",
    "d.rs",
    "README.md",
    "docs/e.rst",
    "pyproject.toml",
    "package.json",
    "setup.cfg",
    "setup.py",
    "requirements.txt",
    "Pipfile",
    ".importlinter",
    "Makefile",
    ".github/workflows/ci.yml",
    "tests/test_f.py",
    "test/g.test.js",
    "package-lock.json",
    "tsconfig.json",
    "h.sh",
    "k.json",
    "core",
]


@pytest.mark.parametrize("path", PATHS)
def test_whatever_is_in_a_file_the_audit_goes_on(path):
    good = "def one():\n    return 1\n"
    for content in UNREADABLE:
        for before, after in (({}, {path: content}), ({path: good}, {path: content}), ({path: content}, {path: good})):
            for item in check(before, after, hints=["a.py"], state={"x": ["a.py"]}, import_rules=["a", "b"]):
                assert item.rule in RULES
                assert 0 <= item.severity <= 3
        assert isinstance(check({path: content}, {}), list)


TEXTS = st.lists(
    st.sampled_from(
        [
            "def f(x):",
            "    return x",
            "class A:",
            "  x = 1",
            "import os, a",
            "from . import b",
            "from ..c import *",
            "# TODO x = f(1)",
            "// f(1);",
            "/* a",
            "*/ `${x",
            "}`",
            "function f() {",
            "}",
            'const { a, b: c } = require("./b");',
            'import x from "y";',
            "test('a', () => {",
            "expect(1)",
            "});",
            '"""',
            "'''",
            "[tool.ruff]",
            'ignore = ["E"]',
            "dependencies = [",
            "]",
            "`f()` is [gone](x/y.md)",
            "lint: test",
            "\truff || true",
            "<<<<<<< a",
            "",
            "  ",
            '{"a": 1}',
            "\\",
            "'",
        ]
    )
    | st.text(max_size=12),
    max_size=25,
).map("\n".join)


@given(st.dictionaries(st.sampled_from(PATHS), st.tuples(TEXTS | st.none(), TEXTS | st.none()), min_size=1, max_size=5))
def test_any_text_is_audited_without_an_error(pairs):
    before = {path: old.encode("utf-8", "replace") for path, (old, _) in pairs.items() if old is not None}
    after = {path: new.encode("utf-8", "replace") for path, (_, new) in pairs.items() if new is not None}
    found = check(before, after, hints=["src"], state={"notes": "f() in a.py"}, import_rules=["a", "src/b.js"])
    assert found == check(before, after, hints=["src"], state={"notes": "f() in a.py"}, import_rules=["a", "src/b.js"])
    assert all(item.path in {*before, *after, ""} or item.rule in ("stale_name", "lock_stale") for item in found)


def test_large_files_are_audited_in_time():
    """Each of these is slow for an auditor that compares everything with everything; the test's time limit decides."""
    line = "some_long_name = compute(value, other)\n"
    texts = {
        "a.py": line * 8000,
        "b.py": "# value = f(1)\n" * 8000,
        "c.js": "function a(b){return b/2};" * 8000,
        "d.js": "`${" * 8000,
        "README.md": "see [a](b.md) `foo()`\n" * 8000,
        "requirements.txt": "".join(f"package{number}==1\n" for number in range(2000)),
    }
    for path, text in texts.items():
        check({path: "x\n" + text[: len(text) // 2]}, {path: text}, hints=["z"])
        check({}, {path: text})


def test_the_documentation_lists_every_rule_as_it_is():
    text = (Path(__file__).parents[2] / "docs" / "entropy.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    wanted = [f"| `{name}` | {rule.category} | {rule.severity} | {rule.meaning} |" for name, rule in RULES.items()]
    assert rows == wanted
