"""terret task new, lint and schema."""

from __future__ import annotations

import json

from terret.task import json_schema, lint_task


def test_a_new_task_lints_clean(cli, tmp_path):
    file = tmp_path / "deep" / "task.yaml"
    made = cli("task", "new", file, "--name", "mend it")
    assert made.code == 0
    assert "terret task lint" in made.out
    assert [problem for problem in lint_task(file) if problem.severity == "error"] == []
    linted = cli("task", "lint", file)
    assert linted.code == 0
    assert "error" not in linted.out


def test_a_new_task_about_a_repository(cli, tmp_path):
    (tmp_path / "code").mkdir()
    file = tmp_path / "task.yaml"
    assert cli("task", "new", file, "--repository", "code").code == 0
    assert 'path: "code"' in file.read_text()


def test_new_leaves_an_existing_file_alone(cli, tmp_path):
    file = tmp_path / "task.yaml"
    file.write_text("mine")
    ran = cli("task", "new", file)
    assert ran.code == 2
    assert "the file exists" in ran.err
    assert file.read_text() == "mine"


def test_lint_names_every_problem_of_every_file(cli, tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    cli("task", "new", good)
    bad.write_text("name: x\nobjective: do\nrepository: {path: nowhere}\nbugdet: {steps: 3}\n")
    ran = cli("task", "lint", good, bad, tmp_path / "absent.yaml")
    assert ran.code == 2
    assert f"{bad}:4" in ran.out
    assert "bugdet" in ran.out
    assert "absent.yaml" in ran.out
    assert "Traceback" not in ran.out + ran.err
    document = cli("task", "lint", good, bad, "--json").document
    assert document["errors"] >= 2
    assert all(problem["severity"] == "warning" for problem in document["files"][str(good)])


def test_quiet_lint_speaks_by_exit_code(cli, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("[]")
    ran = cli("task", "lint", bad, "--quiet")
    assert (ran.code, ran.out, ran.err) == (2, "", "")


def test_schema_is_the_task_s(cli):
    schema = json.loads(json.dumps(json_schema()))
    assert cli("task", "schema").document == schema
    assert cli("task", "schema", "--json").document == schema
