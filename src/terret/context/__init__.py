"""Context selection: what a repository holds, which of it a task needs, and whether what was offered was used."""

from __future__ import annotations

from terret.context._affordances import Planned, Stale, affordances, plan, stale
from terret.context._compact import Compaction, compact
from terret.context._guides import guides
from terret.context._imports import import_graph
from terret.context._influence import influenced
from terret.context._outline import outline
from terret.context._rank import rank
from terret.context._repo import Reader, Repo
from terret.context._span import Span
from terret.context._symbol import Symbol

__all__ = [
    "Compaction",
    "Planned",
    "Reader",
    "Repo",
    "Span",
    "Stale",
    "Symbol",
    "affordances",
    "compact",
    "guides",
    "import_graph",
    "influenced",
    "outline",
    "plan",
    "rank",
    "stale",
]
