"""A command's soft limit: at it the command pauses, gets more when there is more; only the hard limit kills."""

from __future__ import annotations

import time

from terret.sandbox._admission import Claim
from terret.sandbox._cgroup import Group

_STEP_MB = 16


class Relief:
    """Raises one command's soft limit as its claim allows; asked by the watchdog at every look.

    Args:
        group: The command's control group, with a memory controller.
        claim: What it may take of the shared memory.
    """

    def __init__(self, group: Group, claim: Claim) -> None:
        self._group = group
        self._claim = claim
        self._paused_at: float | None = None
        self._paused_s = 0.0
        self.raised = 0
        group.soften(claim.held, final=claim.held >= claim.most)

    @property
    def paused_s(self) -> float:
        """Seconds the command has spent waiting for memory; they do not count as its time."""
        now = 0.0 if self._paused_at is None else time.monotonic() - self._paused_at
        return self._paused_s + now

    def look(self) -> bool:
        """Raise the limit, or pause the command until it can be raised; whether it is paused."""
        if self._claim.held >= self._claim.most:
            return False
        if self._paused_at is None and not self._group.pressed():
            return False
        if self._claim.grow(self._claim.held + max(_STEP_MB, self._claim.held // 4)):
            self.raised += 1
            self._group.soften(self._claim.held, final=self._claim.held >= self._claim.most)
            self._resume()
            return False
        if self._paused_at is None:
            self._paused_at = time.monotonic()
            self._group.freeze(True)
        return True

    def _resume(self) -> None:
        if self._paused_at is not None:
            self._paused_s += time.monotonic() - self._paused_at
            self._paused_at = None
            self._group.freeze(False)
