"""Notices an agent that goes round in circles."""

from __future__ import annotations

from hashlib import sha256

from terret.models import Action
from terret.tools import ToolResult

WARN_AT = 2
"""Equal steps in a row after which the agent is told."""

STOP_AT = 4
"""Equal rounds in a row after which the loop ends."""

LONGEST_CYCLE = 4
"""Steps in the longest cycle that is recognised."""


class Repetition:
    """Fingerprints of (action, result) pairs, newest last."""

    def __init__(self) -> None:
        self._steps: list[bytes] = []
        self.rounds = 1
        """How often the latest cycle of at most :data:`LONGEST_CYCLE` steps has come in a row; 1 is no repetition."""

    def note(self, action: Action, result: ToolResult) -> None:
        """Remember one step."""
        text = f"{action.tool}\0{sorted(action.args.items())!r}\0{result.ok}\0{result.text}"
        mark = sha256(text.encode("utf-8", "replace")).digest()[:12]
        new = mark not in self._steps
        self._steps.append(mark)
        del self._steps[: -LONGEST_CYCLE * STOP_AT]
        self.rounds = 1 if new else max(self._rounds(length) for length in range(1, LONGEST_CYCLE + 1))

    def _rounds(self, length: int) -> int:
        latest = self._steps[-length:]
        rounds = 1
        while self._steps[-length * (rounds + 1) : -length * rounds] == latest and latest:
            rounds += 1
        return rounds

    @property
    def warned(self) -> bool:
        """Whether the agent should be told that it repeats itself."""
        return self.rounds >= WARN_AT

    @property
    def stuck(self) -> bool:
        """Whether the loop should end."""
        return self.rounds >= STOP_AT
