"""Task state: hypothesis, inspected files, open questions, next steps, and where they contradict what was observed."""

from __future__ import annotations

from terret.state._contradictions import RULES, Contradiction, contradictions, find_contradictions
from terret.state._facts import Refutation, StateFacts, facts_of
from terret.state._state import ALIASES, TaskState, apply, fold, render

__all__ = [
    "ALIASES",
    "RULES",
    "Contradiction",
    "Refutation",
    "StateFacts",
    "TaskState",
    "apply",
    "contradictions",
    "facts_of",
    "find_contradictions",
    "fold",
    "render",
]
