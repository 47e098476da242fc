"""Grants: capabilities as people write them, in a file, on a command line or in Python."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from terret.errors import ConfigError, InputError
from terret.permissions._capability import RIGHTS, Capability, Effect
from terret.permissions._document import read_document
from terret.permissions._table import CapabilityTable

KINDS: Final = ("fs", "shell", "net", "model", "human", "workspace", "memory", "secret", "tool", "clock", "checkpoint")
"""Kinds of the resources that primitives act on."""

OWN: Final = ("model", "human", "workspace")
"""Kinds an agent cannot do without: open to it unless a grant of the kind says how far."""

HOLDER: Final = "agent"

_FILES: Final = "filesystem:workspace"
"""The long way to write ``fs``."""

_TEXT: Final = re.compile(r"(?P<resource>[^=;]+)(?:=(?P<rights>[^=;]*))?(?P<limits>(?:;[^;]*)*)")
_HINT: Final = "write RESOURCE=RIGHT,RIGHT such as 'filesystem:workspace:src/*=read,write;uses=1;ttl=600'"


class GrantSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One capability that is to be given.

    ``rights`` may be left out of a denial: all of them. ``ttl_s`` counts from the giving, ``expires_at`` is in Unix
    seconds. The other fields are those of :class:`Capability`.
    """

    resource: str
    rights: tuple[str, ...] = ()
    effect: Effect = "allow"
    uses: int | None = None
    ttl_s: float | None = None
    expires_at: float | None = None
    constraints: dict[str, Any] = {}
    arguments: str | None = None
    reason: str = ""

    @property
    def pattern(self) -> str:
        """The resource as tables know it: ``fs:PATH`` for ``filesystem:workspace:PATH``."""
        return f"fs{self.resource.removeprefix(_FILES)}" if self.resource.startswith(f"{_FILES}:") else self.resource

    def give(self, table: CapabilityTable, now: float) -> Capability:
        """Grant it.

        Raises:
            InputError: It means nothing.
        """
        if not self.rights and self.effect != "deny":
            raise InputError("a grant names its rights", value=self.resource, hint=_HINT)
        if self.ttl_s is not None and not self.ttl_s > 0:
            raise InputError("a time to live is a number of seconds above zero", value=self.ttl_s)
        ends = [end for end in (self.expires_at, None if self.ttl_s is None else now + self.ttl_s) if end is not None]
        return table.grant(
            self.pattern,
            self.rights or RIGHTS,
            self.effect,
            expires_at=min(ends, default=None),
            uses=self.uses,
            constraints=self.constraints,
            arguments=self.arguments,
            reason=self.reason,
        )


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    grants: list[Any] = []


def parse_grant(text: str, effect: Effect = "allow") -> GrantSpec:
    """A grant of its text, ``RESOURCE=RIGHT,RIGHT;uses=N;ttl=SECONDS``.

    Raises:
        ConfigError: It is not one.
    """
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise ConfigError("this is no grant", value=text, hint=_HINT)
    limits: dict[str, float] = {}
    for part in found["limits"].split(";")[1:]:
        name, _, value = part.partition("=")
        try:
            limits[name] = int(value) if name == "uses" else float(value)
        except ValueError:
            limits[""] = 0
    if set(limits) - {"uses", "ttl"}:
        raise ConfigError("a grant's limits are uses=N and ttl=SECONDS", value=text, hint=_HINT)
    rights = tuple(part for part in (found["rights"] or "").split(",") if part)
    uses = limits.get("uses")
    spec = GrantSpec(found["resource"], rights, effect, None if uses is None else int(uses), limits.get("ttl"))
    return _sound(spec, text, None)


def load_grants(file: Path) -> list[GrantSpec]:
    """The grants of a file (YAML or JSON): ``version: 1`` and a list ``grants``.

    Raises:
        ConfigError: It cannot be read or something is wrong in it, with file and line.
    """
    document = read_document(file, "file of grants")
    try:
        read = msgspec.convert(document.value, _File)
    except msgspec.ValidationError as error:
        raise ConfigError(f"a file of grants has version and grants: {error}", where=str(file)) from None
    if read.version != 1:
        raise ConfigError("this version of a file of grants is unknown", value=read.version, where=str(file))
    found: list[GrantSpec] = []
    for index, value in enumerate(read.grants):
        where = f"{file}:{document.line(('grants', index))}"
        try:
            spec = msgspec.convert(value, GrantSpec)
        except msgspec.ValidationError as error:
            raise ConfigError(f"this is no grant: {error}", value=value, where=where) from None
        found.append(_sound(spec, spec.resource, where))
    return found


def capabilities_of(given: CapabilityTable | Sequence[GrantSpec], now: float) -> list[Capability]:
    """What an agent has at the beginning: everything given, and what it cannot do without.

    Counted uses leave a table they are taken from. Where grants are denials only, all else is open to the agent, and
    up to its policy; without any grant nothing is.

    Raises:
        InputError: A grant means nothing.
    """
    table = CapabilityTable(HOLDER, clock=lambda: now)
    if isinstance(given, CapabilityTable):
        table.take_up(given.hand_over())
        kinds = OWN
    else:
        for spec in given:
            spec.give(table, now)
        kinds = KINDS if given and all(spec.effect == "deny" for spec in given) else OWN
    granted = {one.resource.partition(":")[0] for one in table.capabilities() if one.effect != "deny"}
    for kind in kinds:
        if kind not in granted:
            table.grant(
                f"{kind}:**", RIGHTS, issuer="runtime", reason=f"nothing that was given says how far {kind} goes"
            )
    return table.capabilities()


def _sound(spec: GrantSpec, value: object, where: str | None) -> GrantSpec:
    """The grant itself, once it has been given for a try."""
    try:
        spec.give(CapabilityTable(HOLDER, clock=lambda: 0.0), 0.0)
    except InputError as error:
        raise ConfigError(error.message, value=error.value or value, where=where, hint=error.hint) from None
    return spec
