"""Policy files: what they mean, what is wrong with them, how they are layered and reloaded."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.errors import ConfigError
from terret.permissions import (
    Decision,
    Layer,
    LayeredPolicy,
    ReloadingPolicy,
    Unparsable,
    check_policy,
    commands_of,
    default_layers,
    flat,
    load_policy,
    parse_policy,
    policy_schema,
)
from terret.task import Permissions

DOCS = Path(__file__).parents[2] / "docs"

POLICY = """\
version: 1
rules:
  - id: no-push
    effect: deny
    reason: pushing publishes the change
    commands: ["git push", "git remote *"]
    match: ["git push origin main", "cd x && git -C y push", "sudo git push", "echo $(git push)"]
    not_match: ["git commit -m push", "echo git push"]
  - id: looking
    effect: allow
    reason: looking changes nothing
    commands: [git status, git diff, pytest]
    unless: [pytest --pdb]
    match: ["git status -s", "cd src && pytest -q 2>&1"]
    not_match: ["git -c core.fsmonitor=x status", "pytest -x --pdb", "X=1 git status", "/tmp/git status"]
  - id: docs
    effect: ask
    reason: people write the guides
    paths: ["docs/**"]
    unless: ["docs/generated.md"]
    match: [docs/a.md, docs/b/c.md]
    not_match: [docs2/a.md, docs/generated.md]
  - id: secrets
    effect: deny
    reason: keys are nobody's business
    primitives: [fs.read, fs.write, fs.delete]
    paths: ["**/*.pem"]
  - id: offline
    effect: deny
    reason: nothing leaves
    primitives: ["net.*"]
    match: [net.connect]
    not_match: [fs.read]
defaults:
  shell.run: ask
