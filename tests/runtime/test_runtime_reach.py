"""What the agent is told about the network is what its commands have."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from terret.journal import Intent, Outcome, SigningKey, check_package
from terret.models import ModelIdentity, Request, ScriptedModel
from terret.runtime import replay_package, run_episode
from terret.task import EgressRule, Permissions, Repository, SecretRule, Task

KEY = SigningKey(bytes(range(32)))


def told(folder: Path, permissions: Permissions, command: str = "true", **options: Any) -> str:
    """The first prompt of an episode whose agent runs one command."""
    seen: list[str] = []

    def first(request: Request) -> str:
        seen.append(request.messages[0].content)
        return f'```json\n{{"tool": "run", "args": {{"command": "{command}"}}}}\n```'

    done = '```json\n{"tool": "declare_complete", "args": {"summary": "done"}}\n```'
    identity = ModelIdentity(spec="scripted:test", provider="scripted", name="test", dialect="json")
    task = Task("reach", Repository(files={"a.txt": "a\n"}), "Look around.", permissions=permissions)
    asyncio.run(run_episode(task, model=ScriptedModel([first, done], identity), folder=folder, key=KEY, **options))
    return seen[0]


@pytest.mark.sandbox
def test_without_a_way_out_there_is_no_network(tmp_path: Path) -> None:
    # A task that opens the network opens it to the agent's tools; its commands have none all the same.
    with socket.create_server(("127.0.0.1", 0)) as server:
        probe = f"exec 3<>/dev/tcp/127.0.0.1/{server.getsockname()[1]}"
        text = told(tmp_path / "e", Permissions(network=True), probe)
    assert "there is no network and no input" in text
    events = [event.data for event in check_package(tmp_path / "e").events]
    effect = next(data.effect for data in events if isinstance(data, Intent) and data.primitive == "shell.run")
    assert [data.status for data in events if isinstance(data, Outcome) and data.effect == effect] == ["error"]


@pytest.mark.sandbox
def test_with_a_way_out_the_hosts_and_placeholders_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "t0k3n-of-the-test")
    rules = (EgressRule("api.example.org", ("GET", "POST"), (443,)), EgressRule("*.example.net"))
    text = told(tmp_path / "e", Permissions(egress=rules, secrets=(SecretRule("API_TOKEN", "api.example.org"),)))
    assert "there is no network" not in text
    assert "api.example.org (GET, POST; port 443); *.example.net (GET, HEAD; port 80, 443)" in text
    assert "API_TOKEN for api.example.org" in text
    assert "t0k3n" not in text
    assert replay_package(tmp_path / "e").divergence is None


def test_without_a_sandbox_nothing_is_promised(tmp_path: Path) -> None:
    text = told(tmp_path / "e", Permissions(), tier="none", allow_none=True)
    assert "there is no network" not in text
    assert "it reaches whatever this machine does" in text
