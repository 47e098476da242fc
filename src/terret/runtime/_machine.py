"""The H3 workflow as a state machine: reproduce, attribute, fix, verify, report, and back from verify to attribute."""

from __future__ import annotations

from typing import Literal

Phase = Literal["reproduce", "attribute", "fix", "verify", "report", "done"]
Step = Literal["reproduced", "attributed", "edited", "passed", "failed", "reported"]

TRANSITIONS: dict[tuple[Phase, Step], Phase] = {
    ("reproduce", "reproduced"): "attribute",
    ("attribute", "attributed"): "fix",
    ("fix", "edited"): "verify",
    ("verify", "edited"): "verify",
    ("verify", "failed"): "attribute",
    ("verify", "passed"): "report",
    ("report", "failed"): "attribute",
    ("report", "passed"): "report",
    ("report", "reported"): "done",
}
"""Phase and step to the next phase (AI Harness Engineering, H3 workflow). An edit may have several parts, so editing
goes on until the first verification; whoever edits after a failed one has attributed the failure first. Evidence must
be newer than the last edit, so an edit after a passed verification needs a new attribution too."""

_NEEDS: dict[tuple[Phase, Step], str] = {
    ("reproduce", "edited"): "reproduce the failure first: run a test or a registered check before you edit",
    ("attribute", "edited"): "attribute the failure first: record what was observed, what was expected and why",
    ("report", "edited"): "the checks pass; declare the task complete, or run a check that fails and attribute it",
    ("reproduce", "reported"): "nothing was reproduced or verified yet",
    ("attribute", "reported"): "the last verification failed, or nothing was fixed yet",
    ("fix", "reported"): "nothing was changed yet",
    ("verify", "reported"): "run the registered checks on the last change first",
}


class Machine:
    """Where an episode stands in the workflow."""

    def __init__(self) -> None:
        self.phase: Phase = "reproduce"
        self.rounds = 0
        """How many verifications failed so far."""

    def refusal(self, step: Step) -> str | None:
        """Why a step is not allowed now; ``None`` when it is, or when it changes nothing."""
        return _NEEDS.get((self.phase, step))

    def advance(self, step: Step) -> Phase:
        """Take a step; steps without meaning in this phase change nothing.

        Raises:
            ValueError: The step is refused now.
        """
        refusal = self.refusal(step)
        if refusal is not None:
            raise ValueError(refusal)
        if step == "failed" and (self.phase, step) in TRANSITIONS:
            self.rounds += 1
        self.phase = TRANSITIONS.get((self.phase, step), self.phase)
        return self.phase
