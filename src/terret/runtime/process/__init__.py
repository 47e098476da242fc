"""Agent processes: their states, authority, shared budgets, messages and supervisors."""

from __future__ import annotations

from terret.runtime.process._account import Account, Hold
from terret.runtime.process._beginnings import Record
from terret.runtime.process._mailbox import MAILBOX, Mailbox, Message
from terret.runtime.process._past import Slot, Story, stories
from terret.runtime.process._process import AgentProcess, folder
from terret.runtime.process._status import (
    MOVES,
    SIGNALS,
    TERMINAL,
    WAITING,
    End,
    Lease,
    Signal,
    Status,
    Token,
    Wait,
    WaitKind,
)
from terret.runtime.process._supervisor import Child, Intensity, Restart, Strategy, Supervision, Supervisor
from terret.runtime.process._table import ProcessTable

__all__ = [
    "MAILBOX",
    "MOVES",
    "SIGNALS",
    "TERMINAL",
    "WAITING",
    "Account",
    "AgentProcess",
    "Child",
    "End",
    "Hold",
    "Intensity",
    "Lease",
    "Mailbox",
    "Message",
    "ProcessTable",
    "Record",
    "Restart",
    "Signal",
    "Slot",
    "Status",
    "Story",
    "Strategy",
    "Supervision",
    "Supervisor",
    "Token",
    "Wait",
    "WaitKind",
    "folder",
    "stories",
]
