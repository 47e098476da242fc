"""From conflicts and risk to a verdict, by the first floor that holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from terret.norms._norm import LEVELS, Norm
from terret.norms._resolve import Resolution, resolve

Judgement = Literal["flourishing", "constrained", "prohibited"]
"""From the most permissive to the strictest."""

Floor = Literal[
    "floor_1_absolute",
    "floor_2_superordinate_legal",
    "floor_3_risk_reject",
    "floor_4_catastrophic",
    "floor_5_coordinate",
    "floor_6_risk_modify",
    "floor_7_superordinate_professional",
    "floor_8_flourishing",
]

MODIFY = 0.35
REJECT = 0.55
"""Default thresholds of the risk score."""

MOST_MAGNITUDE = 3


class Factor(NamedTuple):
    """One feature of risk: how much it matters (1 to 3) and how much of it there is (0 to 3)."""

    importance: int
    magnitude: int


class Verdict(msgspec.Struct, frozen=True):
    """What is to be done with a call, and how that was found.

    ``resolutions`` has one entry for each norm, in their order; ``trail`` their axioms, then the deciding floor.
    """

    judgement: Judgement
    floor: Floor
    risk: float
    resolutions: tuple[Resolution, ...]

    @property
    def trail(self) -> tuple[str, ...]:
        """Axioms in the order they were applied, then the floor."""
        return (*(found.axiom for found in self.resolutions), self.floor)


def risk_score(factors: Sequence[Factor]) -> float:
    """D': the share, 0 to 1, of the most that all factors together could amount to; 0 without factors."""
    most = sum(factor.importance * MOST_MAGNITUDE for factor in factors)
    return sum(factor.importance * factor.magnitude for factor in factors) / most if most else 0.0


def judge(
    user: Norm,
    system: Sequence[Norm],
    *,
    risk: float = 0.0,
    catastrophic: bool = False,
    modify: float = MODIFY,
    reject: float = REJECT,
) -> Verdict:
    """Weigh every system norm against the user's and find the floor; pure.

    ``risk`` is a :func:`risk_score`; ``catastrophic`` says that the worst outcome could not be lived with.
    """
    resolutions = tuple(resolve(user, norm) for norm in system)
    above = [
        LEVELS[norm.level] for norm, found in zip(system, resolutions, strict=True) if found.conflict == "superordinate"
    ]
    equals = sum(found.conflict == "coordinate" for found in resolutions)
    absolute = any(found.conflict == "absolute" for found in resolutions)
    floors: tuple[tuple[bool, Judgement, Floor], ...] = (
        (absolute, "prohibited", "floor_1_absolute"),
        (any(level >= LEVELS["legal"] for level in above), "prohibited", "floor_2_superordinate_legal"),
        (risk >= reject, "prohibited", "floor_3_risk_reject"),
        (catastrophic and bool(above), "constrained", "floor_4_catastrophic"),
        (equals >= 2, "constrained", "floor_5_coordinate"),
        (risk >= modify, "constrained", "floor_6_risk_modify"),
        (any(_professional(level) for level in above), "constrained", "floor_7_superordinate_professional"),
    )
    for holds, judgement, floor in floors:
        if holds:
            return Verdict(judgement, floor, risk, resolutions)
    return Verdict("flourishing", "floor_8_flourishing", risk, resolutions)


def _professional(level: int) -> bool:
    return LEVELS["professional_ethics"] <= level <= LEVELS["safety_physical"]
