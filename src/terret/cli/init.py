"""``terret init``."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS
from terret.cli._words import plural
from terret.errors import ConfigError

if TYPE_CHECKING:
    from terret.context import Planned, Repo

_SKIPPED = frozenset({".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox"})
_WORDS = {"new": "written", "changed": "updated", "same": "unchanged", "edited": "left alone, you edited it"}


@click.command("init", short_help=COMMANDS["init"])
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--check", is_flag=True, help="Write nothing; exit 1 and say what is stale and why.")
@output_options
def command(out: Output, folder: Path, check: bool) -> int:
    """Write guides for agents about the repository in FOLDER into its .terret/, for review and commit.

    Agent guide, architecture, testing guide, test commands, checks, known failures and permissions. A file that
    you edited is never overwritten; delete it to have it made anew.
    """
    from terret.context import plan, stale

    root = folder.resolve()
    if not root.is_dir():
        raise ConfigError("not a folder", value=str(folder), hint="name the root of a repository")
    repo = read_folder(root)
    if check:
        found = stale(repo)
        out.document({"folder": str(root), "stale": found})
        for item in found:
            out.line(f"{item.path}: {item.why}")
        out.line(f"{plural(len(found), 'stale file')}; run: terret init {folder}" if found else "up to date")
        return 1 if found else 0
    planned = plan(repo, name=root.name)
    for item in planned:
        _write(root, item)
    out.document({"folder": str(root), "files": {item.path: item.action for item in planned}})
    for item in planned:
        out.line(f"{item.path}: {_WORDS[item.action]}")
    out.line("review and commit .terret/; later: terret init --check")
    return 0


def read_folder(root: Path) -> Repo:
    """A folder as a repository: what git tracks or would track, else every file outside the usual caches.

    Links are not followed.
    """
    from terret.context import Repo

    def read(path: str) -> bytes | None:
        place = root / path
        if path.startswith("/") or ".." in path.split("/") or place.resolve() != place or not place.is_file():
            return None
        try:
            return place.read_bytes()
        except OSError:
            return None

    return Repo(tuple(sorted(_tracked(root) or _walked(root))), read)


def _tracked(root: Path) -> set[str]:
    """The files git knows or would take; empty where there is no git."""
    listing = ["git", "-C", str(root), "-c", "core.fsmonitor=false", "ls-files", "-z", "-c", "-o", "--exclude-standard"]
    try:
        done = subprocess.run(listing, capture_output=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return set()
    names = done.stdout.decode("utf-8", "surrogateescape").split("\0") if done.returncode == 0 else []
    return {name for name in names if name and (root / name).is_file() and not (root / name).is_symlink()}


def _walked(root: Path) -> set[str]:
    found: set[str] = set()
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        places = (Path(folder) / name for name in names)
        found |= {place.relative_to(root).as_posix() for place in places if place.is_file() and not place.is_symlink()}
    return found


def _write(root: Path, item: Planned) -> None:
    if item.action not in ("new", "changed"):
        return
    place = root / item.path
    try:
        place.parent.mkdir(exist_ok=True)
        if place.parent.resolve() != place.parent or place.is_symlink():
            raise ConfigError("a link would be followed", where=str(place), hint="remove the link")
        place.write_bytes(item.content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"cannot write: {reason}", where=str(place), hint="check the folder") from None
