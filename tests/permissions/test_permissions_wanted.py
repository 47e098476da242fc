"""Which capabilities an effect takes."""

from __future__ import annotations

from typing import Any

import pytest

from terret.errors import InputError
from terret.permissions import CapabilityTable, wanted


def taken(primitive: str, **args: Any) -> list[str]:
    return [f"{one.right} {one.resource}" for one in wanted(primitive, args)]


@pytest.mark.parametrize(
    ("primitive", "args", "expected"),
    [
        ("fs.read", {"path": "src/./a.py"}, ["read fs:src/a.py"]),
        ("fs.write", {"path": "a/../b.py"}, ["write fs:b.py"]),
        ("fs.list", {"path": "."}, ["list fs:%2F"]),
        ("fs.search", {"path": "src"}, ["read fs:src/%2F"]),
        ("fs.delete", {"path": "odd:name"}, ["delete fs:odd%3Aname"]),
        ("shell.run", {"command": "git status"}, ["execute shell:git"]),
        ("shell.check", {"command": "git add . && git status | wc"}, ["execute shell:git", "execute shell:wc"]),
        ("shell.run", {"command": "env X=1 rm -rf x"}, ["execute shell:env", "execute shell:rm"]),
        ("shell.run", {"command": "bash -c 'rm x'"}, ["execute shell:bash", "execute shell:rm"]),
        ("shell.run", {"command": "echo $(curl x)"}, ["execute shell:curl", "execute shell:echo"]),
        ("shell.run", {"command": "$TOOL x"}, ["execute shell:%2A"]),
        ("shell.run", {"command": "echo 'unclosed"}, ["execute shell:%2A"]),
        ("shell.run", {"command": "/tmp/git status"}, ["execute shell:%2Ftmp%2Fgit"]),
        ("net.request", {"method": "GET", "url": "https://api.example.org/a"}, ["read net:api.example.org/443"]),
        ("net.request", {"method": "PUT", "url": "http://localhost:81/a"}, ["call net:localhost/81"]),
        ("memory.write", {"name": "project/plan"}, ["write memory:project/plan"]),
        ("secret.use", {"name": "token"}, ["read secret:token"]),
        ("model.complete", {"name": "local/x"}, ["call model:local/x"]),
        ("tool.register", {"name": "count"}, ["link tool:count"]),
        ("checkpoint.restore", {}, ["call checkpoint:workspace"]),
        ("human.ask", {"text": "?"}, ["ask human:ask"]),
    ],
)
def test_an_effect_takes_what_its_arguments_name(primitive: str, args: dict[str, Any], expected: list[str]) -> None:
    whole = {"shell.run": ["read fs:%2F", "write fs:%2F"], "shell.check": ["read fs:%2F"]}
    assert taken(primitive, **args) == expected + whole.get(primitive, [])


@pytest.mark.parametrize(
    ("primitive", "args"),
    [
        ("fs.read", {"path": "../x"}),
        ("fs.read", {"path": "/etc/passwd"}),
        ("fs.read", {"path": "a/../../x"}),
        ("fs.read", {"path": "a\0b"}),
        ("fs.read", {}),
        ("fs.read", {"path": "."}),
        ("shell.run", {"command": 3}),
        ("net.request", {"method": "GET", "url": "ftp://x"}),
        ("net.request", {"method": "GET", "url": "https://user@x/"}),
        ("memory.read", {"name": "a/../b"}),
        ("made.up", {}),
    ],
)
def test_what_no_capability_can_be_about_is_refused(primitive: str, args: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        wanted(primitive, args)


def test_a_file_cannot_pass_for_the_root_nor_a_program_for_the_opaque_one() -> None:
    table = CapabilityTable("agent")
    table.grant("fs:%2F", ["list"])
    assert table.decide(wanted("fs.list", {"path": "."})[0].resource, "list").effect == "allow"
    assert table.decide(wanted("fs.list", {"path": "src"})[0].resource, "list").effect == "deny"
    assert table.decide(wanted("fs.read", {"path": "%2F"})[0].resource, "list").effect == "deny"
    table.grant("shell:git", ["execute"])
    assert table.decide(wanted("shell.run", {"command": "$X"})[0].resource, "execute").effect == "deny"


def test_all_below_a_folder_is_covered_by_what_covers_all_of_it() -> None:
    table = CapabilityTable("agent")
    table.grant("fs:src/**", ["read", "list"])
    assert table.decide(wanted("fs.search", {"path": "src"})[0].resource, "read").effect == "allow"
    assert table.decide(wanted("fs.search", {"path": "."})[0].resource, "read").effect == "deny"
    assert table.decide(wanted("fs.list", {"path": "src2"})[0].resource, "list").effect == "deny"
    table.grant("fs:**", ["read"])
    assert table.decide(wanted("shell.check", {"command": "ls"})[1].resource, "read").effect == "allow"
