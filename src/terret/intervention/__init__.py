"""Intervention recording: requests to a person, their answers, and which missing harness they stood in for."""

from __future__ import annotations

from terret.intervention._classify import Judgement, classify
from terret.intervention._files import FileQueue, file_name
from terret.intervention._metrics import Avoidable, avoidable_share, m_hir, record
from terret.intervention._orders import ORDERS, FolderOrders, Order, OrderKind, Orders, place_order
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
    "ORDERS",
    "RESPONSIBILITIES",
    "RULES",
    "Avoidable",
    "FileQueue",
    "FolderOrders",
    "Form",
    "HumanAnswer",
    "HumanInput",
    "HumanQueue",
    "HumanRequest",
    "Judgement",
    "NoHuman",
    "Order",
    "OrderKind",
    "Orders",
    "Rule",
    "Scope",
    "TerminalQueue",
    "avoidable_share",
    "classify",
    "file_name",
    "m_hir",
    "place_order",
    "record",
    "remark",
]
