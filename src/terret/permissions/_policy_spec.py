"""What a policy file may say."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

import msgspec

from terret.permissions._capability import Effect

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""What an id looks like."""

PRIMITIVE: Final = re.compile(r"\*|[a-z_]+\.(?:\*|[a-z_]+)")
_CLOSED: Final = {
    "fs": ("fs.read", "fs.list", "fs.search", "fs.write", "fs.delete"),
    "shell": ("shell.run", "shell.check"),
}
RESERVED: Final = frozenset({"default", "opaque", "unparsable", "approved"})
"""Ids of the rules that every layer has."""


class RuleSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One rule: what it is about (``commands``, ``paths`` or only ``primitives``), its effect, and why.

    ``unless`` are patterns of the same sort that are left out. ``match`` and ``not_match`` are examples, checked when
    the file is read: command texts, paths or primitive names.
    """

    id: str
    effect: Effect
    reason: str
    primitives: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    match: tuple[str, ...] = ()
    not_match: tuple[str, ...] = ()


class HarmlessSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Options that do not change what an approval of ``command`` is about; ``*`` works inside an option."""

    command: str
    options: tuple[str, ...]


class PolicySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A policy file. ``defaults`` maps primitives (``shell.run``, ``net.*``) to what holds where no rule does."""

    version: Literal[1]
    rules: tuple[RuleSpec, ...] = ()
    defaults: dict[str, Effect] = {}
    harmless: tuple[HarmlessSpec, ...] = ()


def policy_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a policy file; ``docs/policy.schema.json`` is this, indented."""
    schema = msgspec.json.schema(PolicySpec)
    for part in schema["$defs"].values():
        part["description"] = " ".join(part["description"].split())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "terret policy", **schema}


def primitive_problem(pattern: str) -> str | None:
    """What is wrong with a pattern for primitives, if anything."""
    if not PRIMITIVE.fullmatch(pattern):
        return "this names no primitive"
    closed = _CLOSED.get(pattern.partition(".")[0])
    if closed is not None and not any(fnmatchcase(name, pattern) for name in closed):
        return "this matches no primitive"
    return None


def primitive_hint() -> str:
    """Primitives to choose from."""
    return "such as " + ", ".join(name for names in _CLOSED.values() for name in names) + " or net.*"
