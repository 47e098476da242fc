"""The hosts that a task lets its agent send HTTP requests to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from terret.permissions._decision import Decision

_PORTS = {"http": 80, "https": 443}


class HostRules:
    """Decides on ``net.request`` by the host of its ``url``.

    Args:
        patterns: ``api.example.org``, ``*.example.org`` (below it, not itself), ``localhost:8080``; without a port the
            default one of http or https is meant.
    """

    __slots__ = ("_patterns",)

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = tuple(pattern.lower() for pattern in patterns)

    def decide(self, args: Mapping[str, Any]) -> Decision | None:
        """What the rules say; ``None`` when there are none."""
        if not self._patterns:
            return None
        url = args.get("url")
        if not isinstance(url, str):
            return Decision("deny", "args:url", "the address is missing or not text")
        host, port, usual = place(url)
        if not host:
            return Decision("deny", "args:url", "the address is not one of http or https with a plain host")
        for pattern in self._patterns:
            name, _, wanted = pattern.partition(":")
            fits = host.endswith(name[1:]) if name.startswith("*.") else host == name
            if fits and (port == wanted if wanted else usual):
                return Decision("allow", f"hosts:{pattern}", "the task names this host")
        return Decision("deny", "hosts:unnamed", f"the task does not name the host {host}:{port}")


def place(url: str) -> tuple[str, str, bool]:
    """Host, port, and whether that is the usual one; an empty host where the address is not plain."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", "", False
    plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url and "@" not in parts.netloc
    if parts.scheme not in _PORTS or not parts.hostname or not plain:
        return "", "", False
    usual = _PORTS[parts.scheme]
    return parts.hostname, str(port or usual), port in (None, usual)
