"""The answer of a policy."""

from __future__ import annotations

from typing import Literal

import msgspec


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether an effect may happen, by which rule, and why in one sentence.

    ``rule`` is ``family:detail``, where the detail is the deciding pattern of the task or the name of a built-in
    rule: ``write:src/**``, ``deny_write:*.lock``, ``deny_run:git push``, ``protected:.git``, ``path:parent``,
    ``capability:c3``, ``project:no-push``. ``where`` is the file and line of a rule that stands in a file.
    """

    effect: Literal["allow", "deny", "ask"]
    rule: str
    reason: str
    where: str = ""
