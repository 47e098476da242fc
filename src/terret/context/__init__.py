"""Context selection: what a repository holds, which of it a task needs, and whether what was offered was used."""

from __future__ import annotations

from terret.context._guides import guides
from terret.context._imports import import_graph
from terret.context._outline import outline
from terret.context._rank import rank
from terret.context._repo import Reader, Repo
from terret.context._span import Span
from terret.context._symbol import Symbol

__all__ = ["Reader", "Repo", "Span", "Symbol", "guides", "import_graph", "outline", "rank"]
