"""Shares memory among commands that run at the same time: a command waits at the door, or pauses, before any is killed.

A command enters with what it expects to need (soft) and the most it may take (hard). The state is kept such that some
order exists in which every command could get its most and end (the banker's rule), so that no two wait for each other.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from terret.task import Limits

if TYPE_CHECKING:
    from terret.sandbox._cgroup import Hierarchy

HINTS = {"low": 256, "medium": 1024}
"""Megabytes a command is expected to need; ``high`` is all it may have."""

_SIZE = re.compile(r"([1-9][0-9]{0,5})([mg])b?", re.IGNORECASE)
_MB = 1 << 20
_SHARE = 0.8
_LEAST = 16
_LOOK_S = 0.2


def memory_hint(hint: str | None, limits: Limits) -> int | None:
    """Megabytes a hint (``low``, ``medium``, ``high``, ``512m``, ``2g``) stands for, the limit at most.

    Without a hint it is ``medium``; None for a text that is no hint.
    """
    if hint == "high":
        return limits.memory_mb
    size = HINTS.get("medium" if hint is None else hint)
    if size is None:
        found = _SIZE.fullmatch((hint or "").strip())
        if found is None:
            return None
        size = int(found[1]) * (1024 if found[2].lower() == "g" else 1)
    return max(_LEAST, min(size, limits.memory_mb))


class Claim:
    """What one running command holds, in MB; give it back with :meth:`close`."""

    def __init__(self, admission: Admission, soft: int, hard: int, waited_s: float) -> None:
        self._admission = admission
        self.held = soft
        self.most = hard
        self.hungry = False
        self.waited_s = waited_s

    def grow(self, least: int) -> bool:
        """Take the most, or else ``least``, where that leaves a way for every other command to end."""
        return self._admission.grow(self, min(least, self.most))

    def close(self) -> None:
        """Give everything back; harmless when done twice."""
        self._admission.leave(self)


class Admission:
    """One budget of memory for all sandboxes that are given it; safe to use from several threads.

    Args:
        total_mb: What all running commands may have together.
        bounded: Whether the kernel is to keep the total too, by a control group around all commands (where it can).
        control: Whether commands wait and pause; without, only the kernel's bound is left, and it kills.
    """

    def __init__(self, total_mb: int, *, bounded: bool = False, control: bool = True) -> None:
        self.total_mb = total_mb
        self.bounded = bounded
        self.control = control
        self._claims: list[Claim] = []
        self._waiting: list[object] = []
        self._changed = threading.Condition()
        self._around: Hierarchy | None = None

    def enter(self, soft_mb: int, hard_mb: int, gone: Callable[[], bool] = lambda: False) -> Claim | None:
        """Wait for room, first come first served; None without control, and when ``gone`` says so."""
        if not self.control:
            return None
        hard = min(hard_mb, self.total_mb)
        soft = min(soft_mb, hard)
        begun, ticket = time.monotonic(), object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                while not self._room(ticket, soft, hard):
                    self._changed.wait(_LOOK_S)
                    if gone():
                        return None
                claim = Claim(self, soft, hard, time.monotonic() - begun)
                self._claims.append(claim)
                return claim
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def grow(self, claim: Claim, least: int) -> bool:
        """See :meth:`Claim.grow`."""
        with self._changed:
            for size in (claim.most, least):
                others = [(one.held, one.most) for one in self._claims if one is not claim]
                if size > claim.held and safe(self.total_mb, [*others, (size, claim.most)]):
                    claim.held, claim.hungry = size, False
                    return True
            claim.hungry = True
            return False

    def leave(self, claim: Claim) -> None:
        """See :meth:`Claim.close`."""
        with self._changed:
            if claim in self._claims:
                self._claims.remove(claim)
            self._changed.notify_all()

    def around(self, found: Hierarchy) -> Hierarchy:
        """Where the control groups of commands are made: below one that keeps the total, when it is ``bounded``.

        Raises:
            OSError: That group cannot be made.
        """
        if not self.bounded or "memory" not in found.roots:
            return found
        with self._changed:
            if self._around is None:
                self._around = found.bounded(self.total_mb)
            return self._around

    def close(self) -> None:
        """Remove the control group around the commands; they must have ended."""
        with self._changed:
            around, self._around = self._around, None
        if around is not None:
            around.remove()

    def _room(self, ticket: object, soft: int, hard: int) -> bool:
        if self._waiting[0] is not ticket or any(claim.hungry for claim in self._claims):
            return False
        return safe(self.total_mb, [*((one.held, one.most) for one in self._claims), (soft, hard)])


def safe(total: int, claims: list[tuple[int, int]]) -> bool:
    """Whether every claim (held, most) could still be met in some order; the smallest need first is the best one."""
    left = total - sum(held for held, _ in claims)
    if left < 0:
        return False
    for held, most in sorted(claims, key=lambda claim: claim[1] - claim[0]):
        if most - held > left:
            return False
        left += held
    return True


@cache
def machine_admission() -> Admission:
    """The budget all sandboxes of this process share: four fifths of the memory this process may use."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = _text(file)
        if text.isdigit():
            total = min(total, int(text))
    return Admission(max(256, int(total * _SHARE) // _MB))


def _text(file: str) -> str:
    try:
        return Path(file).read_text("utf-8").strip()
    except OSError:
        return ""
