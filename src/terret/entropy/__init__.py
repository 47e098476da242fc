"""Entropy auditing: the maintenance burdens a patch introduces, each with category, severity, place and evidence."""

from __future__ import annotations

from terret.entropy._audit import audit
from terret.entropy._burden import RULES, Burden, Category, Rule
from terret.entropy._change import Changed, Reader
from terret.entropy._contracts import Rules

__all__ = ["RULES", "Burden", "Category", "Changed", "Reader", "Rule", "Rules", "audit"]
