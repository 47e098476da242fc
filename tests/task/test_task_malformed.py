"""Every malformed task file gives one line that names the file, the line, the path, the value and the mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from terret.errors import TaskError
from terret.task import lint_task, load_task

GOOD = """\
name: demo
repository:
  files: {a.py: "x = 1\\n"}
objective: Set x to 2.
requirements:
  - {id: r1, text: x is 2.}
checks:
  - name: c1
    run: python a.py
    covers: [r1]
"""


def edit(old: str, new: str) -> str:
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


# name of the case: (text, line, path, message, value, hint); None where the message needs none
TABLE: dict[str, tuple[str | bytes, int | None, str | None, str, str | None, str | None]] = {
    # syntax
    "empty": ("", None, "$", "expected a mapping with name, repository, objective", None, None),
    "only a comment": ("# nothing\n", None, "$", "expected a mapping", None, None),
    "a list": ("- a\n- b\n", 1, None, "expected a mapping with name", "['a', 'b']", None),
    "a text": ("hello\n", 1, None, "expected a mapping", "'hello'", None),
    "tab": ("name: demo\n\tobjective: x\n", 2, None, "not YAML", None, "mend the syntax"),
    "unclosed list": ("name: [demo\nobjective: x\n", 2, None, "not YAML", None, "mend the syntax"),
    "unclosed quote": ('name: "demo\n', 2, None, "not YAML", None, "mend the syntax"),
    "undefined alias": ("name: *who\n", 1, None, "not YAML: found undefined alias", None, "mend the syntax"),
    "two documents": (GOOD + "---\n" + GOOD, 11, None, "not YAML", None, "mend the syntax"),
    "control character": (b"name: demo\nobjective: a\x07b\n", 2, None, "not YAML: special characters", "\\x07", None),
    "nul": (b"name: de\x00mo\n", 1, None, "not YAML", "\\x00", None),
    "binary": (bytes(range(128, 256)), None, None, "not UTF-8", "byte 0", "save it as UTF-8"),
    "latin-1": ("name: d\xe9mo\n".encode("latin-1"), None, None, "not UTF-8", "byte 7", "save it as UTF-8"),
    "utf-16": ("name: demo\n".encode("utf-16"), None, None, "not UTF-8", "byte 0", "save it as UTF-8"),
    "huge": (b"# " + b"x" * (4 * 1024 * 1024), None, None, "too large", "4194306 bytes", "keep it below"),
    "deep": ("name: " + "[" * 30_000, None, None, "nested too deeply", None, "flatten"),
    "deep values": (GOOD + "metadata: " + "[" * 60 + "]" * 60 + "\n", 11, "metadata", "nested too deeply", None, None),
    "alias bomb": (
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{n}: &{n} [{','.join([f'*{p}'] * 10)}]\n" for p, n in zip("abcdefg", "bcdefgh", strict=True))
        + GOOD,
        1,
        None,
        "too many values",
        None,
        "write aliases out",
    ),
    "alias bomb as a key": (
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{n}: &{n} [{','.join([f'*{p}'] * 10)}]\n" for p, n in zip("abcdefg", "bcdefgh", strict=True))
        + "? *h\n: 1\n",
        None,
        None,
        "too many values",
        None,
        None,
    ),
    "alias text bomb": (
        f"a: &a {'x' * 1_000_000}\nmetadata: {{b: [{','.join(['*a'] * 30)}]}}\n",
        None,
        None,
        "too much text",
        None,
        "write aliases out",
    ),
    "alias of itself": ("name: &a [*a]\n", 1, "name", "nested too deeply", None, None),
    "python tag": (edit("name: demo", "name: !!python/object/apply:os.getcwd []"), 1, "name", "", None, None),
    "own tag": (edit("objective: Set x", "objective: !env x"), 4, "objective", "YAML tag", "!env", "plain text"),
    "binary tag": (edit("name: demo", "name: !!binary ZGVtbw=="), 1, "name", "YAML tag", "binary", "plain text"),
    "bad bool tag": (edit("name: demo", "name: !!bool perhaps"), 1, "name", "cannot be read", "perhaps", "plain text"),
    "key twice": (GOOD + "name: other\n", 1, None, "given twice, on lines 1 and 11", "name", "keep one"),
    "key is a number": (GOOD + "metadata: {1: a}\n", 11, "metadata['1']", "not plain text", "1", "quotes"),
    "key is a truth value": (GOOD + "on: push\n", 11, "on", "not plain text", "on", "quotes"),
    "merge key": (GOOD + "metadata:\n  <<: {a: 1}\n", 12, "metadata['<<']", "not plain text", "<<", "quotes"),
    "not a number": (GOOD + "metadata: {a: .nan}\n", 11, "metadata.a", "not finite", "nan", "finite"),
    "huge number": (GOOD + "metadata: {a: 0x" + "f" * 9000 + "}\n", 11, "metadata.a", "64 bits", "0xff", "smaller"),
    # shape
    "unknown field": (GOOD + "objectiv: x\n", 11, "objectiv", "unknown field", None, "did you mean 'objective'"),
    "unknown field in a check": (
        edit("    run:", "    runs:"),
        None,
        "checks[0]",
        "unknown field 'runs'",
        None,
        "'run'",
    ),
    "missing field": (edit("name: demo\n", ""), 1, "name", "is missing", None, "add name"),
    "missing text": (edit(", text: x is 2.", ""), 6, "requirements[0].text", "is missing", None, "add text"),
    "number for text": (edit("name: demo", "name: 7"), 1, "name", "expected text", "7", "put it in quotes"),
    "truth for text": (edit("run: python a.py", "run: true"), 9, "checks[0].run", "expected text", "True", "quotes"),
    "text for a list": (edit("covers: [r1]", "covers: r1"), 10, "checks[0].covers", "list of texts", "r1", "as a list"),
    "mapping for a list": (
        edit("checks:\n  - name: c1\n    run", "checks:\n  - {name: c1, run: 'true'}\nhints:\n    run"),
        None,
        "hints",
        "list of texts",
        None,
        "as a list",
    ),
    "text for a number": (GOOD + "budget: {steps: '9'}\n", 11, "budget.steps", "whole number", "9", "without quotes"),
    "fraction for a count": (GOOD + "budget: {steps: 1.5}\n", 11, "budget.steps", "whole number", "1.5", None),
    "truth for a number": (GOOD + "budget: {wall: yes}\n", 11, "budget.wall", "expected a number", "True", None),
    "text for truth": (GOOD + "permissions: {network: maybe}\n", 11, "permissions.network", "true or false", "m", None),
    # meaning
    "name with a slash": (edit("demo", "../demo"), 1, "name", "folder name", "../demo", ": demo"),
    "empty name": (edit("demo", '""'), 1, "name", "folder name", "''", "use letters"),
    "empty objective": (edit("Set x to 2.", '"  "'), 4, "objective", "is empty", "'  '", "say what"),
    "no repository source": (
        edit('files: {a.py: "x = 1\\n"}', "{}"),
        2,
        "repository",
        "no source",
        None,
        "exactly one",
    ),
    "two repository sources": (
        edit("repository:", "repository:\n  path: ."),
        2,
        "repository",
        "more than one source",
        "path, files",
        "exactly one",
    ),
    "address without commit": (
        edit('files: {a.py: "x = 1\\n"}', "url: https://h/x.git"),
        2,
        "repository",
        "needs a commit",
        "https://h/x.git",
        "add commit",
    ),
    "address that runs a command": (
        edit('files: {a.py: "x = 1\\n"}', "{url: 'ext::sh -c id', commit: main}"),
        3,
        "repository.url",
        "not a git address",
        "ext::sh",
        "https://",
    ),
    "commit that is an option": (
        edit('files: {a.py: "x = 1\\n"}', "{url: 'https://h/x', commit: '--upload-pack=id'}"),
        3,
        "repository.commit",
        "not a git revision",
        "--upload",
        "commit id",
    ),
    "commit of inline files": (
        edit("repository:", "repository:\n  commit: main"),
        3,
        "repository.commit",
        "no commit",
        "main",
        "leave it out",
    ),
    "folder missing": (edit('files: {a.py: "x = 1\\n"}', "path: nowhere"), 3, "repository.path", "exist", "now", "rel"),
    "folder is a file": (
        edit('files: {a.py: "x = 1\\n"}', "path: task.yaml"),
        3,
        "repository.path",
        "not a f",
        "t",
        "n",
    ),
    "no inline files": (edit('{a.py: "x = 1\\n"}', "{}"), 3, "repository.files", "no files", "{}", "add at least one"),
    "absolute file": (edit("a.py:", "/etc/a:"), 3, "repository.files['/etc/a']", "absolute", "/etc/a", "relative"),
    "file outside": (edit("a.py:", "b/../../a:"), 3, "repository.files['b/../../a']", "leaves", "..", "leave out"),
    "file in .git": (
        edit("a.py:", "s/.git/config:"),
        3,
        "repository.files['s/.git/config']",
        ".git",
        "s/.git",
        "leave",
    ),
    "file in harness": (edit("a.py:", "harness/a:"), 3, "repository.files['harness/a']", "harness/", "harness", "take"),
    "file with a backslash": (edit("a.py:", "a\\b:"), 3, "repository.files['a\\\\b']", "backslash", "a", "'/'"),
    "file not shortest": (edit("a.py:", "./a.py:"), 3, "repository.files['./a.py']", "shortest", "./a.py", "leave out"),
    "file name too long": (edit("a.py:", "a" * 300 + ":"), 3, None, "not possible", "aaa", "shorten"),
    "file and folder": (edit("{a.py:", "{a.py/b: c, a.py:"), 3, None, "both a file and a folder", "a.py", "rename"),
    "requirement twice": (
        edit("  - {id: r1, text: x is 2.}\n", "  - {id: r1, text: a}\n  - {id: r1, text: b}\n"),
        7,
        "requirements[1].id",
        "given twice",
        "r1",
        "rename",
    ),
    "empty requirement": (edit("x is 2.", '""'), 6, "requirements[0].text", "says nothing", "''", "say what"),
    "requirement id of two lines": (
        edit("id: r1", 'id: "r\\n1"'),
        6,
        "requirements[0].id",
        "one short line",
        "r",
        "use",
    ),
    "check twice": (GOOD + "  - {name: c1, run: 'true'}\n", 11, "checks[1].name", "given twice", "c1", "rename"),
    "unknown requirement": (
        edit("[r1]", "[r1, r9]"),
        10,
        "checks[0].covers[1]",
        "unknown req",
        "r9",
        "requirements: r1",
    ),
    "empty command": (edit("python a.py", '" "'), 9, "checks[0].run", "command is empty", "' '", "write what"),
    "unparsable command": (edit("python a.py", "echo 'a"), 9, "checks[0].run", "bash cannot parse", "echo 'a", "mend"),
    "unfinished command": (GOOD + "tests: if true; then\n", 11, "tests", "bash cannot parse", "if true", "mend"),
    "unparsable targeted": (GOOD + "targeted: ['a &&']\n", 11, "targeted[0]", "bash cannot parse", "a &&", "mend"),
    "command of a comment": (GOOD + "lint: '# later'\n", 11, "lint", "only a comment", "# later", "write what"),
    "blank expectation": (GOOD + '    expect: ""\n', 11, "checks[0].expect", "blank", "''", "name text"),
    "expectation too long": (
        GOOD + f"    expect: {'x' * 2000}\nlimits: {{output_kb: 1}}\n",
        11,
        "checks[0].expect",
        "longer than an output",
        "xxx",
        "raise limits.output_kb",
    ),
    "exit code too large": (
        GOOD + "    exit_code: 256\n",
        11,
        "checks[0].exit_code",
        "0 to 255",
        "256",
        "give the code",
    ),
    "exit code of a kill": (GOOD + "    exit_code: 137\n", 11, "checks[0].exit_code", "killed", "137", "another code"),
    "no time": (GOOD + "    timeout_s: 0\n", 11, "checks[0].timeout_s", "not positive", "0", "give seconds"),
    "milliseconds": (
        GOOD + "    timeout_s: 120000\n",
        11,
        "checks[0].timeout_s",
        "too large",
        "120000",
        "give seconds",
    ),
    "negative budget": (GOOD + "budget: {tokens: -5}\n", 11, "budget.tokens", "not positive", "-5", "give tokens"),
    "no steps": (GOOD + "budget: {steps: 0}\n", 11, "budget.steps", "not positive", "0", "give turns"),
    "negative cost": (GOOD + "budget: {cost: -0.01}\n", 11, "budget.cost", "not positive", "-0.01", "give USD"),
    "bytes for MB": (GOOD + "limits: {memory_mb: 2147483648}\n", 11, "limits.memory_mb", "too large", "21", "give MB"),
    "too few processes": (GOOD + "limits: {pids: 1}\n", 11, "limits.pids", "too small", "1", "processes"),
    "no regression time": (GOOD + "regression_timeout_s: -1\n", 11, "regression_timeout_s", "not positive", "-1", "s"),
    "hidden name visible": (
        GOOD + "hidden: {checks: [{name: c1, run: 'true'}]}\n",
        11,
        "hidden.checks[0].name",
        "name of a visible one",
        "c1",
        "rename it",
    ),
    "hidden names twice": (
        GOOD + "hidden: {checks: [{name: h, run: 'true'}, {name: h, run: 'true'}]}\n",
        11,
        "hidden.checks[1].name",
        "given twice",
        "h",
        "rename",
    ),
    "hidden covers unknown": (
        GOOD + "hidden: {checks: [{name: h, run: 'true', covers: [r2]}]}\n",
        11,
        "hidden.checks[0].covers[0]",
        "unknown requirement",
        "r2",
        "requirements: r1",
    ),
    "hidden file outside": (
        GOOD + "hidden: {checks: [{name: h, run: 'true', files: {../x: y}}]}\n",
        11,
        "hidden.checks[0].files['../x']",
        "leaves its folder",
        "../x",
        "leave out",
    ),
    "absolute glob": (
        GOOD + "permissions: {write: [/etc/**]}\n",
        11,
        "permissions.write[0]",
        "absolute",
        "/etc",
        "rel",
    ),
    "glob outside": (
        GOOD + "permissions: {deny_write: [../**]}\n",
        11,
        "permissions.deny_write[0]",
        "glob le",
        "..",
        "l",
    ),
    "empty run pattern": (
        GOOD + "permissions: {deny_run: ['']}\n",
        11,
        "permissions.deny_run[0]",
        "empty",
        "''",
        "leave",
    ),
    "hint missing": (GOOD + "hints: [b.py]\n", 11, "hints[0]", "does not have", "b.py", "relative to the repository"),
    "hint absolute": (GOOD + "hints: [/etc/passwd]\n", 11, "hints[0]", "absolute", "/etc/passwd", "relative"),
    "bad variable": (
        GOOD + "environment: {vars: {A-B: x}}\n",
        11,
        "environment.vars.A-B",
        "variable name",
        "A-B",
        "use",
    ),
    "relative mount": (
        GOOD + "environment: {read_only: [opt]}\n",
        11,
        "environment.read_only[0]",
        "absolute",
        "opt",
        "r",
    ),
    "whole host": (GOOD + "environment: {read_only: [/]}\n", 11, "environment.read_only[0]", "whole host", "/", "own"),
    "mount missing": (
        GOOD + "environment: {read_only: [/no/dir]}\n",
        11,
        "environment.read_only[0]",
        "exist",
        "no",
        "i",
    ),
}


def test_the_good_task_is_good(tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(GOOD)
    assert lint_task(file) == []
    assert load_task(file).name == "demo"


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) >= 30


@pytest.mark.parametrize("case", TABLE)
def test_malformed(case: str, tmp_path: Path) -> None:
    content, line, path, message, value, hint = TABLE[case]
    file = tmp_path / "task.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(TaskError) as caught:
        load_task(file)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(file))
    assert text.endswith("[E_TASK]")
    assert caught.value.exit_code == 2

    problems = [problem for problem in lint_task(file) if problem.severity == "error" and message in problem.message]
    assert problems, lint_task(file)
    found = problems[0]
    if line is not None:
        assert found.where.startswith(f"{file}:{line}"), found
    if path is not None:
        assert path in found.where, found
    if value is not None:
        assert value in repr(found.value), found
    if hint is not None:
        assert hint in (found.hint or ""), found


@pytest.mark.parametrize(
    ("content", "where", "message"),
    [
        ("", ":1:1", "not JSON"),
        ("{", ":1:2", "not JSON"),
        ('{"name": "a",\n "name": "b"}', "$", "given twice"),
        ('{"name": NaN}', "name", "not finite"),
        ('{"name": "\\ud800"}', "name", "surrogate"),
        ('{"metadata": {"a": 99999999999999999999}}', "metadata.a", "64 bits"),
        ("9" * 5000, "task.json", "not JSON"),
        ("[" * 100_000, "task.json", "nested too deeply"),
        ('{"name": 1}', "name", "expected text"),
    ],
)
def test_malformed_json(content: str, where: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "task.json"
    file.write_text(content)
    problems = [problem for problem in lint_task(file) if message in problem.message]
    assert problems, lint_task(file)
    assert where in problems[0].where
    with pytest.raises(TaskError):
        load_task(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"does not exist; write one with: terret task new"):
        load_task(tmp_path / "task.yaml")
    with pytest.raises(TaskError, match="is a folder"):
        load_task(tmp_path)
    with pytest.raises(TaskError, match="impossible name"):
        load_task("a\0b")
    assert [problem.severity for problem in lint_task(tmp_path / "task.yaml")] == ["error"]


def test_every_error_is_reported_and_the_first_says_how_many_more(tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(GOOD + "budget: {steps: 0, tokens: 0}\nhints: [b.py]\n")
    assert len(lint_task(file)) == 3
    with pytest.raises(TaskError, match=r"budget.steps.*2 more: terret task lint"):
        load_task(file)


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (edit("    covers: [r1]\n", ""), "requirements[0]", "no check covers"),
        (edit("covers: [r1]", "covers: [r1, r1]"), "checks[0].covers[1]", "covered twice"),
        (
            edit("    covers: [r1]\n", "hidden: {checks: [{name: h, run: 'true', covers: [r1]}]}\n"),
            "requirements[0]",
            "only hidden checks",
        ),
        (edit("python a.py", "python a.py || true"), "checks[0].run", "always exits with 0"),
        (GOOD + "    exit_code: 3\n", "checks[0].exit_code", "failing exit code alone"),
        (GOOD + "permissions: {write: []}\n", "permissions.write", "may change nothing"),
        (
            GOOD + "hidden: {checks: [{name: h, run: 'true', files: {a.py: \"x = 1\\n\"}}]}\n",
            "hidden.checks[0].files",
            "only files that the agent sees",
        ),
        ("name: a\nrepository: {files: {a: b}}\nobjective: x\n", "checks", "no checks"),
        ("name: a\nrepository: {files: {a: b}}\nobjective: x\n", "requirements", "no requirements"),
    ],
)
def test_warnings_do_not_stop_a_task(text: str, path: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(text)
    found = [problem for problem in lint_task(file) if message in problem.message]
    assert [(problem.severity, path in problem.where) for problem in found] == [("warning", True)], lint_task(file)
    load_task(file)


def test_errors_come_before_warnings(tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(edit("    covers: [r1]\n", "") + "budget: {steps: 0}\n")
    assert [problem.severity for problem in lint_task(file)] == ["error", "warning"]
