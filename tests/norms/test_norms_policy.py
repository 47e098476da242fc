"""Charters as policies: which calls a norm is about, what a person is told, and policies together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from terret.errors import ConfigError
from terret.norms import NormPolicy, Strictest, load_charter, parse_charter
from terret.permissions import Decision, Policy
from terret.task import Permissions

CHARTER = """
purpose: {level: user_autonomy, operator: ought}
norms:
  - {name: no-harm, level: ethical_moral, operator: required, primitives: ["net.*"], args: {url: "https://harm.*"}}
  - {name: licence, level: legal, operator: ought, primitives: [fs.delete], args: {path: LICENSE}}
  - {name: migrations, level: professional_ethics, operator: ought, primitives: ["fs.*"], args: {path: db/migrations/}}
  - {name: tidy, level: stylistic, operator: required, primitives: [fs.write], args: {path: "**/*.py"}}
  - {name: peer-a, level: user_autonomy, operator: ought, primitives: [shell.run], args: {command: "make *"}}
  - {name: peer-b, level: user_autonomy, operator: ought, primitives: [shell.run], args: {command: "* deploy*"}}
  - {name: fire, level: user_autonomy, operator: required, primitives: [lab.heat], catastrophic: true}
risks:
  - {name: outside, importance: high, primitives: ["net.*"]}
  - {name: sends, importance: medium, magnitude: 3, primitives: [net.post]}
  - {name: money, importance: high, magnitude: 1, primitives: [net.post], args: {url: "https://bank.*"}}
"""
POLICY = NormPolicy(parse_charter(CHARTER))


@pytest.mark.parametrize(
    ("primitive", "args", "effect", "floor", "first"),
    [
        ("net.get", {"url": "https://harm.example"}, "deny", 1, "no-harm: axiom_6.2_absolute_prohibition"),
        ("fs.delete", {"path": "LICENSE"}, "deny", 2, "licence: axiom_6.3_moral_priority"),
        ("fs.delete", {"path": "./LICENSE/"}, "deny", 2, "licence: axiom_6.3_moral_priority"),
        ("net.post", {"url": "https://bank.example"}, "deny", 3, "floor_3_risk_reject"),
        ("lab.heat", {}, "ask", 4, "fire: axiom_6.4_moral_rank"),
        ("shell.run", {"command": "make deploy"}, "ask", 5, "peer-a: equal_weight_coordinate"),
        ("net.get", {"url": "https://example.org"}, "ask", 6, "floor_6_risk_modify"),
        ("fs.write", {"path": "db/migrations/a/1.sql"}, "ask", 7, "migrations: axiom_6.3_moral_priority"),
        ("fs.write", {"path": "src/a.py"}, "allow", 8, "tidy: user_level_dominant"),
        ("shell.run", {"command": "make test"}, "allow", 8, "peer-a: equal_weight_coordinate"),
        ("fs.read", {"path": "a"}, "allow", 8, "floor_8_flourishing"),
        ("unheard.of", {}, "allow", 8, "floor_8_flourishing"),
    ],
)
def test_a_call_is_judged_and_explained(
    primitive: str, args: dict[str, Any], effect: str, floor: int, first: str
) -> None:
    decision = POLICY.decide(primitive, args)
    assert (decision.effect, decision.rule.partition("_")[2][0]) == (effect, str(floor))
    assert decision.rule.startswith("norm:floor_")
    assert decision.trail[0] == first
    assert decision.trail[-1] == decision.rule.removeprefix("norm:")
    assert decision.reason
    assert "\n" not in decision.reason
    assert POLICY.decide(primitive, args) == decision


@pytest.mark.parametrize("args", [{}, {"path": 7}, {"path": "../LICENSE"}, {"path": "/LICENSE"}, {"path": ""}])
def test_what_cannot_be_told_is_held_against_the_call(args: dict[str, Any]) -> None:
    assert POLICY.decide("fs.delete", args).effect == "deny"


def test_a_reason_names_the_norm_and_the_purpose() -> None:
    said = POLICY.decide("fs.delete", {"path": "LICENSE"}).reason
    assert said == "licence (legal, ought) outweighs the purpose (user_autonomy, ought)"
    assert POLICY.decide("net.get", {"url": "x"}).reason == "the risk score 0.38 is at least 0.35"


def test_a_stronger_purpose_outweighs_its_peers() -> None:
    stronger = NormPolicy(parse_charter(CHARTER.replace("operator: ought}\nnorms", "operator: required}\nnorms")))
    assert stronger.decide("shell.run", {"command": "make deploy"}).effect == "allow"
    assert stronger.decide("fs.delete", {"path": "LICENSE"}).effect == "deny"


class Says:
    def __init__(self, effect: str, rule: str) -> None:
        self.decision = Decision(effect, rule, "")  # type: ignore[arg-type]

    def decide(self, primitive: str, args: object) -> Decision:
        return self.decision


@pytest.mark.parametrize("others", [("allow", "ask"), ("ask", "allow"), ("allow", "deny"), ("deny", "ask")])
def test_the_strictest_of_several_policies_counts(others: tuple[str, str]) -> None:
    one, other = (Says(effect, effect) for effect in others)
    found = Strictest(one, other).decide("fs.read", {})
    assert found.effect == max(others, key=["allow", "ask", "deny"].index)
    assert Strictest(Says("ask", "first"), Says("ask", "second")).decide("fs.read", {}).rule == "first"


def test_norms_only_ever_tighten_what_a_task_permits() -> None:
    task = Policy.for_task(Permissions(deny_write=("secret/**",)), "H1")
    both = Strictest(task, POLICY)
    assert both.decide("fs.write", {"path": "secret/a"}).rule == "deny_write:secret/**"
    assert both.decide("fs.delete", {"path": "LICENSE"}).rule == "norm:floor_2_superordinate_legal"
    assert both.decide("fs.write", {"path": "src/a.py"}).rule == "write:**"
    assert msgspec.to_builtins(both.decide("lab.heat", {}))["rule"] == "primitive:unknown"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1", "not YAML"),
        ("- a", "bad field"),
        ("nonsense: 1", "nonsense"),
        ("norms: [{name: a, level: royal, operator: ought}]", "level"),
        ("norms: [{name: a, level: legal, operator: ought, primitive: x}]", "primitive"),
        ("norms: [{level: legal, operator: ought}]", "name"),
        ("norms: [{name: '', level: legal, operator: ought}]", "name"),
        ("risks: [{name: a, importance: high, magnitude: 4}]", "magnitude"),
        ("risks: [{name: a, importance: high}]\nnorms: [{name: a, level: legal, operator: ought}]", "one name"),
        ("modify: 0.6", "above reject"),
        ("reject: 2", "reject"),
    ],
)
def test_a_bad_charter_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "charter.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        load_charter(path)
    assert caught.value.where == str(path)


def test_an_empty_charter_allows_and_a_missing_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "charter.yaml"
    with pytest.raises(ConfigError, match="cannot be read"):
        load_charter(path)
    path.write_text("")
    assert NormPolicy(load_charter(path)).decide("net.post", {}).effect == "allow"
