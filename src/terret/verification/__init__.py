"""Verification: the evaluator, the search for weakened tests, the outcome rule, and its signed statement."""

from __future__ import annotations

from terret.verification._adjudicate import adjudicate, functional_pass, uncovered
from terret.verification._check import judge, run_check, timed
from terret.verification._dsse import dsse, pae, verify_dsse
from terret.verification._evaluate import evaluate
from terret.verification._failure_code import failure_code
from terret.verification._results import (
    CheckResult,
    CheckType,
    Evaluation,
    Facts,
    FailureCode,
    Finding,
    Label,
    Severity,
    Verdict,
)
from terret.verification._statement import statement
from terret.verification._weakening import find_weakening

__all__ = [
    "CheckResult",
    "CheckType",
    "Evaluation",
    "Facts",
    "FailureCode",
    "Finding",
    "Label",
    "Severity",
    "Verdict",
    "adjudicate",
    "dsse",
    "evaluate",
    "failure_code",
    "find_weakening",
    "functional_pass",
    "judge",
    "pae",
    "run_check",
    "statement",
    "timed",
    "uncovered",
    "verify_dsse",
]
