"""Primitives: the one way an agent process, its tools and their tools reach the world."""

from __future__ import annotations

from terret.runtime.primitives._agent import agent, delegate
from terret.runtime.primitives._names import Namespaces
from terret.runtime.primitives._process import ProcessPrimitives
from terret.runtime.primitives._providers import (
    Checkpoints,
    Faulty,
    Files,
    KeptTexts,
    Memory,
    Providers,
    Secret,
    Snapshots,
)
from terret.runtime.primitives._registered import register_tool

__all__ = [
    "Checkpoints",
    "Faulty",
    "Files",
    "KeptTexts",
    "Memory",
    "Namespaces",
    "ProcessPrimitives",
    "Providers",
    "Secret",
    "Snapshots",
    "agent",
    "delegate",
    "register_tool",
]
