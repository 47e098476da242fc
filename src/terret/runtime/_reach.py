"""What a task lets its commands reach, the secrets they use there, and what the agent is told of it."""

from __future__ import annotations

import os

import msgspec

from terret.sandbox import Egress
from terret.task import EgressRule, Task
from terret.tools import Tool, registry

NOTHING = "there is no network and no input"
"""What the tool ``run`` says by itself."""


def egress_of(task: Task) -> Egress | None:
    """The way out of the task's sandbox; secrets are this process's variables of the same names.

    Raises:
        ConfigError: A secret has no value.
    """
    permissions = task.permissions
    return Egress(permissions.egress, permissions.secrets, os.environ) if permissions.egress else None


def tools_of(task: Task, tier: str) -> dict[str, Tool]:
    """The built-in tools; ``run`` says what commands of this task reach in a sandbox of that tier."""
    table = registry()
    said = _reach(task, tier)
    spec = table["run"].spec
    assert NOTHING in spec.description
    told = msgspec.structs.replace(spec, description=spec.description.replace(NOTHING, said))
    return {**table, "run": msgspec.structs.replace(table["run"], spec=told)}


def _reach(task: Task, tier: str) -> str:
    if tier == "none":
        return "nothing confines it: it reaches whatever this machine does, and has no input"
    if not task.permissions.egress:
        return NOTHING
    hosts = "; ".join(map(_rule, task.permissions.egress))
    said = f"it has no input and reaches nothing but these hosts, through the proxy in HTTP_PROXY: {hosts}"
    names = ", ".join(f"{secret.name} for {secret.host}" for secret in task.permissions.secrets)
    return f"{said}. Placeholders that become secrets on their way: {names}" if names else said


def _rule(rule: EgressRule) -> str:
    ports = ", ".join(map(str, rule.ports))
    return f"{rule.host} ({', '.join(rule.methods)}; port {ports}{'; over TLS from http://' if rule.tls else ''})"
