"""Suites of tasks: reading them, proving that they measure something, running them, and adding up what came of it."""

from __future__ import annotations

from terret.gym._html import report_html
from terret.gym._ladder_card import SPLITS, claim, harness_card, suite_digest
from terret.gym._ladder_cells import Cell, CellResult, plan
from terret.gym._ladder_models import ModelPool, scripted_model
from terret.gym._ladder_report import Ladder, gather, ladder_table
from terret.gym._ladder_report import document as ladder_document
from terret.gym._ladder_run import CellRunner, LadderSettings, run_cells
from terret.gym._memory import MemoryMode, shared_memory
from terret.gym._metrics import EpisodeMetrics, read_metrics
from terret.gym._metrics_evidence import EVIDENCE, PAPER_TABLE_5
from terret.gym._metrics_stats import bootstrap, mcnemar, sign_flip
from terret.gym._metrics_totals import (
    METRICS,
    Comparison,
    Figure,
    Metric,
    Totals,
    compare,
    figures,
    total,
    with_company,
)
from terret.gym._rows import Rate, Row, Summary, summarise, table, wilson
from terret.gym._run import read_rows, run_suite
from terret.gym._sequence import RECORD as SEQUENCE_RECORD
from terret.gym._sequence import SequenceClosed, SequenceOpened, State, TaskEnded
from terret.gym._sequence_report import sequence_document, sequence_html, sequence_table
from terret.gym._sequence_run import SequenceResult, SequenceSettings, run_sequence
from terret.gym._sequence_verify import SequenceReport, verify_sequence
from terret.gym._suite import Suite, SuiteTask, load_suite, suites
from terret.gym._validate import Validation, validate

__all__ = [
    "EVIDENCE",
    "METRICS",
    "PAPER_TABLE_5",
    "SEQUENCE_RECORD",
    "SPLITS",
    "Cell",
    "CellResult",
    "CellRunner",
    "Comparison",
    "EpisodeMetrics",
    "Figure",
    "Ladder",
    "LadderSettings",
    "MemoryMode",
    "Metric",
    "ModelPool",
    "Rate",
    "Row",
    "SequenceClosed",
    "SequenceOpened",
    "SequenceReport",
    "SequenceResult",
    "SequenceSettings",
    "State",
    "Suite",
    "SuiteTask",
    "Summary",
    "TaskEnded",
    "Totals",
    "Validation",
    "bootstrap",
    "claim",
    "compare",
    "figures",
    "gather",
    "harness_card",
    "ladder_document",
    "ladder_table",
    "load_suite",
    "mcnemar",
    "plan",
    "read_metrics",
    "read_rows",
    "report_html",
    "run_cells",
    "run_sequence",
    "run_suite",
    "scripted_model",
    "sequence_document",
    "sequence_html",
    "sequence_table",
    "shared_memory",
    "sign_flip",
    "suite_digest",
    "suites",
    "summarise",
    "table",
    "total",
    "validate",
    "verify_sequence",
    "wilson",
    "with_company",
]
