"""Approvals that are not asked for again, and an organisation's policy in Cedar."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from terret.errors import ConfigError, MissingExtra
from terret.permissions import Approvals, CedarPolicy, Layer, LayeredPolicy, approvals_file, parse_policy
from terret.task import Permissions

POLICY = json.dumps(
    {
        "version": 1,
        "rules": [{"id": "never", "effect": "deny", "reason": "no", "commands": ["git push"]}],
        "defaults": {"shell.run": "ask", "shell.check": "ask", "fs.write": "ask", "net.*": "ask"},
        "harmless": [
            {"command": "git status", "options": ["-s", "--short", "--color=*"]},
            {"command": "pytest", "options": ["-q", "-x"]},
        ],
    }
)


def policy(approvals: Approvals, scope: Any = "user") -> LayeredPolicy:
    return LayeredPolicy(Permissions(network=True), "H1", [Layer(scope, parse_policy(POLICY, "p.json"))], approvals)


def effect(of: LayeredPolicy, command: str) -> str:
    return of.decide("shell.run", {"command": command}).effect


@pytest.mark.parametrize(
    ("approved", "covered", "asked"),
    [
        (
            "git status",
            [
                "git status",
                "git  status",
                "git 'status'",
                "git status -s",
                "git status --color=always --short",
                "git status 2>&1",
                "git status >/dev/null",
            ],
            [
                "git status src",
                "git status --porcelain",
                "git -s status",
                "git stash",
                "/tmp/git status",
                "./git status",
                "X=1 git status",
                "git status > x",
                "git status; ls",
                "git status $X",
                "git status | cat",
                "sudo git status",
                "git status -- -s",
            ],
        ),
        ("pytest tests", ["pytest -q tests", "pytest tests -x"], ["pytest", "pytest tests tests2", "pytest -v tests"]),
        (
            "cd src && rm x",
            ["cd src && rm x", "cd src&&rm 'x'"],
            ["rm x", "cd src || rm x", "cd src; rm x", "cd other && rm x", "rm x && cd src"],
        ),
        ("echo $HOME > x", ["echo $HOME > x"], ["echo $HOME  > x", "echo $HOME > y"]),
        ("git commit -m 'a b'", ["git commit -m 'a b'", 'git commit -m "a b"'], ["git commit -m a b"]),
    ],
)
def test_variants_of_an_approved_command(approved: str, covered: list[str], asked: list[str]) -> None:
    approvals = Approvals()
    tested = policy(approvals)
    assert effect(tested, approved) == "ask"
    approvals.remember("shell.run", {"command": approved, "timeout_s": 5}, "episode", by="ann")
    decision = tested.decide("shell.run", {"command": approved})
    assert (decision.effect, decision.rule) == ("allow", "approved:episode")
    assert "ann" in decision.reason
    assert {command: effect(tested, command) for command in covered} == dict.fromkeys(covered, "allow")
    assert {command: effect(tested, command) for command in asked} == dict.fromkeys(asked, "ask")


def test_nothing_approved_beats_a_denial() -> None:
    approvals = Approvals()
    approvals.remember("shell.run", {"command": "git push"}, "user")
    approvals.remember("shell.run", {"command": "ls && git push"}, "episode")
    assert effect(policy(approvals), "git push") == "deny"
    assert effect(policy(approvals), "ls && git push") == "deny"


def test_a_project_file_cannot_mark_options_harmless() -> None:
    approvals = Approvals()
    approvals.remember("shell.run", {"command": "pytest"}, "episode")
    assert effect(policy(approvals, "user"), "pytest -q") == "allow"
    assert effect(policy(approvals, "project"), "pytest -q") == "ask"
    assert effect(policy(approvals, "project"), "pytest") == "allow"


def test_an_approval_for_once_is_not_kept() -> None:
    approvals = Approvals()
    approvals.remember("shell.run", {"command": "ls"}, "once")
    assert effect(policy(approvals), "ls") == "ask"


def test_a_check_may_do_what_a_run_may_but_not_the_other_way() -> None:
    approvals = Approvals()
    approvals.remember("shell.run", {"command": "ls"}, "episode")
    approvals.remember("shell.check", {"command": "pwd; ls"}, "episode")
    tested = policy(approvals)
    assert tested.decide("shell.check", {"command": "ls"}).effect == "allow"
    assert effect(tested, "pwd; ls") == "ask"


def test_files_go_by_path_and_other_primitives_by_exact_arguments() -> None:
    approvals = Approvals()
    tested = policy(approvals)
    approvals.remember("fs.write", {"path": "a", "sha256": "1", "size": 1}, "episode")
    approvals.remember("net.connect", {"host": "h", "port": 1}, "episode")
    assert tested.decide("fs.write", {"path": "a", "sha256": "2", "size": 9}).effect == "allow"
    assert tested.decide("fs.write", {"path": "b", "sha256": "1", "size": 1}).effect == "ask"
    assert tested.decide("net.connect", {"port": 1, "host": "h"}).effect == "allow"
    assert tested.decide("net.connect", {"port": 2, "host": "h"}).effect == "ask"
    assert tested.decide("net.connect", {"port": float("nan")}).effect == "ask"


def test_lasting_approvals_survive_and_stay_with_their_project(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "approved.json"
    here, there = tmp_path / "here", tmp_path / "there"
    first = Approvals(file, here)
    first.remember("shell.run", {"command": "ls"}, "project")
    first.remember("shell.run", {"command": "pwd -P"}, "user", by="ann")
    first.remember("shell.run", {"command": "id"}, "episode")
    assert file.stat().st_mode & 0o077 == 0
    again, elsewhere = policy(Approvals(file, here)), policy(Approvals(file, there))
    assert [effect(again, one) for one in ("ls", "pwd -P", "id")] == ["allow", "allow", "ask"]
    assert [effect(elsewhere, one) for one in ("ls", "pwd -P", "id")] == ["ask", "allow", "ask"]
    assert [effect(policy(first), one) for one in ("ls", "pwd -P", "id")] == ["allow"] * 3
    kept = Approvals.of(Approvals(file, here).in_force)
    assert [effect(policy(kept), one) for one in ("ls", "pwd -P")] == ["allow", "allow"]
    with pytest.raises(ConfigError, match="no project"):
        Approvals(file).remember("shell.run", {"command": "ls"}, "project")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"version": 2, "approved": []}', b"\xff", b'{"version":1,"approved":[1]}']
)
def test_a_damaged_file_of_approvals_is_an_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "approved.json"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="damaged"):
        Approvals(file)


def test_where_approvals_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert approvals_file() == tmp_path / "terret" / "approved.json"
    (tmp_path / "terret").write_text("a file")
    with pytest.raises(ConfigError):
        Approvals(approvals_file()).remember("shell.run", {"command": "ls"}, "user")


# Cedar

CEDAR = """
@id("tests-only")
permit(principal == Agent::"agent", action == Action::"fs.write", resource)
  when { context.path like "tests/*" };
