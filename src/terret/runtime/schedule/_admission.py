"""When the machine and the endpoint can take another effect."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from terret.errors import InputError

_MEMINFO: Final = Path("/proc/meminfo")


class Pressure(msgspec.Struct, frozen=True):
    """How loaded the machine is, each from 0 (idle) to 1 (full)."""

    memory: float = 0.0
    cpu: float = 0.0


class Capacity(msgspec.Struct, frozen=True):
    """What may be under way at once; nothing means without limit.

    Above ``memory`` or ``cpu`` pressure nothing new begins while anything is under way; the pressure is looked at no
    more than every ``sample_s`` seconds.
    """

    effects: int | None = None
    tokens: float | None = None
    memory: float = 0.9
    cpu: float = 1.0
    sample_s: float = 0.5


class Admission:
    """Counts what is under way. With nothing under way anything may begin, so that the host never stands still.

    Args:
        capacity: What may be under way at once.
        pressure: How loaded the machine is; without it the machine is not looked at.
        clock: Unix seconds.
    """

    def __init__(self, capacity: Capacity, pressure: Callable[[], Pressure] | None, clock: Callable[[], float]) -> None:
        for name in ("effects", "tokens"):
            most = getattr(capacity, name)
            if most is not None and not most > 0:
                raise InputError(f"the limit of {name} under way is no number above zero", value=most)
        self.capacity = capacity
        self.effects = 0
        self.tokens = 0.0
        self.most_effects = 0
        self.refused: dict[str, int] = {}
        """How often something had to wait, by reason."""
        self._pressure = pressure
        self._clock = clock
        self._seen = Pressure()
        self._seen_at = float("-inf")

    def why_not(self, tokens: float) -> str:
        """Which of ``effects``, ``tokens``, ``memory`` and ``cpu`` keeps an effect from beginning now; or nothing."""
        if not self.effects:
            return ""
        most = self.capacity
        if most.effects is not None and self.effects >= most.effects:
            return "effects"
        if most.tokens is not None and self.tokens + tokens > most.tokens:
            return "tokens"
        if self._pressure is not None:
            now = self._clock()
            if now - self._seen_at >= most.sample_s:
                self._seen, self._seen_at = self._pressure(), now
            if self._seen.memory > most.memory:
                return "memory"
            if self._seen.cpu > most.cpu:
                return "cpu"
        return ""

    def begin(self, tokens: float) -> None:
        """Count an effect that begins."""
        self.effects += 1
        self.tokens += tokens
        self.most_effects = max(self.most_effects, self.effects)

    def end(self, tokens: float) -> None:
        """Count an effect that ended."""
        self.effects -= 1
        self.tokens -= tokens


def host_pressure() -> Pressure:
    """The machine's own pressure: memory that is not available, and runnable threads a processor."""
    memory = cpu = 0.0
    with contextlib.suppress(OSError, ValueError, KeyError, ZeroDivisionError):
        fields = dict(line.split(":", 1) for line in _MEMINFO.read_text("ascii").splitlines())
        total, left = (float(fields[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
        memory = 1 - left / total
    with contextlib.suppress(OSError):
        cpu = os.getloadavg()[0] / (4 * (os.cpu_count() or 1))
    return Pressure(memory, min(1.0, cpu))
