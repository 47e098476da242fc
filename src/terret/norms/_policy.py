"""Norms as a policy, and several policies as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol

import msgspec

from terret.norms._charter import IMPORTANCE, Charter, Clause, matcher
from terret.norms._judge import Factor, Judgement, Verdict, judge, risk_score

Effect = Literal["allow", "deny", "ask"]

EFFECTS: Final[dict[Judgement, Effect]] = {"flourishing": "allow", "constrained": "ask", "prohibited": "deny"}
"""What a judgement means for a call."""

_STRICTNESS: Final = {"allow": 0, "ask": 1, "deny": 2}


class Decided(Protocol):
    """What every policy's answer has."""

    @property
    def effect(self) -> Effect:
        """Whether the call may happen, may not, or a person has to say."""
        ...

    @property
    def rule(self) -> str:
        """Which rule says so, as ``family:detail``."""
        ...

    @property
    def reason(self) -> str:
        """Why, in one sentence."""
        ...


class Decider(Protocol):
    """A policy: pure, and safe to share between threads."""

    def decide(self, primitive: str, args: Mapping[str, Any]) -> Decided:
        """Whether ``primitive`` may act on ``args``."""
        ...


class NormDecision(msgspec.Struct, frozen=True):
    """A decision with its axiom trail.

    ``rule`` is ``norm:FLOOR``. ``trail`` has ``NORM: AXIOM`` for every norm that is about the call, in the order of the
    charter, then the floor. ``risk`` is the score.
    """

    effect: Effect
    rule: str
    reason: str
    trail: tuple[str, ...]
    risk: float


class NormPolicy:
    """Decides by a charter; pure and immutable.

    A verdict of ``flourishing`` allows, ``constrained`` asks, ``prohibited`` denies.
    """

    __slots__ = ("_norms", "_risks", "charter")

    def __init__(self, charter: Charter) -> None:
        self.charter = charter
        self._norms = [(clause, matcher(clause)) for clause in charter.norms]
        self._risks = [(risk, IMPORTANCE[risk.importance], matcher(risk)) for risk in charter.risks]

    def decide(self, primitive: str, args: Mapping[str, Any]) -> NormDecision:
        """Whether ``primitive`` may act on ``args``."""
        clauses, verdict = self.verdict(primitive, args)
        trail = [f"{clause.name}: {found.axiom}" for clause, found in zip(clauses, verdict.resolutions, strict=True)]
        return NormDecision(
            EFFECTS[verdict.judgement],
            f"norm:{verdict.floor}",
            self._reason(clauses, verdict),
            (*trail, verdict.floor),
            round(verdict.risk, 6),
        )

    def verdict(self, primitive: str, args: Mapping[str, Any]) -> tuple[list[Clause], Verdict]:
        """The norms that are about the call, and the verdict."""
        clauses = [clause for clause, matches in self._norms if matches(primitive, args)]
        factors = [
            Factor(importance, risk.magnitude if matches(primitive, args) else 0)
            for risk, importance, matches in self._risks
        ]
        return clauses, judge(
            self.charter.purpose,
            [clause.norm for clause in clauses],
            risk=risk_score(factors),
            catastrophic=any(clause.catastrophic for clause in clauses),
            modify=self.charter.modify,
            reject=self.charter.reject,
        )

    def _reason(self, clauses: list[Clause], verdict: Verdict) -> str:
        against = {
            conflict: [
                f"{clause.name} ({clause.norm})"
                for clause, found in zip(clauses, verdict.resolutions, strict=True)
                if found.conflict == conflict
            ]
            for conflict in ("absolute", "superordinate", "coordinate")
        }
        purpose = f"the purpose ({self.charter.purpose})"
        match verdict.floor:
            case "floor_1_absolute":
                return f"{', '.join(against['absolute'])} forbids it whatever it is for"
            case "floor_3_risk_reject" | "floor_6_risk_modify":
                limit = self.charter.reject if verdict.judgement == "prohibited" else self.charter.modify
                return f"the risk score {verdict.risk:.2f} is at least {limit:g}"
            case "floor_5_coordinate":
                return f"{', '.join(against['coordinate'])} weigh as much as {purpose}"
            case "floor_8_flourishing":
                return f"nothing that is about this call outweighs {purpose}"
            case _:
                worst = " and could be catastrophic" if verdict.floor == "floor_4_catastrophic" else ""
                return f"{', '.join(against['superordinate'])} outweighs {purpose}{worst}"


class Strictest:
    """Several policies as one: the strictest answer counts, the first of equally strict ones.

    Args:
        policies: At least one.
    """

    __slots__ = ("policies",)

    def __init__(self, first: Decider, *others: Decider) -> None:
        self.policies = (first, *others)

    def decide(self, primitive: str, args: Mapping[str, Any]) -> Decided:
        """The strictest of all answers; ``deny`` before ``ask`` before ``allow``."""
        answers = [policy.decide(primitive, args) for policy in self.policies]
        return max(answers, key=lambda answer: _STRICTNESS[answer.effect])
