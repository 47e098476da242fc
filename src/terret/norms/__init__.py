"""Norms: a deterministic calculus of conflicting obligations, as a policy whose every answer has an axiom trail."""

from __future__ import annotations

from terret.norms._charter import Charter, Clause, Risk, load_charter, parse_charter
from terret.norms._judge import MODIFY, REJECT, Factor, Floor, Judgement, Verdict, judge, risk_score
from terret.norms._norm import LEVELS, OPERATORS, Level, Modality, Norm, Operator
from terret.norms._policy import Decided, Decider, NormDecision, NormPolicy, Strictest
from terret.norms._resolve import Axiom, Conflict, Resolution, resolve

__all__ = [
    "LEVELS",
    "MODIFY",
    "OPERATORS",
    "REJECT",
    "Axiom",
    "Charter",
    "Clause",
    "Conflict",
    "Decided",
    "Decider",
    "Factor",
    "Floor",
    "Judgement",
    "Level",
    "Modality",
    "Norm",
    "NormDecision",
    "NormPolicy",
    "Operator",
    "Resolution",
    "Risk",
    "Strictest",
    "Verdict",
    "judge",
    "load_charter",
    "parse_charter",
    "resolve",
    "risk_score",
]
