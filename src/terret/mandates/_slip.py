"""Slips: a mandate in a file, with the call it was signed for spelled out so that a person can read and check it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from terret.errors import ConfigError, InputError
from terret.mandates._context import ANYWHERE, Context
from terret.mandates._mandate import Issuer, Mandate


class Slip(msgspec.Struct, frozen=True, tag_field="kind", tag="mandate.slip/1", forbid_unknown_fields=True):
    """A mandate, and what for: the name and digest of the task, the process (any, or one episode's), the call.

    Only the mandate is signed; :meth:`check` says whether it is for what the slip says.
    """

    mandate: Mandate
    task_name: str
    task: str
    primitive: str
    args: dict[str, Any]
    process: str = ANYWHERE
    note: str = ""

    @property
    def context(self) -> Context:
        """The context of the call that is spelled out; raises InputError when its arguments are not plain JSON."""
        return Context.of_call(self.task, self.process, self.primitive, self.args)

    def check(self) -> str:
        """Why the mandate is not for the call that is spelled out; empty when it is."""
        try:
            same = self.context.binding == self.mandate.binding
        except InputError as error:
            return error.message
        return "" if same else "the mandate was signed for another call than the slip says"


def write_slip(
    issuer: Issuer,
    folder: Path,
    *,
    task_name: str,
    task: str,
    primitive: str,
    args: Mapping[str, Any],
    process: str = ANYWHERE,
    lifetime_s: float = 3600.0,
    note: str = "",
    file: Path | None = None,
) -> tuple[Path, Slip]:
    """Sign a mandate for one call and keep it in ``file``, by default under its id in ``folder``.

    Raises:
        InputError: The arguments are not plain JSON, or the lifetime is not positive.
        ConfigError: The file is there already, or cannot be written.
    """
    mandate = issuer.issue(Context.of_call(task, process, primitive, args), lifetime_s)
    slip = Slip(mandate, task_name, task, primitive, dict(args), process, note)
    place = file or folder / f"{mandate.id}.json"
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(slip, order="sorted"), indent=2) + b"\n")
    except FileExistsError:
        raise ConfigError("the file is there already", where=str(place), hint="name a new one") from None
    except OSError as error:
        raise ConfigError(f"the mandate cannot be written: {error.strerror}", where=str(place)) from None
    return place, slip


def read_slip(file: Path) -> Slip:
    """The slip in a file.

    Raises:
        ConfigError: It cannot be read or is none.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=Slip)
    except OSError as error:
        raise ConfigError(
            f"the mandate cannot be read: {error.strerror}", where=str(file), hint="terret mandate list shows yours"
        ) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(
            f"the file holds no mandate: {error}", where=str(file), hint="make one with terret mandate new"
        ) from None


def mandates_folder() -> Path:
    """``$XDG_STATE_HOME/terret/mandates``, or below ``~/.local/state``: your mandates and their registry."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "terret" / "mandates"


def registry_file() -> Path:
    """Where the user's spent mandates are kept."""
    return mandates_folder() / "spent.db"
