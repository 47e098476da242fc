"""Deterministic repair operators: a labelled source of candidates beside the model, and the choice among candidates."""

from __future__ import annotations

from terret.runtime.repair._candidates import PRIOR, Candidate, candidates
from terret.runtime.repair._choose import MODEL_WEIGHT, Plausible, choose, undecided
from terret.runtime.repair._probe import Answers, examples, probe_plan, probed
from terret.runtime.repair._trial import TrialPlan, passed, plan

__all__ = [
    "MODEL_WEIGHT",
    "PRIOR",
    "Answers",
    "Candidate",
    "Plausible",
    "TrialPlan",
    "candidates",
    "choose",
    "examples",
    "passed",
    "plan",
    "probe_plan",
    "probed",
    "undecided",
]