@id("commands")
permit(principal, action == Action::"shell.run", resource) when { context.certain };
@id("no-network-tools")
forbid(principal, action == Action::"shell.run", resource) when { context.programs.contains("curl") };
permit(principal, action == Action::"net.connect", resource) when { context.missing == 1 };
"""


@pytest.mark.parametrize(
    ("primitive", "args", "expected"),
    [
        ("fs.write", {"path": "tests//a.py"}, ("allow", "cedar:tests-only")),
        ("fs.write", {"path": "src/a.py"}, ("deny", "cedar:none")),
        ("fs.write", {"path": "../tests/a.py"}, ("deny", "cedar:none")),
        ("shell.run", {"command": "ls -l"}, ("allow", "cedar:commands")),
        ("shell.run", {"command": "ls; /usr/bin/curl x"}, ("deny", "cedar:no-network-tools")),
        ("shell.run", {"command": "$X"}, ("deny", "cedar:none")),
        ("shell.run", {"command": "echo 'x"}, ("deny", "cedar:none")),
        ("net.connect", {}, ("deny", "cedar:error")),
        ("teleport", {}, ("deny", "cedar:none")),
    ],
)
def test_cedar(primitive: str, args: dict[str, Any], expected: tuple[str, str]) -> None:
    pytest.importorskip("cedarpy", reason="needs pip install 'terret[cedar]'")
    decision = CedarPolicy(CEDAR).decide(primitive, args)
    assert (decision.effect, decision.rule) == expected
    assert decision.reason


def test_an_organisation_binds_every_layer() -> None:
    pytest.importorskip("cedarpy", reason="needs pip install 'terret[cedar]'")
    tested = LayeredPolicy(Permissions(), others=[CedarPolicy(CEDAR)])
    assert tested.decide("fs.write", {"path": "src/a.py"}).rule == "cedar:none"
    assert tested.decide("fs.write", {"path": "tests/a.py"}).effect == "allow"
    assert CedarPolicy(CEDAR, agent="other").decide("fs.write", {"path": "tests/a.py"}).effect == "deny"
    with pytest.raises(ConfigError, match="not Cedar"):
        CedarPolicy("permit(")


def test_cedar_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cedarpy", None)
    with pytest.raises(MissingExtra, match="terret\\[cedar\\]"):
        CedarPolicy(CEDAR)
