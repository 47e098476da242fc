"""Runs git with nothing of the caller's or the system's configuration, and none of a repository's hooks or filters."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from terret.errors import SandboxError

_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tbare = true
\tfilemode = true
\tprotectNTFS = false
\tprotectHFS = false
\tfsmonitor = false
\thooksPath = /dev/null
\tcompression = 1
[gc]
\tauto = 0
[pack]
\tcompression = 1
"""

_ATTRIBUTES = (
    "* !diff !merge -text -eol -ident -filter -working-tree-encoding -whitespace -export-ignore -export-subst\n"
)


class GitFailed(Exception):
    """Git exited with an error; the message is its last line."""


def environment(git_dir: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a git process."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": "/nonexistent",
        "XDG_CONFIG_HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_DIR": str(git_dir),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_PROTOCOL_FROM_USER": "0",
        **(extra or {}),
    }


def make_repository(git_dir: Path) -> None:
    """A bare repository without template, hooks or configuration of anybody's; no process is started."""
    for name in ("objects/pack", "objects/info", "refs/heads", "info"):
        (git_dir / name).mkdir(parents=True, exist_ok=True)
    (git_dir / "HEAD").write_text("ref: refs/heads/none\n", "utf-8")
    (git_dir / "config").write_text(_CONFIG, "utf-8")
    (git_dir / "info" / "attributes").write_text(_ATTRIBUTES, "utf-8")


def git(
    git_dir: Path,
    *args: str,
    stdin: bytes | IO[bytes] = b"",
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> bytes:
    """The output of a git command.

    Raises:
        GitFailed: It exited with an error or took longer than ``timeout`` seconds.
        SandboxError: There is no git.
    """
    plain = isinstance(stdin, bytes)
    try:
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", *args],
            input=stdin if plain else None,
            stdin=None if plain else stdin,
            capture_output=True,
            env=environment(git_dir, env),
            cwd="/",
            check=False,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise GitFailed(f"git did not end within {timeout:g} s") from None
    except OSError as error:
        raise SandboxError(f"git cannot be run: {error.strerror}", hint="apt-get install git") from None
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise GitFailed(next((line for line in lines if line.startswith(("error:", "fatal:"))), lines[-1]))
    return done.stdout
