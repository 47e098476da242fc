"""Failure attribution: what an output says, what it means, and which lines are suspicious."""

from __future__ import annotations

from terret.attribution._attribute import attribute
from terret.attribution._failure import Attribution, Failure, Frame, Kind
from terret.attribution._parse import CODES, parse_failures
from terret.attribution._spectrum import Coverage, CoverageReport, Suspect, TestCoverage, ochiai, suspects
from terret.attribution._tracer import coverage_runner, parse_coverage

__all__ = [
    "CODES",
    "Attribution",
    "Coverage",
    "CoverageReport",
    "Failure",
    "Frame",
    "Kind",
    "Suspect",
    "TestCoverage",
    "attribute",
    "coverage_runner",
    "ochiai",
    "parse_coverage",
    "parse_failures",
    "suspects",
]
