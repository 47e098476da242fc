"""Grants as people write them, what an effect demands, and capabilities that move between tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from terret.errors import ConfigError, InputError
from terret.permissions import (
    RIGHTS,
    CapabilityTable,
    GrantSpec,
    capabilities_of,
    demands_of,
    load_grants,
    parse_grant,
)

DOCS = Path(__file__).parents[2] / "docs" / "permissions.md"


def test_a_grant_is_read_from_its_text() -> None:
    spec = parse_grant("filesystem:workspace:src/*=read,write;uses=3;ttl=60")
    assert (spec.pattern, spec.rights, spec.uses, spec.ttl_s) == ("fs:src/*", ("read", "write"), 3, 60.0)
    (given, *own) = capabilities_of([spec], 1000.0)
    assert (given.id, given.resource, given.expires_at, given.uses) == ("c1", "fs:src/*", 1060.0, 3)
    assert [one.resource for one in own] == ["model:**", "human:**", "workspace:**"]
    assert parse_grant("shell:rm", "deny").give(CapabilityTable("x"), 0.0).rights == RIGHTS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "this is no grant"),
        ("fs:a", "names its rights"),
        ("fs:a=", "names its rights"),
        ("fs:src*=read", "whole segment"),
        ("fs:a=read;uses=x", "uses=N"),
        ("fs:a=read;uses=1.5", "uses=N"),
        ("fs:a=read;ttl=nan", "above zero"),
        ("fs:a=read;ttl=inf", "above zero"),
        ("fs:../a=read", "'..'"),
    ],
)
def test_what_is_no_grant_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_grant(text)


def test_the_file_in_the_documentation_loads(tmp_path: Path) -> None:
    (block,) = [text for text in re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL) if "grants:" in text]
    (tmp_path / "grants.yaml").write_text(block)
    ask, tests = load_grants(tmp_path / "grants.yaml")
    assert (ask.effect, tests.constraints) == ("ask", {"max_timeout_s": 60})


@pytest.mark.parametrize(
    "text",
    [
        "grants: []",
        "version: 2\ngrants: []",
        "version: 1\ngrants: 3",
        "version: 1\ngrants: [{resource: 'fs:a'}]",
        "- 1",
    ],
)
def test_a_file_that_is_none_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "grants.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_grants(tmp_path / "grants.yaml")
    assert (caught.value.where or "").startswith(str(tmp_path / "grants.yaml"))


def shown(primitive: str, **args: Any) -> list[str]:
    marks = {(False, False): "", (True, False): " and all below", (True, True): " nothing below denied"}
    return [
        f"{one.right} {one.resource}{marks.get((one.below, one.restricted), ' not denied')}"
        for one in demands_of(primitive, args)
    ]


@pytest.mark.parametrize(
    ("primitive", "args", "expected"),
    [
        ("fs.search", {"command": "rg --regexp 'a b' -- src"}, ["read fs:src and all below"]),
        ("fs.list", {"path": "."}, ["list fs: and all below"]),
        ("fs.delete", {"path": "src"}, ["delete fs:src", "delete fs:src nothing below denied"]),
        (
            "shell.check",
            {"command": "/bin/rm x"},
            ["execute shell:%2Fbin%2Frm", "execute shell:rm not denied", "read fs: and all below"],
        ),
        (
            "shell.check",
            {"command": "$X"},
            ["execute shell:%2A", "execute shell: nothing below denied", "read fs: and all below"],
        ),
        ("net.post", {"url": "https://a.example/"}, ["call net:a.example/443"]),
        ("workspace.restore", {"tree": "x"}, ["write workspace:restore"]),
        ("human.ask", {"form": "approval"}, []),
        ("human.ask", {"form": "question"}, ["ask human:ask"]),
        ("human.hear", {}, []),
    ],
)
def test_an_effect_demands_what_it_reaches(primitive: str, args: dict[str, Any], expected: list[str]) -> None:
    assert shown(primitive, **args) == expected


@pytest.mark.parametrize(("primitive", "args"), [("fs.search", {"command": "rg 'x"}), ("made.up", {}), ("fs.read", {})])
def test_an_effect_about_nothing_is_refused(primitive: str, args: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        demands_of(primitive, args)


def test_shared_uses_that_are_handed_over_are_never_more_than_there_were(clock) -> None:
    root = CapabilityTable("root", clock=clock)
    origin = root.grant("fs:**", ["read", "write"], uses=3, depth=1)
    root.grant("fs:secret/**", ["read"], "deny")
    worker = root.child("worker")
    root.delegate(origin.id, worker, resource="fs:a/**", uses=2)
    root.delegate(origin.id, worker, resource="fs:b/**", rights=["read"])
    worker.grant("fs:c", ["read"], lease_s=10.0)
    moved = {one.resource: one for one in worker.hand_over()}
    assert sum(one.uses or 0 for one in moved.values()) == 3
    assert moved["fs:secret/**"].effect == "deny"
    assert moved["fs:c"].expires_at == clock() + 10
    assert root.status(origin.id) == "exhausted"
    taken = CapabilityTable("agent", clock=clock)
    taken.take_up(moved.values())
    assert [one.id for one in taken.capabilities()] == [one.id for one in moved.values()]
    assert taken.decide("fs:c", "read").effect == "allow"
    clock.advance(11)
    assert taken.decide("fs:c", "read").effect == "deny"


def test_without_any_grant_nothing_but_the_agent_s_own_is_open() -> None:
    assert {one.resource for one in capabilities_of([], 0.0)} == {"model:**", "human:**", "workspace:**"}
    denied = capabilities_of([GrantSpec("fs:a", effect="deny")], 0.0)
    assert "fs:**" in {one.resource for one in denied if one.effect == "allow"}
