"""Looks after a running sandbox: CPU time, processes and memory of the tree, growth of the workspace."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from pathlib import Path

from terret.sandbox._admission import Claim
from terret.sandbox._bwrap import WORKSPACE
from terret.sandbox._cgroup import Group
from terret.sandbox._relief import Relief
from terret.sandbox._types import Status
from terret.task import Limits

_MB = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_ENTRY = 4096
"""The least a file or folder counts, in bytes: many small files fill a disk too."""

_LONGEST_PATH, _WITHOUT_END = 3000, 1 << 62


class DiskMeter:
    """How much a folder has grown; it is walked only when the disk's own figures ask for it.

    Shared by all commands of one sandbox, one at a time.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._base: int | None = None
        self._last = 0
        self._fill = self._fill_at_start = 0
        self._next_walk = 0.0
        self._rest = 0.0

    def start(self) -> None:
        """Begin a command."""
        if self._base is None:
            self._base = self._last = usage(self.folder)[0]
        self._fill = self._fill_at_start = _filled(self.folder)
        self._next_walk = time.monotonic() + 1.0

    def exceeded(self, limit: int, *, final: bool = False) -> bool:
        """Whether the folder has grown by more than ``limit`` bytes.

        What was too much already when the command began may stay, so that a command can remove it.
        """
        base = self._base or 0
        before = self._last
        # Other programs use the same disk: its figures only say when to look.
        written = _filled(self.folder) - self._fill
        spare = max(base + limit - before, 0)
        begun = time.monotonic()
        if not final and begun < self._rest:
            return False
        if written < max(spare // 4, _MB) and (final or begun < self._next_walk):
            return False
        now, complete = usage(self.folder)
        ended = time.monotonic()
        self._fill = _filled(self.folder)
        self._next_walk = ended + max(1.0, 30 * (ended - begun))
        self._rest = ended + 3 * (ended - begun)
        if now < _WITHOUT_END:
            self._last = now
        if not complete and self._fill - self._fill_at_start > limit:
            # What cannot be looked into may be what fills the disk.
            return True
        return now > max(base + limit, before + _MB if before > base + limit else 0)


def usage(folder: str) -> tuple[int, bool]:
    """Bytes a folder takes on disk, and whether all of it could be looked into.

    Links are not followed, hard links counted once. A name too long to be opened counts as more than any limit.
    """
    total, complete, seen, waiting = 0, True, set[int](), [folder]
    while waiting:
        path = waiting.pop()
        if len(path) > _LONGEST_PATH:
            return _WITHOUT_END, True
        try:
            with os.scandir(path) as entries:
                listing = list(entries)
        except OSError as error:
            complete = complete and error.errno != errno.EACCES
            continue
        for entry in listing:
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    waiting.append(entry.path)
                elif status.st_nlink > 1:
                    if status.st_ino in seen:
                        continue
                    seen.add(status.st_ino)
                total += max(_ENTRY, status.st_blocks * 512)
    return total, complete


def _filled(folder: str) -> int:
    with contextlib.suppress(OSError):
        status = os.statvfs(folder)
        inodes = (status.f_files - status.f_ffree) * _ENTRY
        return max((status.f_blocks - status.f_bfree) * status.f_frsize, inodes)
    return 0


class Watch:
    """The checks of one command; :meth:`check` names the limit that is exceeded.

    ``urgent`` asks for the next check soon, because processes multiply or wait for memory.

    Args:
        limits: The limits.
        group: The control group; what it does not cover is read from ``/proc``.
        disk: The meter of the workspace; None when its writes go to memory.
        init: The sandbox's first process, where it has been running before.
        claim: What the command holds of memory that is shared with others.
    """

    def __init__(
        self,
        limits: Limits,
        group: Group | None,
        disk: DiskMeter | None,
        init: int | None = None,
        claim: Claim | None = None,
    ) -> None:
        self.limits = limits
        self.group = group
        self.disk = disk
        self._peak_kb = 0
        self.urgent = False
        controllers = group.controllers if group is not None else frozenset[str]()
        self._by_group = controllers
        self._by_walk = {"memory", "pids", "cpu"} - controllers
        self._cpu_ms = self._cpu_base = 0.0
        if group is not None and "cpu" in controllers:
            self._cpu_base = group.cpu_ms()
        elif init is not None:
            self._cpu_base = _tree_cpu_ms(_tree(init, limits.pids + 1)[0])
        self._kills = group.memory_kills() if group is not None else 0
        self._refused = group.refused_processes() if group is not None else 0
        self._claim = claim
        self._relief = Relief(group, claim) if claim and group is not None and "memory" in controllers else None
        self._figures = group.figures() if group is not None else {}
        if disk is not None:
            disk.start()

    @property
    def paused_s(self) -> float:
        """Seconds spent waiting for memory, which are not the command's."""
        return self._relief.paused_s if self._relief is not None else 0.0

    def resources(self) -> dict[str, float]:
        """Further figures of the command so far, see :class:`Completed`."""
        found = self.group.figures() if self.group is not None else {}
        for name in ("memory_stall_ms", "cpu_stall_ms"):
            if name in found:
                found[name] -= self._figures.get(name, 0.0)
        if self._claim is not None:
            found |= {"waited_ms": self._claim.waited_s * 1000, "soft_mb": self._claim.held}
        if self._relief is not None:
            found |= {"paused_ms": self._relief.paused_s * 1000, "raised": self._relief.raised}
        return {name: round(value, 3) for name, value in found.items() if value}

    def check(self, init: int | None) -> Status | None:
        """The limit the running tree exceeds."""
        self.urgent = self._relief is not None and self._relief.look()
        if self.urgent:
            return None
        found = self._hit()
        if found is None and self._by_walk and init is not None:
            found = self._walk(init)
        if found is None and self.cpu_ms() > 1000 * self.limits.cpu_s:
            return "cpu"
        if found is None and self._disk_exceeded(init):
            return "disk"
        return found

    def verdict(self, exit_code: int | None) -> Status | None:
        """The limit a command that has ended ran into."""
        hit = self._hit()
        if hit is not None:
            return hit
        if exit_code == 128 + 24:
            return "cpu"
        if exit_code == 128 + 25:
            return "disk"
        if exit_code == 128 + 9 and self.cpu_ms() >= 1000 * self.limits.cpu_s:
            return "cpu"
        if self.disk is not None and self.disk.exceeded(self.limits.disk_mb * _MB, final=True):
            return "disk"
        return None

    def cpu_ms(self) -> float:
        """CPU time of the tree so far."""
        if self.group is not None and "cpu" in self._by_group:
            return self.group.cpu_ms() - self._cpu_base
        return self._cpu_ms

    def peak(self) -> int:
        """Highest memory use of the tree so far, in KB: exact with a control group for memory, else as last seen."""
        return self.group.peak_kb() if self.group is not None and "memory" in self._by_group else self._peak_kb

    def _hit(self) -> Status | None:
        """The limit at which the kernel stopped something."""
        if self.group is None:
            return None
        if self.group.memory_kills() > self._kills:
            return "memory"
        return "pids" if self.group.refused_processes() > self._refused else None

    def _walk(self, init: int) -> Status | None:
        """What the control group does not cover, added up over the processes."""
        processes, threads = _tree(init, self.limits.pids + 1)
        self.urgent = threads > self.limits.pids // 2
        if threads > self.limits.pids + 1:
            return "pids"
        memory = 0
        for pid in processes:
            with contextlib.suppress(OSError, ValueError, IndexError):
                memory += _private_pages(pid)
        self._cpu_ms = max(self._cpu_ms, _tree_cpu_ms(processes) - self._cpu_base)
        self._peak_kb = max(self._peak_kb, memory * _PAGE // 1024)
        if memory * _PAGE > self.limits.memory_mb * _MB and _proportional(processes) > self.limits.memory_mb * _MB:
            return "memory"
        return None

    def _disk_exceeded(self, init: int | None) -> bool:
        limit = self.limits.disk_mb * _MB
        if self.disk is not None:
            return self.disk.exceeded(limit)
        if init is None:
            return False
        with contextlib.suppress(OSError):
            status = os.statvfs(f"/proc/{init}/root{WORKSPACE}")
            return (status.f_blocks - status.f_bfree) * status.f_frsize > limit
        return False


def _tree(init: int, most: int) -> tuple[list[int], int]:
    """All processes at and below one, and the number of their threads; orphans hang at a namespace's first process.

    Beyond ``most`` threads the count stops: a tree that multiplies would be walked for ever.
    """
    found, threads, waiting = list[int](), 0, [init]
    while waiting and threads <= most:
        pid = waiting.pop()
        found.append(pid)
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                threads += 1
                with contextlib.suppress(OSError):
                    waiting += map(int, _text(f"{thread}/children").split())
    return found, threads


def _private_pages(pid: int) -> int:
    fields = _text(f"/proc/{pid}/statm").split()
    return int(fields[1]) - int(fields[2])


def _tree_cpu_ms(processes: list[int]) -> float:
    """User and system time, of reaped children too."""
    ticks = 0
    for pid in processes:
        with contextlib.suppress(OSError, ValueError):
            ticks += sum(map(int, _text(f"/proc/{pid}/stat").rpartition(")")[2].split()[11:15]))
    return ticks * 1000 / _TICKS


def _proportional(processes: list[int]) -> int:
    """Memory in bytes where a page shared by several processes counts once."""
    total = 0
    for pid in processes:
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in _text(f"/proc/{pid}/smaps_rollup").splitlines():
                if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                    total += int(line.split()[1]) * 1024
    return total


def _text(path: str) -> str:
    return Path(path).read_text("utf-8", "replace")
