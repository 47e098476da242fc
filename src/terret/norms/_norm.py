"""Norms: how much a proposition weighs, how strongly it is meant, and whether it can be met at all."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

Level = Literal[
    "ethical_moral",
    "legal",
    "safety_physical",
    "privacy_data",
    "intellectual_honesty",
    "professional_ethics",
    "user_autonomy",
    "transparency",
    "proportionality",
    "efficiency",
    "courtesy",
    "stylistic",
    "aesthetic",
    "operational",
]
"""What kind of norm it is, the weightiest first."""

Operator = Literal["required", "ought", "indifferent"]
"""How strongly it is meant, the strongest first."""

Modality = Literal["possible", "impossible"]
"""Whether it can be met."""

LEVELS: dict[Level, int] = dict(
    zip(
        get_args(Level),
        (6000, 5000, 4500, 4000, 3500, 3000, 2500, 2000, 1500, 1000, 750, 500, 250, 100),
        strict=True,
    )
)
"""The weight of each level."""

OPERATORS: dict[Operator, int] = {"required": 3, "ought": 2, "indifferent": 1}
"""The strength of each operator."""


class Norm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One proposition about what should be.

    The user's stands for what a call is meant to achieve, a system's for what the call would go against.
    """

    level: Level
    operator: Operator
    modality: Modality = "possible"

    def __str__(self) -> str:
        """``legal, required``, and ``impossible`` where it is."""
        return f"{self.level}, {self.operator}" + (", impossible" if self.modality == "impossible" else "")
