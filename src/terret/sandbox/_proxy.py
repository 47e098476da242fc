"""The way out of a sandbox: an HTTP proxy on a Unix socket that asks the task's rules and puts secrets in.

Names are resolved here, never inside, and the connection goes to an address that was judged. A secret replaces its
placeholder in one header for one host, over TLS only (or where a rule opens private addresses); what comes back is
searched for it.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from terret.errors import ConfigError
from terret.sandbox._relay import ENVIRONMENT, SOCKET, through_relay
from terret.task import EgressRule, SecretRule

MOST_RECORDED = 500
"""Requests of one command that are recorded singly; further ones are refused."""


class Egress:
    """What commands of a sandbox may reach, and the secrets they may use without seeing them.

    Args:
        rules: Hosts, ports and methods.
        secrets: Which header of which host holds which secret.
        values: The secrets by name; kept in memory only.

    Raises:
        ConfigError: A secret has no value.
    """

    def __init__(
        self,
        rules: Sequence[EgressRule],
        secrets: Sequence[SecretRule] = (),
        values: Mapping[str, str] | None = None,
    ) -> None:
        self.rules = tuple(rules)
        self.secrets = tuple(secrets)
        self._values = {secret.name: (values or {}).get(secret.name, "") for secret in secrets}
        for name, value in self._values.items():
            if not value:
                raise ConfigError("a secret of the task has no value", value=name, hint=f"set the variable {name}")

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a command: where the proxy is, and a placeholder for each secret."""
        return ENVIRONMENT | {secret.name: placeholder(secret.name) for secret in self.secrets}

    def inject(self, host: str, header: str, value: str) -> tuple[str, list[str]]:
        """A header's value with the placeholders of secrets that belong there replaced, and their names."""
        used: list[str] = []
        for secret in self.secrets:
            mark = placeholder(secret.name)
            if mark in value and secret.host.lower() == host and secret.header.lower() == header.lower():
                value = value.replace(mark, self._values[secret.name])
                used.append(secret.name)
        return value, used

    def value(self, name: str) -> bytes:
        """A secret as it is sent."""
        return self._values[name].encode("latin-1", "replace")

    def open(self) -> Channel:
        """A way out for one command."""
        return Channel(self)


def placeholder(name: str) -> str:
    """What a command sees in place of a secret."""
    return f"terret-secret-{name}"


class Channel:
    """The proxy of one command: a socket in a private folder, and what was asked of it.

    Use as a context manager; ``decisions`` is complete afterwards.
    """

    def __init__(self, egress: Egress) -> None:
        from terret.sandbox._proxy_server import ProxyServer

        self._folder = tempfile.mkdtemp(prefix="terret-egress-")
        self.path = str(Path(self._folder, "socket"))
        self.decisions: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._server = ProxyServer(self.path, egress, self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="terret-egress", daemon=True
        )

    def admit(self, decision: dict[str, Any]) -> bool:
        """Record a request; False when there were too many."""
        with self._lock:
            if len(self.decisions) >= MOST_RECORDED:
                return False
            self.decisions.append(decision)
            return True

    def __enter__(self) -> Channel:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.end()
        self._thread.join()
        shutil.rmtree(self._folder, ignore_errors=True)


class Way(NamedTuple):
    """A command and its way out; ``decisions`` is complete when the context has ended."""

    words: list[str]
    shown: dict[str, str]
    env: dict[str, str]
    decisions: list[dict[str, Any]]


@contextmanager
def reaching(egress: Egress | None, words: list[str], shown: dict[str, str], env: dict[str, str]) -> Generator[Way]:
    """Give a command its way out, if there is any."""
    if egress is None:
        yield Way(words, shown, env, [])
        return
    with egress.open() as channel:
        yield Way(through_relay(words), shown | {SOCKET: channel.path}, egress.environment | env, channel.decisions)


def resolve(host: str, port: int) -> list[str]:
    """The addresses a name stands for.

    Raises:
        OSError: It stands for none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))
