"""Packages from elsewhere: each is proved before it is taken in, and refused with the exact reason."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from terret.errors import ConfigError, InfrastructureError, PackageError, TerretError
from terret.journal import Head
from terret.operate._bundle import unpacked
from terret.operate._places import HEAD

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")

Prove = Callable[[Path], object]
"""Proves a package, or raises."""


class Intake(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one package: ``present`` is one that was here already, byte for byte."""

    episode: str
    outcome: Literal["taken", "present", "refused"]
    place: str = ""
    error: dict[str, object] | None = None
    exit_code: int = 0


def take_in(source: Path, out: Path, prove: Prove, *, episode: str | None = None) -> list[Intake]:
    """Take in every package of a folder, tar file, zip file or archive that proves sound; the source stays as it is.

    A package becomes ``out/ID``, whole or not at all. ``prove`` is called with a copy in a place of its own.

    Raises:
        EpisodeNotFound: There is no package in the source.
        PackageError: The source itself cannot be opened.
        InfrastructureError: ``out`` cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=out) as scratch:
            return [_take(folder, out, prove) for folder in unpacked(source, Path(scratch), episode=episode)]
    except OSError as error:
        raise InfrastructureError(
            f"the packages cannot be written: {error.strerror}",
            where=str(error.filename or out),
            hint="free disk space",
        ) from None


def _take(folder: Path, out: Path, prove: Prove) -> Intake:
    name = folder.name
    try:
        head = (folder / HEAD).read_bytes() if (folder / HEAD).is_file() else b""
        if not head:
            raise PackageError("a part of the package cannot be read: it is missing", where=f"{name}/{HEAD}")
        name = Head.from_json(head).episode
        if not _SAFE.fullmatch(name):
            raise PackageError("the episode's id cannot name a folder", value=name)
        prove(folder)
        target = out / name
        if target.exists():
            here = target / HEAD
            if here.is_file() and here.read_bytes() == head:
                return Intake(episode=name, outcome="present", place=str(target))
            raise ConfigError("another episode of that id is here", where=str(target), hint="name another --out")
        shutil.move(folder, target)
        return Intake(episode=name, outcome="taken", place=str(target))
    except TerretError as error:
        return Intake(episode=name, outcome="refused", error=error.to_dict(), exit_code=error.exit_code)
