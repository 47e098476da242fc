"""Who may be reached from inside a sandbox: pure decisions on host, port and method, and on the addresses of a name."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

from terret.task import EgressRule


class Ruling(NamedTuple):
    """``rule`` names what decided, ``reason`` says it in words; ``by`` is the rule of the task that allowed it."""

    allowed: bool
    rule: str
    reason: str
    by: EgressRule | None = None


def plain_host(host: str) -> str:
    """The host as rules spell it: lower case, without brackets and a final dot; international names in ASCII.

    Raises:
        ValueError: It is no host name.
    """
    text = host.strip("[]").rstrip(".").lower()
    if not text.isascii():
        text = text.encode("idna").decode()
    if not text or any(char in text for char in " /\\@?#%\t\r\n\0"):
        raise ValueError(host)
    return text


def judge(rules: Sequence[EgressRule], method: str, host: str, port: int) -> Ruling:
    """Whether a request may go out; the first rule that allows it does, and nothing else."""
    near = ""
    for rule in rules:
        if not _matches(rule.host, host):
            continue
        if port not in rule.ports:
            near = f"port:{port}"
        elif method not in rule.methods:
            near = f"method:{method}"
        else:
            return Ruling(True, f"egress:{rule.host}", f"the task lets commands {method} {rule.host}", rule)
    if near:
        return Ruling(False, near, f"the task opens {host}, but not for {method} on port {port}")
    return Ruling(False, "egress:none", f"no rule of permissions.egress opens {host}")


def judge_addresses(rule: EgressRule, host: str, addresses: Sequence[str]) -> Ruling:
    """Whether what a name stands for may be reached: no address of this machine or its network, unless rules say so."""
    if rule.private or rule.host == host == _literal(host):
        return Ruling(True, f"egress:{rule.host}", "the task names this address or opens private ones", rule)
    for address in addresses:
        if not ipaddress.ip_address(address.partition("%")[0]).is_global:
            return Ruling(False, "address:private", f"{host} stands for {address}, which is not on the internet")
    return Ruling(True, f"egress:{rule.host}", "every address is on the internet", rule)


def _matches(pattern: str, host: str) -> bool:
    pattern = pattern.lower().rstrip(".")
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and _literal(host) is None
    return host == pattern


def _literal(host: str) -> str | None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    return host
