"""What this machine can compute with."""

from __future__ import annotations

import os
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def physical_cores() -> int:
    """Cores this process may use, hyper-threads counted once, a container's CPU quota respected; at least 1."""
    usable = os.sched_getaffinity(0)
    cores = {_core(cpu) for cpu in usable}
    quota = _quota()
    return max(1, min(len(cores), int(quota)) if quota else len(cores))


def _core(cpu: int) -> tuple[str, str]:
    topology = _CPUS / f"cpu{cpu}" / "topology"
    try:
        return (topology / "physical_package_id").read_text().strip(), (topology / "core_id").read_text().strip()
    except OSError:
        return "", str(cpu)


def _quota() -> float | None:
    try:
        limit, period = _QUOTA.read_text().split()
        return int(limit) / int(period)
    except (OSError, ValueError):
        return None
