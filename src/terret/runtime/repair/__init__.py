"""Deterministic repair operators: a labelled source of candidates beside the model."""

from __future__ import annotations

from terret.runtime.repair._candidates import PRIOR, Candidate, candidates

__all__ = ["PRIOR", "Candidate", "candidates"]
