"""A task is the same task in every form: YAML and JSON, any line ends, stored and loaded again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from terret.errors import TaskError
from terret.task import (
    Check,
    Hidden,
    Repository,
    Requirement,
    Task,
    decode_task,
    json_schema,
    lint_task,
    load_task,
    new_task,
    redacted,
    resolve,
    task_digest,
    task_json,
)

DOCS = Path(__file__).parents[2] / "docs"

EVERYTHING = """\
name: everything
repository:
  files:
    src/app.py: |
      print("hello")
objective: |
  Change the greeting.
requirements:
  - id: r1
    text: It greets.
checks:
  - name: greets
    run: python src/app.py
    expect: hello
    exit_code: 0
    covers: [r1]
    timeout_s: 5
hidden:
  checks:
    - name: more
      run: python check.py
      covers: [r1]
      files:
        check.py: print("ok")
  notes: For the evaluator.
tests: python -m pytest -q
targeted: [python -m pytest -q tests/test_app.py]
lint: ruff check .
budget: {steps: 5, model_calls: 6, tokens: 7000, wall: 80.5, cost: 0}
permissions: {write: ["src/**"], deny_write: ["src/x/**"], deny_run: ["rm *"], network: true}
limits: {wall_s: 1.5, cpu_s: 2, memory_mb: 64, pids: 8, output_kb: 16, disk_mb: 32}
environment: {vars: {LANG: de_DE.UTF-8}, read_only: [/usr]}
hints: [src/app.py]
regression_timeout_s: 12
tags: [a, b]
metadata: {since: 2024-01-02, nested: [1, {a: null}]}
"""
DIGEST = "fb0867991afbf7e044c854cb6e485cbfcf0a7fea065ff39dead7fd3991fe875d"

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=30)
words = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
checks = st.builds(
    Check,
    name=words,
    run=texts,
    expect=st.none() | texts,
    exit_code=st.none() | st.integers(0, 255),
    timeout_s=st.floats(0.5, 90),
)
tasks = st.builds(
    Task,
    name=words,
    repository=st.builds(Repository, files=st.dictionaries(words, texts, max_size=3)),
    objective=texts,
    requirements=st.lists(st.builds(Requirement, id=words, text=texts), max_size=3).map(tuple),
    checks=st.lists(checks, max_size=3).map(tuple),
    tags=st.lists(texts, max_size=2).map(tuple),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def write(folder: Path, text: str | bytes, name: str = "task.yaml") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_every_field_is_read(tmp_path: Path) -> None:
    file = write(tmp_path, EVERYTHING)
    assert lint_task(file) == []
    task = load_task(file)
    assert task.budget.cost == 0
    assert task.hidden.checks[0].files == {"check.py": 'print("ok")'}
    assert task.permissions.network is True
    assert task.metadata == {"since": "2024-01-02", "nested": [1, {"a": None}]}
    given = msgspec.to_builtins(task)
    assert set(given) == {field.name for field in msgspec.structs.fields(Task)}


def test_the_digest_of_a_known_task_never_changes(tmp_path: Path) -> None:
    assert task_digest(load_task(write(tmp_path, EVERYTHING))) == DIGEST


@pytest.mark.parametrize(
    "form",
    [
        EVERYTHING.encode(),
        EVERYTHING.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + EVERYTHING.encode(),
        b"# a comment\n" + EVERYTHING.encode() + b"\n\n",
    ],
    ids=["plain", "crlf", "bom", "comment"],
)
def test_the_digest_does_not_depend_on_the_form(form: bytes, tmp_path: Path) -> None:
    assert task_digest(load_task(write(tmp_path, form))) == DIGEST


@pytest.mark.parametrize("name", ["task.json", "task.txt", "task"])
def test_json_is_the_same_task(name: str, tmp_path: Path) -> None:
    task = load_task(write(tmp_path, EVERYTHING))
    indented = json.dumps(json.loads(task_json(task)), indent=2)
    assert load_task(write(tmp_path, indented, name)) == task
    assert load_task(write(tmp_path, b"\xef\xbb\xbf" + indented.encode(), name)) == task


def test_yaml_spread_over_anchors_is_the_same_task(tmp_path: Path) -> None:
    text = EVERYTHING.replace("run: python src/app.py", "run: &run python src/app.py").replace(
        "targeted: [python -m pytest -q tests/test_app.py]", "targeted: [*run]"
    )
    assert load_task(write(tmp_path, text)).targeted == ("python src/app.py",)


@given(tasks)
def test_round_trip(task: Task) -> None:
    raw = task_json(task)
    again = decode_task(raw)
    assert again == task
    assert task_json(again) == raw
    assert task_digest(again) == task_digest(task)


@given(tasks, tasks)
def test_different_tasks_have_different_digests(one: Task, other: Task) -> None:
    assert (task_digest(one) == task_digest(other)) == (one == other)


@given(tasks, st.lists(checks, min_size=1, max_size=3), words)
def test_the_redacted_view_never_holds_hidden_content(task: Task, hidden: list[Check], name: str) -> None:
    marker = "SECRET-MARKER"
    marked = tuple(
        Check(
            name=f"{marker}-{check.name}",
            run=f"{check.run}{marker}",
            expect=marker,
            covers=(marker,),
            files={f"{name}-{marker}": marker},
        )
        for check in hidden
    )
    whole = msgspec.structs.replace(
        task, hidden=Hidden(checks=marked, notes=marker), tags=(marker,), metadata={marker: [marker]}
    )
    seen = redacted(whole)
    assert marker.encode() in task_json(whole)
    assert marker.encode() not in task_json(seen)
    assert redacted(seen) == seen
    assert seen == msgspec.structs.replace(whole, hidden=Hidden(), tags=(), metadata={})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(values)
def test_no_document_breaks_the_lint(tmp_path: Path, value: Any) -> None:
    files = [write(tmp_path, json.dumps(value), "any.json"), write(tmp_path, yaml.safe_dump(value), "any.yaml")]
    for file in files:
        problems = lint_task(file)
        assert any(problem.severity == "error" for problem in problems)
        with pytest.raises(TaskError) as caught:
            load_task(file)
        assert "\n" not in str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.data())
def test_no_value_in_any_field_breaks_the_lint(tmp_path: Path, data: st.DataObject) -> None:
    """A valid document with some of its values replaced by others."""
    document: Any = json.loads(task_json(load_task(write(tmp_path, EVERYTHING))))
    for _ in range(data.draw(st.integers(1, 3))):
        place = document
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
                place = place[key]
                continue
            place[key] = data.draw(values | texts)
            break
    problems = lint_task(write(tmp_path, json.dumps(document), "any.json"))
    for problem in problems:
        error = TaskError(problem.message, value=problem.value, where=problem.where, hint=problem.hint)
        assert "\n" not in str(error)
    if not any(problem.severity == "error" for problem in problems):
        load_task(tmp_path / "any.json")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.binary(max_size=200) | st.text(":-[]{}&*!|>'\"%@`#,? \n\tabc012", max_size=80).map(str.encode))
def test_no_bytes_break_the_lint(tmp_path: Path, raw: bytes) -> None:
    for name in ("any.yaml", "any.json", "any"):
        assert all(problem.message for problem in lint_task(write(tmp_path, raw, name)))


def test_stored_tasks_that_are_none() -> None:
    for raw in (b"", b"[]", b'{"name": 1}', b"\xff", b'{"name":"a","objective":"b","repository":{},"x":1}'):
        with pytest.raises(TaskError, match=r"journal.*cannot be read"):
            decode_task(raw, where="journal")


def test_the_published_schema_is_that_of_the_code() -> None:
    assert json.loads((DOCS / "task.schema.json").read_text()) == json.loads(json.dumps(json_schema())), (
        "write it with: python -c 'import json, terret.task; print(json.dumps(terret.task.json_schema(), indent=2))'"
    )


def test_resolve_takes_the_path_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "tasks").mkdir()
    text = "name: a\nrepository: {path: ../repo}\nobjective: b\n"
    file = write(tmp_path / "tasks", text)
    task = load_task(file)
    assert task.repository.path == "../repo"
    assert resolve(task, file).repository.path == str(tmp_path / "repo")
    inline = load_task(write(tmp_path, EVERYTHING))
    assert resolve(inline, file) is inline


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, "python -m pytest -q"),
        ({"pytest.ini": ""}, "python -m pytest -q"),
        ({"conftest.py": ""}, "python -m pytest -q"),
        ({"setup.cfg": "[tool:pytest]\n"}, "python -m pytest -q"),
        ({"tests/test_a.py": "import pytest\n"}, "python -m pytest -q"),
        ({"tests/test_a.py": "def test_a(): pass\n"}, "python -m pytest -q"),
        ({"test_a.py": "import unittest\n"}, "python -m unittest"),
        ({"package.json": '{"scripts": {"test": "node --test"}}'}, "npm test"),
        ({"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'}, "make test"),
        ({"package.json": "{", "Makefile": "all:\n\ntest: all\n\ttrue\n"}, "make test"),
        ({"package.json": "[]", "pyproject.toml": "= nonsense"}, "make test"),
        ({}, "make test"),
    ],
)
def test_a_new_task_is_valid_and_knows_the_tests(files: dict[str, str], command: str, tmp_path: Path) -> None:
    repository = tmp_path / "repo"
    repository.mkdir()
    for path, text in files.items():
        (repository / path).parent.mkdir(exist_ok=True)
        (repository / path).write_text(text)
    file = write(tmp_path, new_task(tmp_path, name="a b/c", repository="repo"))
    assert lint_task(file) == []
    task = load_task(file)
    assert (task.name, task.repository.path, task.tests, task.checks[0].run) == ("a-b-c", "repo", command, command)


@pytest.mark.parametrize("repository", [None, ".", "https://host/x.git", "git@host:x.git"])
def test_a_new_task_is_valid_for_every_kind_of_repository(repository: str | None, tmp_path: Path) -> None:
    file = write(tmp_path, new_task(tmp_path, repository=repository))
    assert lint_task(file) == []
    assert load_task(file).name == tmp_path.name


@given(texts, st.none() | words)
def test_a_new_task_has_a_valid_name_whatever_it_is_given(name: str, repository: str | None) -> None:
    document = yaml.safe_load(new_task("/nowhere", name=name, repository=repository))
    assert msgspec.convert(document, Task).name


def test_the_commented_fields_of_a_new_task_are_valid_too(tmp_path: Path) -> None:
    text = new_task(tmp_path, name="a").replace("src/module.py", "adding.py")
    field = re.compile(r"^# (?=  |(?:hidden|targeted|lint|hints|budget|limits|permissions):)", re.MULTILINE)
    assert len(field.findall(text)) > 15
    file = write(tmp_path, field.sub("", text))
    assert lint_task(file) == []
    task = load_task(file)
    assert task.budget == Task("", Repository(), "").budget
    assert task.limits == Task("", Repository(), "").limits
    assert (task.hints, task.hidden.checks[0].name) == (("adding.py",), "more-tests")
