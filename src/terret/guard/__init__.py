"""Guard: the hooks of an episode's life, and what watches there for injected instructions and leaving secrets."""

from __future__ import annotations

from terret.guard._canonical import Canonical, canonicalise
from terret.guard._config import GuardConfig, load_guard
from terret.guard._guard import Guard
from terret.guard._model_scan import ModelScanner
from terret.guard._risk import BUMPS, Risk
from terret.guard._scan import Scan, scan
from terret.guard._types import HOOKS, PARTS, PLAIN, Decision, Finding, HookPoint, Hooks, Kind, Subject

__all__ = [
    "BUMPS",
    "HOOKS",
    "PARTS",
    "PLAIN",
    "Canonical",
    "Decision",
    "Finding",
    "Guard",
    "GuardConfig",
    "HookPoint",
    "Hooks",
    "Kind",
    "ModelScanner",
    "Risk",
    "Scan",
    "Subject",
    "canonicalise",
    "load_guard",
    "scan",
]
