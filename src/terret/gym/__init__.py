"""Suites of tasks: reading them, proving that they measure something, running them, and adding up what came of it."""

from __future__ import annotations

from terret.gym._rows import Rate, Row, Summary, summarise, table, wilson
from terret.gym._run import read_rows, run_suite
from terret.gym._suite import Suite, SuiteTask, load_suite, suites
from terret.gym._validate import Validation, validate

__all__ = [
    "Rate",
    "Row",
    "Suite",
    "SuiteTask",
    "Summary",
    "Validation",
    "load_suite",
    "read_rows",
    "run_suite",
    "suites",
    "summarise",
    "table",
    "validate",
    "wilson",
]
