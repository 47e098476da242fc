"""Charters: which norms and risks are about which calls, as a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from terret.errors import ConfigError
from terret.globs import Glob, PathRefused, normalise
from terret.norms._judge import MODIFY, REJECT
from terret.norms._norm import Level, Modality, Norm, Operator

Importance = Literal["low", "medium", "high"]

IMPORTANCE: dict[Importance, int] = {"low": 1, "medium": 2, "high": 3}

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which calls something is about.

    Args:
        name: Says what it is, in records.
        primitives: Patterns, one of which the primitive matches.
        args: A pattern for each named argument, all of which match. ``path`` is matched as a path, or as something
            below it; anything else as a text with ``*``, ``?`` and ``[...]``. An argument that is missing, not text, or
            not a path inside counts as a match: what cannot be told is held against the call.
    """

    name: Name
    primitives: tuple[str, ...] = ("*",)
    args: dict[str, str] = {}


class Clause(About, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A system norm, and the calls that would go against it."""

    level: Level
    operator: Operator
    modality: Modality = "possible"
    catastrophic: bool = False

    @property
    def norm(self) -> Norm:
        """The norm itself."""
        return Norm(self.level, self.operator, self.modality)


class Risk(About, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A feature of risk: its share of the score when a call has it."""

    importance: Importance
    magnitude: Annotated[int, msgspec.Meta(ge=1, le=3)] = 3


class Charter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything a norm policy knows.

    ``purpose`` is the user's norm: what the calls of a task are for. A risk score of at least ``modify`` constrains, of
    at least ``reject`` prohibits.
    """

    purpose: Norm = Norm("user_autonomy", "ought")
    norms: tuple[Clause, ...] = ()
    risks: tuple[Risk, ...] = ()
    modify: Share = MODIFY
    reject: Share = REJECT


def load_charter(path: Path) -> Charter:
    """Read a charter's YAML; raises what :func:`parse_charter` raises."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the charter cannot be read: {error}", where=str(path)) from None
    return parse_charter(text, str(path))


def parse_charter(text: str, where: str | None = None) -> Charter:
    """The charter of a YAML text.

    Raises:
        ConfigError: It is no YAML, has an unknown or wrong field, two things of one name, or ``modify > reject``.
    """
    import yaml

    try:
        charter = msgspec.convert(yaml.safe_load(text) or {}, Charter)
    except yaml.YAMLError as error:
        raise ConfigError("the charter is not YAML", where=where, hint=str(error)) from None
    except (msgspec.ValidationError, RecursionError) as error:
        raise ConfigError(f"the charter has a bad field: {error}", where=where) from None
    names = [one.name for one in (*charter.norms, *charter.risks)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError("two things in the charter have one name", value=twice, where=where)
    if charter.modify > charter.reject:
        raise ConfigError("modify is above reject", value=charter.modify, where=where, hint="lower modify")
    return charter


def matcher(about: About) -> Callable[[str, Mapping[str, Any]], bool]:
    """A function that tells whether a call is meant."""
    tests = [
        (name, _path_test(pattern) if name == "path" else _text_test(pattern)) for name, pattern in about.args.items()
    ]

    def matches(primitive: str, args: Mapping[str, Any]) -> bool:
        if not any(fnmatchcase(primitive, pattern) for pattern in about.primitives):
            return False
        for name, test in tests:
            value = args.get(name)
            if isinstance(value, str) and not test(value):
                return False
        return True

    return matches


def _text_test(pattern: str) -> Callable[[str], bool]:
    return lambda value: fnmatchcase(value, pattern)


def _path_test(pattern: str) -> Callable[[str], bool]:
    glob = Glob(pattern)

    def test(value: str) -> bool:
        try:
            return glob.covers(normalise(value))
        except PathRefused:
            return True

    return test
