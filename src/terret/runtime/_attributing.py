"""A record for every failed observation: what was observed, what was expected, and a first diagnosis by rule.

The harness records at every level. The record is shown to an agent only where its level has the attribution protocol.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from terret.attribution import CODES, Attribution, Failure, Kind, attribute, parse_failures
from terret.journal import Attributed
from terret.runtime._kernel import Kernel
from terret.sandbox import Completed

REFUSALS = frozenset({"denied", "out_of_order", "refused"})
"""What the harness refuses is no observation of the world."""

_MISSING = frozenset({"missing", "not_found", "no_output", "unavailable"})


class Attributor:
    """Attributes failures by rule and remembers the latest ones, to compare the next with."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._latest: list[Failure] = []
        self._found: Attribution | None = None

    def commands(self, failed: Sequence[Completed], extra: Sequence[str] = ()) -> list[Failure]:
        """Attribute failed commands; ``extra`` is further evidence. Returns what their outputs show."""
        previous = self._latest
        self._latest = [
            failure
            for done in failed
            for failure in parse_failures(
                done.output.decode("utf-8", "replace"), exit_code=done.exit_code, status=done.status
            )
        ]
        self.record(attribute(self._latest, previous=previous), extra)
        return self._latest

    def tool(self, kind: str, message: str) -> None:
        """Attribute a tool call that could not be carried out."""
        if kind in REFUSALS:
            return
        read: Kind = "not_found" if kind in _MISSING else "format"
        self.record(attribute([Failure(read, message, code=CODES[read])]))

    def diagnosed(self, cause: str) -> None:
        """Journal the agent's own diagnosis of the latest failure, beside the one by rule."""
        if self._found is not None:
            found = self._found
            self.record(msgspec.structs.replace(found, evidence=[f"diagnosis: {cause}", *found.evidence]), by="agent")
            self._found = found

    def record(self, found: Attribution, extra: Sequence[str] = (), by: str = "runtime") -> None:
        """Journal an attribution."""
        self._found = found
        evidence = [*found.evidence, *extra]
        self._kernel.recorder.emit(
            Attributed(
                self._kernel.turn,
                found.observed,
                found.expected,
                found.failure_type,
                evidence,
                found.alternatives,
                found.next_action,
                by,
            )
        )
