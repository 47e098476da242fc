"""Intervention recording: requests to a person, their answers, and which missing harness they stood in for."""

from __future__ import annotations

from terret.intervention._classify import Judgement, classify
from terret.intervention._files import FileQueue, file_name
from terret.intervention._metrics import Avoidable, avoidable_share, m_hir, record
from terret.intervention._request import (
    Form,
    HumanAnswer,
    HumanInput,
    HumanQueue,
    HumanRequest,
    NoHuman,
    Scope,
    remark,
)
from terret.intervention._rules import BURDEN, RESPONSIBILITIES, RULES, Rule
from terret.intervention._terminal import TerminalQueue

__all__ = [
    "BURDEN",
    "RESPONSIBILITIES",
    "RULES",
    "Avoidable",
    "FileQueue",
    "Form",
    "HumanAnswer",
    "HumanInput",
    "HumanQueue",
    "HumanRequest",
    "Judgement",
    "NoHuman",
    "Rule",
    "Scope",
    "TerminalQueue",
    "avoidable_share",
    "classify",
    "file_name",
    "m_hir",
    "record",
    "remark",
]
