"""Resource limits of a single process, set before bubblewrap starts anything and inherited by everything inside."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Mapping

from terret.task import Limits

_MB = 1 << 20
OPEN_FILES = 1024


def process_limits(limits: Limits, *, tree_guarded: bool, cpu: bool = True) -> dict[str, tuple[int, int]]:
    """Name of each limit -> (soft, hard).

    Args:
        limits: The command's limits.
        tree_guarded: Whether a cgroup bounds the memory of the whole tree; otherwise each process is bounded.
        cpu: Whether CPU time is bounded per process too (a long-lived shell is not).
    """
    # A little beyond the limit, so that reaching it can be told from staying below.
    size = (limits.disk_mb + 1) * _MB
    wanted = {"CORE": (0, 0), "NOFILE": (OPEN_FILES, OPEN_FILES), "FSIZE": (size, size)}
    if cpu:
        seconds = max(1, int(limits.cpu_s + 0.999))
        wanted["CPU"] = (seconds, seconds + 1)
    if not tree_guarded:
        wanted["DATA"] = (limits.memory_mb * _MB, limits.memory_mb * _MB)
    return wanted


def apply(pid: int, wanted: Mapping[str, tuple[int, int]]) -> None:
    """Limit a running process; a limit that is already lower stays as it is."""
    for name, (soft, hard) in wanted.items():
        which: int = getattr(resource, f"RLIMIT_{name}")
        with contextlib.suppress(ProcessLookupError, PermissionError, ValueError):
            _, ceiling = resource.prlimit(pid, which)
            if ceiling != resource.RLIM_INFINITY:
                soft, hard = min(soft, ceiling), min(hard, ceiling)
            resource.prlimit(pid, which, (soft, hard))
