"""Isolation tiers, sandboxed commands and sessions, and the agent's working copy with snapshot, diff and rollback."""

from __future__ import annotations

from terret.sandbox._admission import Admission, machine_admission, memory_hint
from terret.sandbox._probe import probe
from terret.sandbox._proxy import Egress
from terret.sandbox._sandbox import Sandbox
from terret.sandbox._session import Session
from terret.sandbox._strays import end_strays
from terret.sandbox._types import Command, Completed, Entry, FileChange, FileRefused, Missing, Report, Tier
from terret.sandbox._workspace import Workspace

__all__ = [
    "Admission",
    "Command",
    "Completed",
    "Egress",
    "Entry",
    "FileChange",
    "FileRefused",
    "Missing",
    "Report",
    "Sandbox",
    "Session",
    "Tier",
    "Workspace",
    "end_strays",
    "machine_admission",
    "memory_hint",
    "probe",
]
