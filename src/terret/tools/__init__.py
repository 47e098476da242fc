"""Tool access: tools declared as typed functions over the primitives, and the built-in ones."""

from __future__ import annotations

from terret.tools._change import preview
from terret.tools._condense import condense
from terret.tools._declare import Tool, tool
from terret.tools._registry import registry
from terret.tools._result import Finished, FolderEntry, Primitives, ToolFailure, ToolResult
from terret.tools._syntax import syntax_note

__all__ = [
    "Finished",
    "FolderEntry",
    "Primitives",
    "Tool",
    "ToolFailure",
    "ToolResult",
    "condense",
    "preview",
    "registry",
    "syntax_note",
    "tool",
]