"""


def layered(*texts: str, permissions: Permissions | None = None) -> LayeredPolicy:
    scopes: tuple[Any, ...] = ("user", "project", "episode")
    layers = [Layer(scope, parse_policy(text, f"{scope}.yaml")) for scope, text in zip(scopes, texts, strict=False)]
    return LayeredPolicy(permissions or Permissions(), "H1", layers)


def rules(*items: dict[str, Any], **rest: Any) -> str:
    full = [{"id": f"r{at}", "reason": "because", **item} for at, item in enumerate(items)]
    return json.dumps({"version": 1, "rules": full, **rest})


def run(policy: LayeredPolicy, command: str) -> str:
    decision = policy.decide("shell.run", {"command": command})
    return f"{decision.effect} {decision.rule}"


# commands


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("git push", "deny user:no-push"),
        ("git status && git push", "deny user:no-push"),
        ("pytest -q | tee $(git push)", "deny user:no-push"),
        ("bash -c 'git push'", "deny user:no-push"),
        ("git status", "allow user:looking"),
        ("cd src && pytest -q tests 2>&1", "allow user:looking"),
        ("pytest -q; git diff", "allow user:looking"),
        ("pytest | tail", "ask user:default"),
        ("timeout 5 pytest", "ask user:default"),
        ("PATH=/tmp git status", "ask user:default"),
        ("PATH=/tmp; git status", "ask user:default"),
        ("git status > hooks", "ask user:default"),
        ("git status $X", "ask user:default"),
        ("git() { evil; }; git status", "ask user:default"),
        ("ls", "ask user:default"),
        ("cd src", "allow default:run"),
        ("echo hello", "allow default:run"),
        ("echo hello > x", "ask user:default"),
        ("$TOOL --version", "deny user:opaque"),
        ("echo 'unclosed", "deny user:unparsable"),
        ("", "allow default:run"),
    ],
)
def test_each_part_of_a_command_is_judged_and_the_strictest_wins(command: str, expected: str) -> None:
    assert run(layered(POLICY), command) == expected


def test_a_decision_names_file_and_line() -> None:
    policy = layered(POLICY)
    assert policy.decide("shell.run", {"command": "git push"}) == Decision(
        "deny", "user:no-push", "pushing publishes the change", "user.yaml:3"
    )
    assert policy.decide("shell.run", {"command": "ls"}).where == f"user.yaml:{len(POLICY.splitlines())}"
    assert policy.decide("shell.check", {"command": "ls"}).rule == "default:run"


def test_without_a_rule_that_restricts_nothing_unclear_is_held_against_a_command() -> None:
    text = rules({"effect": "allow", "commands": ["ls"]})
    for command in ("$X", "echo 'unclosed", "ls"):
        assert run(layered(text), command).startswith("allow")


@pytest.mark.parametrize(
    "mark", ["$(x)", "`x`", "$x", "*", "~", "{a,b}", "<f", ">f", "&", "(x)", "#x", "\\x", "\n", "!"]
)
def test_a_plain_text_holds_nothing_that_the_shell_would_change(mark: str) -> None:
    assert flat(f"echo {mark}") is None


PIECES = ["git", "-m", "a b", "'x y'", '"z w"', "a'b'c", " ", " ", "\t", "&&", "||", ";", "|", "2>&1", ">/dev/null"]
PIECES += ["X=1", "if", "time", "--", "=a", *"<&$-!*'\"\\[]{}^#()~`"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


@given(TEXTS)
def test_the_quick_reading_of_a_plain_text_is_that_of_the_full_parser(text: str) -> None:
    parts = flat(text)
    if parts is None:
        return
    try:
        found = commands_of(text)
    except Unparsable:
        pytest.fail(f"only the quick reading accepts {text!r}")
    assert [part.words for part in parts] == [tuple(word.text for word in one.words) for one in found]
    assert not any(word.opaque for one in found for word in one.words)


# files and primitives


@pytest.mark.parametrize(
    ("primitive", "args", "expected"),
    [
        ("fs.write", {"path": "docs/a.md"}, "ask user:docs"),
        ("fs.write", {"path": "docs/generated.md"}, "allow write:**"),
        ("fs.delete", {"path": "docs"}, "ask user:docs"),
        ("fs.read", {"path": "docs/a.md"}, "allow default:read"),
        ("fs.read", {"path": "a/key.pem"}, "deny user:secrets"),
        ("fs.write", {"path": "../x"}, "deny path:parent"),
        ("fs.write", {"path": "src/a.py"}, "allow write:**"),
        ("fs.write", {}, "deny args:path"),
        ("fs.write", {"path": ".terret/policy.yaml"}, "deny protected:.terret"),
        ("net.connect", {"host": "x"}, "deny user:offline"),
        ("model.complete", {}, "allow default:primitive"),
        ("shell.run", {"command": None}, "deny args:command"),
        ("teleport", {}, "deny primitive:unknown"),
    ],
)
def test_paths_and_primitives(primitive: str, args: dict[str, Any], expected: str) -> None:
    decision = layered(POLICY).decide(primitive, args)
    assert f"{decision.effect} {decision.rule}" == expected


def test_asking_about_asking_is_not_possible() -> None:
    policy = layered(rules({"effect": "ask", "primitives": ["*"]}, defaults={"*": "ask"}))
    assert policy.decide("human.ask", {}).effect == "allow"
    assert policy.decide("model.complete", {}).effect == "ask"
    assert layered(rules({"effect": "deny", "primitives": ["human.*"]})).decide("human.ask", {}).effect == "deny"


# layers


ALLOW = {"effect": "allow", "commands": ["git push"]}
DENY = {"effect": "deny", "commands": ["git push"]}
ASK = {"effect": "ask", "commands": ["git push"]}


@pytest.mark.parametrize(
    ("above", "below", "task", "expected"),
    [
        (DENY, ALLOW, (), "deny user:r0"),
        (ALLOW, DENY, (), "deny project:r0"),
        (ASK, ALLOW, (), "ask user:r0"),
        (ALLOW, ASK, (), "ask project:r0"),
        (ALLOW, ALLOW, ("git push",), "deny deny_run:git push"),
        (ASK, ASK, ("git push",), "deny deny_run:git push"),
        (ALLOW, ALLOW, (), "allow user:r0"),
    ],
)
def test_no_layer_loosens_another(above: Any, below: Any, task: tuple[str, ...], expected: str) -> None:
    policy = layered(rules(above), rules(below), permissions=Permissions(deny_run=task))
    assert run(policy, "git push") == expected
    assert run(policy, "git push") == expected


def test_the_longest_default_counts_and_a_rule_beats_it() -> None:
    text = rules({"effect": "allow", "primitives": ["fs.read"]}, defaults={"*": "ask", "fs.*": "deny"})
    policy = layered(text)
    assert policy.decide("fs.list", {"path": "a"}).effect == "deny"
    assert policy.decide("fs.read", {"path": "a"}).effect == "allow"
    assert policy.decide("workspace.diff", {}).effect == "ask"


def test_an_explanation_lists_everything_that_was_said_the_strictest_first() -> None:
    explained = layered(POLICY, rules(ALLOW)).explain("shell.run", {"command": "git push; ls"})
    assert explained.decision.rule == "user:no-push"
    assert [(one.effect, one.rule, one.subject) for one in explained.rulings] == [
        ("deny", "user:no-push", "git push"),
        ("ask", "user:default", "ls"),
        ("allow", "default:run", "shell.run"),
        ("allow", "project:r0", "git push"),
    ]


def test_files_are_found_at_their_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert default_layers(tmp_path) == []
    (tmp_path / "config" / "terret").mkdir(parents=True)
    (tmp_path / "config" / "terret" / "policy.yaml").write_text(rules(ASK))
    (tmp_path / ".terret").mkdir()
    (tmp_path / ".terret" / "policy.json").write_text(rules(ALLOW))
    (tmp_path / "mine.yaml").write_text(rules(DENY))
    layers = default_layers(tmp_path, tmp_path / "mine.yaml")
    assert [layer.scope for layer in layers] == ["user", "project", "episode"]
    assert layers[1].policy.name == ".terret/policy.json"
    with pytest.raises(ConfigError, match="does not exist"):
        default_layers(tmp_path, tmp_path / "absent.yaml")


# what is wrong with a file


def test_json_and_yaml_mean_the_same_and_know_their_lines(tmp_path: Path) -> None:
    import yaml

    (tmp_path / "p.yaml").write_text(POLICY)
    (tmp_path / "p.json").write_text(json.dumps(yaml.safe_load(POLICY), indent="\t"))
    one, other = load_policy(tmp_path / "p.yaml"), load_policy(tmp_path / "p.json")
    assert one.spec == other.spec
    assert one.digest != other.digest
    lines = (tmp_path / "p.json").read_text().splitlines()
    assert ['"id"' in lines[rule.line - 1] for rule in other.rules] == [True] * 5


BAD = [
    ("[]", 1, "a mapping with version and rules"),
    ("", 1, "a mapping"),
    ("version: 1\nrules: {}\n", 2, "rules is a list"),
    ("version: 2\n", 1, "2"),
    ("rules: []\n", 1, "version"),
    ("version: 1\nrulez: []\n", 1, "rulez"),
    ("version: 1\nrules:\n  - id: a\n", 3, "missing required field"),
    ("version: 1\nrules:\n  - {id: a, effect: maybe, reason: x, paths: [a]}\n", 3, "maybe"),
    ("version: 1\nrules:\n  - id: a\n    effect: deny\n    reason: x\n    commands: git push\n", 6, "expected"),
    ("version: 1\nrules:\n  - id: a\n    effect: deny\n    reason: x\n    commands: [3]\n", 6, "expected 'str'"),
    ("version: 1\nrules:\n  - {id: A!, effect: deny, reason: x, paths: [a]}\n", 3, "an id is"),
    ("version: 1\nrules:\n  - {id: default, effect: deny, reason: x, paths: [a]}\n", 3, "an id is"),
    ("version: 1\nrules:\n  - {id: a, effect: deny, reason: ' ', paths: [a]}\n", 3, "says why"),
    ("version: 1\nrules:\n  - {id: a, effect: deny, reason: x}\n", 3, "needs commands, paths or primitives"),
    ("version: 1\nrules:\n  - {id: a, effect: deny, reason: x, paths: [a], commands: [b]}\n", 3, "two rules"),
    ("version: 1\nrules:\n  - {id: a, effect: deny, reason: x, primitives: [fs.wirte]}\n", 3, "fs.wirte"),
    ("version: 1\nrules:\n  - {id: a, effect: deny, reason: x, primitives: ['Fs!']}\n", 3, "names no primitive"),
    ("version: 1\nrules:\n  - {id: a, effect: deny, reason: x, paths: [/etc]}\n", 3, "relative"),
    ("version: 1\nrules:\n  - {id: a, effect: deny, reason: x, paths: ['']}\n", 3, "empty"),
    ("version: 1\nrules:\n  - {id: a, effect: deny, reason: x, commands: [-rf]}\n", 3, "program"),
    ("version: 1\nrules:\n  - {id: a, effect: deny, reason: x, primitives: [fs.read], unless: [a]}\n", 3, "unless"),
    (
        "version: 1\nrules:\n  - {id: a, effect: deny, reason: x, paths: [a]}\n"
        "  - {id: a, effect: deny, reason: x, paths: [b]}\n",
        4,
        "line 3",
    ),
    ("version: 1\ndefaults:\n  fs.wirte: deny\n", 3, "fs.wirte"),
    ("version: 1\ndefaults:\n  shell.run: perhaps\n", 3, "perhaps"),
    ("version: 1\nharmless:\n  - command: git status\n    options: [short]\n", 4, "begins with '-'"),
    ("version: 1\nharmless:\n  - command: git $x\n    options: [-s]\n", 3, "plain command"),
    ("version: 1\nversion: 1\n", 2, "given twice"),
    ("version: 1\n1: 2\n", 2, "not plain text"),
    ("version: 1\nrules: [\n", 3, "not YAML"),
    ("version: !!python/object:os.system {}\n", 1, "expected 'int'"),
    ("version: 1\ndefaults: ask\n", 2, "a mapping of primitives"),
    ("version: 1\nrules: &a [*a]\n", 2, "nested too deeply"),
    ("version: 1\nrules:\n  - id: \x00\n", 3, "not YAML"),
]


@pytest.mark.parametrize(("text", "line", "says"), BAD)
def test_a_malformed_file_is_one_line_with_file_line_and_code(tmp_path: Path, text: str, line: int, says: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_bytes(text.encode())
    with pytest.raises(ConfigError) as caught:
        load_policy(file)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{file}:{line}: "), message
    assert message.endswith("[E_CONFIG]")
    assert says in message
    assert check_policy(file)[0].where == f"{file}:{line}"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b"version: 1\n" + b"#" * 1_100_000])
def test_files_that_are_no_text_at_all(tmp_path: Path, content: bytes) -> None:
    for name in ("p.yaml", "p.json"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError):
            load_policy(tmp_path / name)
    for path in (tmp_path, tmp_path / "absent", "a\0b"):
        with pytest.raises(ConfigError):
            load_policy(path)


@given(st.text(max_size=200))
def test_no_text_whatsoever_crashes_the_reader(text: str) -> None:
    for name in ("p.yaml", "p.json"):
        try:
            parsed = parse_policy(text, name)
        except ConfigError:
            continue
        assert parsed.spec.version == 1


def test_examples_are_checked_and_all_problems_listed_in_order(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(
        POLICY.replace('"sudo git push"', '"git pull"')
        .replace("[net.connect]", "[fs.read]")
        .replace("docs2/a", "docs/x")
    )
    problems = check_policy(file)
    assert [problem.message for problem in problems] == [
        "the rule no-push does not match this example",
        "the rule docs matches this example, which it should not",
        "the rule offline does not match this example",
    ]
    lines = file.read_text().splitlines()
    assert [lines[int(problem.where.rpartition(":")[2]) - 1].split(":")[0].strip() for problem in problems] == [
        "match",
        "not_match",
        "match",
    ]
    with pytest.raises(ConfigError, match="2 more: terret policy check"):
        load_policy(file)
    file.write_text(rules({"effect": "deny", "commands": ["ls"], "match": ["ls 'x"]}))
    assert "cannot be read" in check_policy(file)[0].message


def test_the_published_schema_is_that_of_the_code() -> None:
    assert json.loads((DOCS / "policy.schema.json").read_text()) == json.loads(json.dumps(policy_schema())), (
        "write it with: terret policy schema > docs/policy.schema.json"
    )


# reloading


def touch(file: Path, text: str, at: int) -> None:
    file.write_text(text)
    os.utime(file, ns=(at, at))


def test_a_reload_keeps_the_old_policy_when_the_new_one_is_invalid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    file = tmp_path / "p.yaml"
    touch(file, rules(DENY), 1)
    policy = ReloadingPolicy(Permissions(), file=file)
    push = {"command": "git push"}
    assert policy.decide("shell.run", push).effect == "deny"
    assert (policy.refresh().changed, policy.problem) == (False, None)
    touch(file, rules(ASK), 2)
    assert policy.decide("shell.run", push).effect == "deny"
    assert policy.refresh().changed
    assert policy.decide("shell.run", push).effect == "ask"
    for at, bad in enumerate(
        ("", "version: 1\nrules: [", rules({"effect": "deny", "commands": ["x"], "match": ["y"]}))
    ):
        touch(file, bad, 3 + at)
        told = policy.refresh()
        assert not told.changed
        assert told.problem is not None
        assert str(told.problem).startswith(f"{file}:")
        assert "the old policy stays in force" in str(told.problem)
        assert policy.decide("shell.run", push).effect == "ask"
        assert policy.refresh().problem is told.problem
    file.unlink()
    assert policy.refresh().problem is not None
    assert policy.decide("shell.run", push).effect == "ask"
    touch(file, rules(ALLOW), 9)
    assert policy.refresh().changed
    assert (policy.problem, policy.decide("shell.run", push).effect) == (None, "allow")


def test_a_project_file_that_appears_later_comes_into_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    policy = ReloadingPolicy(Permissions(), project=tmp_path)
    (tmp_path / ".terret").mkdir()
    touch(tmp_path / ".terret" / "policy.yaml", rules(DENY), 1)
    assert policy.refresh().changed
    assert policy.decide("shell.run", {"command": "git push"}).rule == "project:r0"
    (tmp_path / ".terret" / "policy.yaml").unlink()
    assert "gone" in str(policy.refresh().problem)
    assert policy.decide("shell.run", {"command": "git push"}).effect == "deny"
