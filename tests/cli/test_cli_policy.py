"""terret policy explain, check and schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

POLICY = """\
version: 1
rules:
  - id: no-push
    effect: deny
    reason: pushing publishes the change
    commands: [git push]
    match: [git push origin]
  - id: guides
    effect: ask
    reason: people write the guides
    paths: ["docs/**"]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "project"
    (folder / ".terret").mkdir(parents=True)
    (folder / ".terret" / "policy.yaml").write_text(POLICY)
    monkeypatch.chdir(folder)
    return folder


def test_explain_names_decision_rule_file_and_line(cli, project):
    ran = cli("policy", "explain", "cd x && git push; ls")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[:3] == [
        "deny: cd x && git push; ls",
        "  rule project:no-push at .terret/policy.yaml:3",
        "  because pushing publishes the change",
    ]
    document = cli("policy", "explain", "cd x && git push; ls", "--json").document
    assert (document["effect"], document["rule"], document["where"]) == (
        "deny",
        "project:no-push",
        ".terret/policy.yaml:3",
    )
    assert document["rulings"][0]["subject"] == "git push"
    assert cli("policy", "explain", "ls", "--json").document["rule"] == "default:run"


@pytest.mark.parametrize(
    ("args", "effect", "rule"),
    [
        (["--primitive", "fs.write", "--path", "docs/a.md"], "ask", "project:guides"),
        (["--path", "docs/a.md"], "ask", "project:guides"),
        (["--primitive", "fs.read", "--path", "docs/a.md"], "allow", "default:read"),
        (["--primitive", "net.connect"], "deny", "network:off"),
        (["--primitive", "shell.check", "git push"], "deny", "project:no-push"),
        (["--path", "../x"], "deny", "path:parent"),
        (["$TOOL"], "deny", "project:opaque"),
        (["--", "git push"], "deny", "project:no-push"),
    ],
)
def test_explain_other_primitives(cli, project, args, effect, rule):
    document = cli("policy", "explain", "--json", *args).document
    assert (document["effect"], document["rule"]) == (effect, rule)


def test_explain_takes_a_task_and_a_further_file(cli, project, tmp_path):
    task = tmp_path / "task.yaml"
    task.write_text(
        "name: x\nobjective: do it\nrepository: {path: project}\nchecks: [{name: a, run: 'true'}]\n"
        "permissions: {deny_run: [make], write: ['src/**']}\n"
    )
    assert cli("policy", "explain", "make all", "--task", task, "--json").document["rule"] == "deny_run:make"
    assert cli("policy", "explain", "--path", "a", "--task", task, "--json").document["rule"] == "write:none"
    assert cli("policy", "explain", "git push", "--task", task, "--json").document["rule"] == "project:no-push"
    further = tmp_path / "more.yaml"
    further.write_text("version: 1\ndefaults: {shell.run: ask}\n")
    document = cli("policy", "explain", "ls", "--policy", further, "--json").document
    assert (document["effect"], document["where"]) == ("ask", f"{further}:2")
    assert document["files"] == [".terret/policy.yaml", str(further)]


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--primitive", "fs.write"],
        ["--primitive", "fs.write", "ls"],
        ["ls", "--path", "a"],
        ["ls", "--policy", "absent.yaml"],
        ["ls", "--task", "absent.yaml"],
    ],
)
def test_explain_refuses_in_one_line(cli, project, args):
    ran = cli("policy", "explain", *args)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("terret: ")
    assert ran.err.count("\n") == 1
    assert ran.err.endswith(("[E_CONFIG]\n", "[E_TASK]\n"))


def test_an_invalid_project_file_stops_explain_and_run(cli, project):
    (project / ".terret" / "policy.yaml").write_text(POLICY.replace("git push origin", "git pull"))
    ran = cli("policy", "explain", "ls")
    assert ran.code == 2
    assert ran.err == (
        "terret: .terret/policy.yaml:7: the rule no-push does not match this example (got 'git pull'); "
        "mend the pattern [E_CONFIG]\n"
    )


def test_check_lists_every_problem_of_every_file(cli, project, tmp_path):
    good, bad = project / ".terret" / "policy.yaml", tmp_path / "bad.yaml"
    bad.write_text(POLICY.replace("git push origin", "git pull").replace("effect: ask", "effect: maybe"))
    ran = cli("policy", "check", good)
    assert (ran.code, ran.out) == (0, f"{good}: ok, 2 rules, 1 example\n")
    ran = cli("policy", "check", good, bad, tmp_path / "absent.yaml")
    assert ran.code == 2
    lines = [line for line in ran.out.splitlines() if line.startswith("error: ")]
    assert [line.startswith(f"error: {bad}:{number}: ") for line, number in zip(lines, (7, 9), strict=False)] == [
        True
    ] * 2
    assert "absent.yaml: the policy file does not exist" in lines[2]
    assert all(line.endswith("[E_CONFIG]") for line in lines)
    document = cli("policy", "check", good, bad, "--json").document
    assert (document["errors"], document["files"][str(good)]) == (2, [])
    assert cli("policy", "check", bad, "--quiet")[:2] == (2, "")


def test_schema_prints_one_document(cli):
    assert cli("policy", "schema").document == cli("policy", "schema", "--json").document
    assert json.loads(cli("policy", "schema").out)["title"] == "terret policy"
