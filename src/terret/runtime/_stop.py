"""Why a turn loop ends."""

from __future__ import annotations

from typing import Literal

StopReason = Literal[
    "completed",
    "budget_steps",
    "budget_model_calls",
    "budget_tokens",
    "budget_wall",
    "budget_cost",
    "format_errors",
    "stuck",
    "no_candidate",
    "undecided",
    "context_exceeded",
    "interrupted",
    "denied",
]
"""``completed``: the work was declared done. ``format_errors``: too many malformed replies in a row. ``stuck``: the
same action and result kept coming back. ``no_candidate``: the image has no further question to ask. ``undecided``:
there is more than one answer and no evidence which is right, so none is declared. ``interrupted``: a person ended it.
``denied``: authority refused what the image itself needs, such as running the tests."""

STOP_REASONS: dict[str, str] = {
    "completed": "the agent declared the task complete",
    "budget_steps": "the step budget is used up",
    "budget_model_calls": "the model-call budget is used up",
    "budget_tokens": "the token budget is used up",
    "budget_wall": "the time budget is used up",
    "budget_cost": "the cost budget is used up",
    "format_errors": "too many replies in a row were not valid actions",
    "stuck": "the agent kept repeating itself",
    "no_candidate": "no proposed change passed the visible tests",
    "undecided": "several changes pass the visible tests and nothing tells them apart; the likeliest is left in place",
    "context_exceeded": "the prompt no longer fits the model's context window",
    "interrupted": "a person stopped the episode",
    "denied": "authority refused what the agent style itself needs",
}
"""Every reason in plain words."""


class Stop(Exception):
    """Ends the turn loop; ``detail`` says more than the reason.

    Raised by images and by the kernel, caught by the loop only.
    """

    def __init__(self, reason: StopReason, detail: str = "") -> None:
        super().__init__(reason)
        self.reason: StopReason = reason
        self.detail = detail or STOP_REASONS[reason]


class Suspended(Exception):
    """The episode cannot go on now, for an infrastructure fault; it stays resumable.

    ``part`` is ``model`` or ``sandbox``, ``code`` the code of the error tree.
    """

    def __init__(self, part: str, code: str, message: str) -> None:
        super().__init__(message)
        self.part = part
        self.code = code
        self.message = message
