"""The conflict of two norms, decided by the first axiom that applies."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from terret.norms._norm import LEVELS, OPERATORS, Norm

Conflict = Literal["none", "coordinate", "superordinate", "absolute"]
"""What a system norm is to the user's: nothing, its equal, above it, beyond weighing."""

Axiom = Literal[
    "axiom_6.6_futility",
    "axiom_6.7_indifference",
    "axiom_6.2_absolute_prohibition",
    "axiom_6.3_moral_priority",
    "user_level_dominant",
    "axiom_6.4_moral_rank",
    "equal_weight_coordinate",
    "user_operator_dominant",
]


class Resolution(msgspec.Struct, frozen=True):
    """What came of a conflict, and by which axiom."""

    conflict: Conflict
    axiom: Axiom


_FUTILE: Final = Resolution("none", "axiom_6.6_futility")
_INDIFFERENT: Final = Resolution("none", "axiom_6.7_indifference")
_ABSOLUTE: Final = Resolution("absolute", "axiom_6.2_absolute_prohibition")
_PRIORITY: Final = Resolution("superordinate", "axiom_6.3_moral_priority")
_USER_LEVEL: Final = Resolution("none", "user_level_dominant")
_RANK: Final = Resolution("superordinate", "axiom_6.4_moral_rank")
_EQUAL: Final = Resolution("coordinate", "equal_weight_coordinate")
_USER_OPERATOR: Final = Resolution("none", "user_operator_dominant")


def resolve(user: Norm, system: Norm) -> Resolution:
    """Weigh a system norm against the user's; pure, and defined for every pair.

    Futility is asked of the user's side only: a system norm that cannot be met still binds.
    """
    if user.modality == "impossible":
        return _FUTILE
    if user.operator == "indifferent":
        return _INDIFFERENT
    if system.level == "ethical_moral" and system.operator == "required":
        return _ABSOLUTE
    above = LEVELS[system.level] - LEVELS[user.level]
    if above:
        return _PRIORITY if above > 0 else _USER_LEVEL
    stronger = OPERATORS[system.operator] - OPERATORS[user.operator]
    if stronger:
        return _RANK if stronger > 0 else _USER_OPERATOR
    return _EQUAL
