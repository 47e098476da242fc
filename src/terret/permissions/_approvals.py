"""What people have approved, so that they are not asked the same thing again.

An approval of a plain command covers the same commands in the same order: the same programs with the same words, where
options that a policy marks harmless may come and go. An approval of any other command text covers that text, one of a
file primitive its path, and one of another primitive its exact arguments. Nothing approved beats a denial.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import msgspec

from terret.errors import ConfigError
from terret.permissions._constraints import arguments_hash
from terret.permissions._flat import flat
from terret.permissions._policy_spec import HarmlessSpec

Reach = Literal["once", "episode", "project", "user"]
"""How far an approval reaches."""

REACHES: tuple[Reach, ...] = ("once", "episode", "project", "user")


class Approved(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One approval: ``subject`` is a command text, a path, or the hash of arguments; ``project`` a folder."""

    scope: Reach
    primitive: str
    subject: str
    project: str = ""
    by: str = ""


class _Saved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of lasting approvals."""

    version: Literal[1]
    approved: list[Approved]


class Approvals:
    """The approvals in force.

    Args:
        file: Keeps those for a project or user; nothing keeps them in memory only. Not to lie where an agent writes.
        project: The folder that ``project`` approvals are for.

    Raises:
        ConfigError: The file is not what was written.
    """

    def __init__(self, file: Path | None = None, project: Path | None = None) -> None:
        self._file = file
        self._project = str(project.resolve()) if project is not None else ""
        self.approved: list[Approved] = _read(file) if file is not None else []
        self._keys: dict[tuple[HarmlessSpec, ...], dict[object, Approved]] = {}

    @classmethod
    def of(cls, approved: Sequence[Approved]) -> Approvals:
        """Approvals that were recorded, all in force, kept in memory only."""
        made = cls()
        made.approved = [msgspec.structs.replace(one, project="") for one in approved]
        return made

    @property
    def in_force(self) -> list[Approved]:
        """Those that are for this project, or for every one."""
        return [one for one in self.approved if one.project in ("", self._project)]

    def remember(self, primitive: str, args: Mapping[str, Any], scope: Reach, by: str = "") -> None:
        """Keep an approval; one for ``once`` is over when it is given, so there is nothing to keep.

        Raises:
            ConfigError: The file of lasting approvals cannot be written, or there is no project.
            InputError: The arguments are not plain JSON.
        """
        if scope == "once":
            return
        if scope == "project" and not self._project:
            raise ConfigError("there is no project to approve it for", value=primitive, hint="approve for the episode")
        project = self._project if scope == "project" else ""
        self.approved.append(Approved(scope, primitive, subject_of(primitive, args), project, by))
        self._keys.clear()
        if scope != "episode" and self._file is not None:
            _write(self._file, [*_read(self._file), self.approved[-1]])

    def covering(
        self, primitive: str, args: Mapping[str, Any], harmless: tuple[HarmlessSpec, ...] = ()
    ) -> Approved | None:
        """The approval that an effect falls under, if any."""
        if not self.approved:
            return None
        keys = self._keys.get(harmless)
        if keys is None:
            keys = self._keys[harmless] = {}
            for one in self.in_force:
                keys.setdefault(_key(one.primitive, one.subject, harmless), one)
        subject = subject_of(primitive, args)
        found = keys.get(_key(primitive, subject, harmless))
        if found is None and primitive == "shell.check":
            # A check runs the same command with its writes thrown away.
            found = keys.get(_key("shell.run", subject, harmless))
        return found


def subject_of(primitive: str, args: Mapping[str, Any]) -> str:
    """What an approval of an effect is about.

    Raises:
        InputError: The arguments are not plain JSON.
    """
    name = {"shell.run": "command", "shell.check": "command", "fs.write": "path", "fs.delete": "path"}.get(primitive)
    subject = args.get(name) if name is not None else None
    return subject if isinstance(subject, str) else arguments_hash(args)


def approvals_file() -> Path:
    """``$XDG_CONFIG_HOME/terret/approved.json``, or below ``~/.config``."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "terret" / "approved.json"


def _key(primitive: str, subject: str, harmless: tuple[HarmlessSpec, ...]) -> object:
    parts = flat(subject) if primitive.startswith("shell.") else None
    if parts is None:
        return primitive, subject
    return primitive, tuple((part.operator, _plain(part.words, harmless)) for part in parts)


def _plain(words: tuple[str, ...], harmless: tuple[HarmlessSpec, ...]) -> tuple[str, ...]:
    """The words without harmless options; after ``--`` nothing is an option."""
    for spec in harmless:
        begin = tuple(spec.command.split())
        if words[: len(begin)] != begin:
            continue
        end = words.index("--") if "--" in words else len(words)
        kept = [word for word in words[len(begin) : end] if not any(fnmatchcase(word, one) for one in spec.options)]
        words = (*begin, *kept, *words[end:])
    return words


def _read(file: Path) -> list[Approved]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Saved).approved
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"the approvals cannot be read: {error.strerror}", where=str(file)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the approvals are damaged: {error}", where=str(file), hint="remove the file") from None


def _write(file: Path, approved: list[Approved]) -> None:
    saved = msgspec.to_builtins(_Saved(1, list(dict.fromkeys(approved))))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=file.parent, prefix=".approved-")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(saved, stream, indent=1)
            stream.write("\n")
        Path(partial).replace(file)
    except OSError as error:
        raise ConfigError(f"the approvals cannot be written: {error.strerror}", where=str(file)) from None
