"""A control group for each command: memory, number of processes and CPU time of the whole tree.

Version 1 and version 2 hierarchies are supported. On a hybrid machine the controllers live in version 1, below this
process's own group; on version 2 the group is made in the nearest ancestor that hands memory and pids to its children.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from functools import cache
from itertools import count
from pathlib import Path
from typing import Literal

from terret.task import Limits

_MB = 1 << 20
_serial = count()
_NEAR = 0.9
_NAME = re.compile(r"terret-(\d+)-\d+")


class Hierarchy:
    """Where groups can be made: ``roots`` maps a controller to the folder for new groups."""

    def __init__(self, version: Literal["v1", "v2"], roots: dict[str, Path], outer: Path | None = None) -> None:
        self.version: Literal["v1", "v2"] = version
        self.roots = roots
        self._outer = outer

    @property
    def complete(self) -> bool:
        """Whether memory and processes can both be bounded."""
        return {"memory", "pids"} <= self.roots.keys()

    def without_memory(self) -> Hierarchy | None:
        """The same for processes and CPU time only; None where processes cannot be bounded."""
        roots = {controller: root for controller, root in self.roots.items() if controller != "memory"}
        return Hierarchy(self.version, roots) if "pids" in roots else None

    def bounded(self, memory_mb: int) -> Hierarchy:
        """The same inside a new group that bounds the memory of all groups in it together; :meth:`remove` ends it.

        Raises:
            OSError: The group cannot be made.
        """
        name = f"terret-{os.getpid()}-{next(_serial)}"
        outer = self.roots["memory"] / name
        outer.mkdir()
        _bound_memory(outer, memory_mb * _MB, v1=self.version == "v1")
        if self.version == "v1":
            return Hierarchy("v1", self.roots | {"memory": outer}, outer)
        for controller in ("+memory", "+pids", "+cpu"):
            with contextlib.suppress(OSError):
                _write(outer / "cgroup.subtree_control", controller)
        return Hierarchy("v2", dict.fromkeys(self.roots, outer), outer)

    def remove(self) -> None:
        """Remove the group :meth:`bounded` made."""
        if self._outer is not None:
            _remove(self._outer)

    def group(self, limits: Limits) -> Group:
        """A new, empty group with the limits set.

        Raises:
            OSError: The group cannot be made.
        """
        name = f"terret-{os.getpid()}-{next(_serial)}"
        group = Group(self.version, {controller: root / name for controller, root in self.roots.items()})
        group.make(limits)
        return group

    def sweep(self) -> None:
        """Remove what killed processes left behind."""
        for root in set(self.roots.values()):
            for entry in list(os.scandir(root)):
                match = _NAME.fullmatch(entry.name)
                if match and not Path("/proc", match[1]).exists():
                    with contextlib.suppress(OSError):
                        Path(entry.path).rmdir()


class Group:
    """One control group; :meth:`close` removes it."""

    def __init__(self, version: Literal["v1", "v2"], folders: dict[str, Path]) -> None:
        self._v1 = version == "v1"
        self._folders = folders
        self.controllers = frozenset(folders)

    def make(self, limits: Limits) -> None:
        """Create the folders and set the limits."""
        try:
            for folder in set(self._folders.values()):
                folder.mkdir()
            # One of bubblewrap's own processes is in the group.
            _write(self._folders["pids"] / "pids.max", limits.pids + 1)
            if "memory" in self._folders:
                _bound_memory(self._folders["memory"], limits.memory_mb * _MB, v1=self._v1)
        except OSError:
            self.close()
            raise

    def soften(self, memory_mb: int, *, final: bool) -> None:
        """Have the tree pause at this much memory instead of being killed; ``final`` is the limit that kills."""
        folder = self._folders["memory"]
        with contextlib.suppress(OSError):
            if self._v1:
                _write(folder / "memory.oom_control", 0 if final else 1)
                _write(folder / "memory.limit_in_bytes", memory_mb * _MB)
            else:
                _write(folder / "memory.high", "max" if final else memory_mb * _MB)

    def pressed(self) -> bool:
        """Whether the tree stands at its soft limit, or so near that what can be given back will not help long."""
        folder = self._folders["memory"]
        try:
            if self._v1 and _field(folder / "memory.oom_control", "under_oom"):
                return True
            limit = _read(folder / ("memory.limit_in_bytes" if self._v1 else "memory.high")).strip()
            used = int(_read(folder / ("memory.usage_in_bytes" if self._v1 else "memory.current")))
            if limit == "max" or used < _NEAR * int(limit):
                return False
            kept = ("total_inactive_file", "total_active_file") if self._v1 else ("inactive_file", "active_file")
            return used - sum(_field(folder / "memory.stat", name) for name in kept) > _NEAR * int(limit)
        except (OSError, ValueError):
            return False

    def freeze(self, frozen: bool) -> None:
        """Stop every process of the tree, or let it go on, where the kernel can; a frozen one can still be killed."""
        folder = self._folders.get("core", self._folders["pids"])
        with contextlib.suppress(OSError):
            _write(folder / "cgroup.freeze", int(frozen))

    def figures(self) -> dict[str, float]:
        """Most processes at a time, and milliseconds some of them stood still for want of memory or CPU."""
        found: dict[str, float] = {}
        with contextlib.suppress(OSError, ValueError):
            found["pids"] = max(0, int(_read(self._folders["pids"] / "pids.peak")) - 1)
        core = self._folders.get("core", self._folders["pids"])
        for name in ("memory", "cpu"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                some = _read(core / f"{name}.pressure").split("\n", 1)[0]
                found[f"{name}_stall_ms"] = int(some.rpartition("total=")[2]) / 1000
        return found

    def join(self, pid: int) -> None:
        """Move a process in; what it starts from now on is inside too."""
        for folder in set(self._folders.values()):
            _write(folder / "cgroup.procs", pid)

    def cpu_ms(self) -> float:
        """CPU time of the tree so far."""
        folder = self._folders.get("cpu")
        if folder is None:
            return 0.0
        with contextlib.suppress(OSError, ValueError):
            if self._v1:
                return int(_read(folder / "cpuacct.usage")) / 1e6
            return _field(folder / "cpu.stat", "usage_usec") / 1e3
        return 0.0

    def peak_kb(self) -> int:
        """Highest memory use of the tree so far."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            name = "memory.max_usage_in_bytes" if self._v1 else "memory.peak"
            return int(_read(self._folders["memory"] / name)) // 1024
        return 0

    def reset_peak(self) -> None:
        """Measure the peak anew, where the kernel can."""
        with contextlib.suppress(OSError, KeyError):
            _write(self._folders["memory"] / ("memory.max_usage_in_bytes" if self._v1 else "memory.peak"), 0)

    def memory_kills(self) -> int:
        """How many processes were killed for memory."""
        folder = self._folders.get("memory")
        if folder is None:
            return 0
        return _field(folder / ("memory.oom_control" if self._v1 else "memory.events"), "oom_kill")

    def refused_processes(self) -> int:
        """How many processes could not be started."""
        return _field(self._folders["pids"] / "pids.events", "max")

    def close(self) -> None:
        """Remove the group; every process in it must be dead or dying."""
        for folder in set(self._folders.values()):
            _remove(folder)


