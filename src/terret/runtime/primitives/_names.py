"""Where names lead: memory to a namespace, placeholders to secrets of the right host."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from terret.runtime._net import HttpProvider, HttpReply, HttpRequest, NotSent
from terret.runtime.primitives._providers import Providers, Secret
from terret.runtime.process import AgentProcess
from terret.tools import ToolFailure

OWN: Final = "own"
SHARED: Final = "shared"

_OTHER = re.compile(r"p[1-9][0-9]*")
_PLACEHOLDER = re.compile(r"\{\{secret:([A-Za-z0-9_.-]{1,64})\}\}")


class Namespaces:
    """``own/NAME`` belongs to the process that says it, ``shared/NAME`` to all, ``pN/NAME`` to process N."""

    def resolve(self, process: AgentProcess, name: str) -> tuple[str, str]:
        """The namespace and the name in it.

        Raises:
            ToolFailure: The name has another form.
        """
        space, _, rest = name.partition("/")
        if not rest or not (space in (OWN, SHARED) or _OTHER.fullmatch(space)):
            raise ToolFailure("bad_arguments", "a name is own/NAME, shared/NAME or pN/NAME")
        return (f"p{process.pid}" if space == OWN else space), rest

    def sending(self, providers: Providers, named: Sequence[str]) -> HttpProvider:
        """How a request goes out; placeholders are filled in on its way, after everything was recorded."""
        secrets = {name: providers.secrets.get(name) for name in named}
        return _Filled(providers.http, secrets) if secrets else providers.http


def secrets_in(*texts: str) -> list[str]:
    """The names of the secrets whose placeholders stand in texts, each once, in order."""
    return list(dict.fromkeys(found[1] for text in texts for found in _PLACEHOLDER.finditer(text)))


def _for(hosts: Sequence[str], url: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        usual = {"http": 80, "https": 443}.get(parts.scheme)
        port = parts.port or usual
    except ValueError:
        return False
    for host in hosts:
        name, colon, number = host.partition(":")
        if parts.hostname == name and (str(port) == number if colon else port == usual):
            return True
    return False


class _Filled:
    """Sends requests with the values of secrets in place of their names; a reply that repeats one is cut clean."""

    def __init__(self, provider: HttpProvider, secrets: Mapping[str, Secret | None]) -> None:
        self._provider = provider
        self._secrets = secrets

    async def __call__(self, request: HttpRequest) -> HttpReply:
        """The reply; raises what the provider raises, and NotSent for a secret that is unknown or not for this host."""
        values: dict[str, str] = {}
        for name, secret in self._secrets.items():
            if secret is None or not _for(secret.hosts, request.url):
                raise NotSent(f"the secret {name} " + ("is unknown" if secret is None else "is not for this host"))
            values[name] = secret.value

        def filled(text: str) -> str:
            return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)

        def hidden(text: str) -> str:
            for name, value in values.items():
                text = text.replace(value, f"{{{{secret:{name}}}}}")
            return text

        headers = {name: filled(value) for name, value in request.headers.items()}
        if any("\n" in value or "\r" in value for value in headers.values()):
            raise NotSent("a header would hold a line break")
        body = filled(request.body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        reply = await self._provider(msgspec.structs.replace(request, headers=headers, body=body))
        clean = hidden(reply.body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        kept = {key: hidden(value) for key, value in reply.headers.items()}
        return msgspec.structs.replace(reply, body=clean, headers=kept)