@cache
def find_hierarchy() -> Hierarchy | None:
    """Where this process may make groups that bound processes, and memory where possible; None where it may not."""
    try:
        hierarchy = _v1() or _v2()
        if hierarchy is not None:
            hierarchy.sweep()
            hierarchy.group(Limits()).close()
    except OSError:
        return None
    return hierarchy


def _own_groups() -> dict[str, str]:
    """Controller -> path of this process's group ("" is version 2)."""
    groups: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text("utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), path))
    return groups


def _mounts(kind: str) -> list[tuple[str, str, set[str]]]:
    """(root inside the hierarchy, mount point, super options) of every mount of a file system type."""
    found: list[tuple[str, str, set[str]]] = []
    for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        left, _, right = line.partition(" - ")
        if right.split(" ", 1)[0] == kind:
            fields = left.split(" ")
            found.append((fields[3], fields[4], set(right.split(" ")[2].split(","))))
    return found


def _below(root: str, mount: str, path: str) -> Path:
    """A group's folder under a mount that may show only part of the hierarchy."""
    inner = os.path.relpath(path, root)
    return Path(mount) if inner == "." or inner.startswith("..") else Path(mount) / inner


def _v1() -> Hierarchy | None:
    own, roots = _own_groups(), dict[str, Path]()
    for root, mount, options in _mounts("cgroup"):
        for controller, wanted in (("memory", "memory"), ("pids", "pids"), ("cpuacct", "cpu")):
            if controller in options and controller in own:
                folder = _below(root, mount, own[controller])
                if os.access(folder, os.W_OK):
                    roots[wanted] = folder
    for root, mount, _ in _mounts("cgroup2") if "pids" in roots else []:
        # A second hierarchy without controllers still freezes, and tells of pressure.
        folder = _below(root, mount, own.get("", "/"))
        if os.access(folder / "cgroup.procs", os.W_OK) and os.access(folder, os.W_OK):
            roots["core"] = folder
    return Hierarchy("v1", roots) if "pids" in roots else None


def _v2() -> Hierarchy | None:
    own = _own_groups().get("")
    for root, mount, _ in _mounts("cgroup2"):
        top = Path(mount)
        folder = _below(root, mount, own or "/")
        while True:
            if _hands_down(folder):
                return Hierarchy("v2", dict.fromkeys(("memory", "pids", "cpu"), folder))
            if folder == top:
                break
            folder = folder.parent
    return None


def _hands_down(folder: Path) -> bool:
    try:
        given = set(_read(folder / "cgroup.subtree_control").split())
    except OSError:
        return False
    writable = os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK)
    return writable and {"memory", "pids"} <= given


def _remove(folder: Path) -> None:
    for attempt in range(200):
        try:
            folder.rmdir()
            break
        except FileNotFoundError:
            break
        except OSError:
            if attempt == 20:
                _kill_all(folder)
            time.sleep(0.0002 if attempt < 10 else 0.005)


def _bound_memory(folder: Path, most: int, *, v1: bool) -> None:
    _write(folder / ("memory.limit_in_bytes" if v1 else "memory.max"), most)
    with contextlib.suppress(OSError):
        if v1:
            _write(folder / "memory.memsw.limit_in_bytes", most)
        else:
            _write(folder / "memory.swap.max", 0)


def _kill_all(folder: Path) -> None:
    with contextlib.suppress(OSError, ValueError):
        for pid in _read(folder / "cgroup.procs").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), 9)


def _read(path: Path) -> str:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(handle, 4096).decode()
    finally:
        os.close(handle)


def _write(path: Path, value: int | str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(handle, str(value).encode())
    finally:
        os.close(handle)


def _field(path: Path, name: str) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in _read(path).splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return 0
