"""Action dialects: how a model writes actions, read strictly and refused precisely."""

from __future__ import annotations

from terret.errors import ConfigError
from terret.models.dialects._action import REASONS, Action, Dialect, FormatError
from terret.models.dialects._bash import BashDialect
from terret.models.dialects._calls import check_arguments
from terret.models.dialects._edit import EditDialect
from terret.models.dialects._fenced_json import JsonDialect
from terret.models.dialects._file import FileDialect
from terret.models.dialects._paths import workspace_path
from terret.models.dialects._tools import ToolsDialect

__all__ = [
    "DIALECTS",
    "REASONS",
    "Action",
    "Dialect",
    "FormatError",
    "check_arguments",
    "dialect",
    "workspace_path",
]

DIALECTS = ("tools", "json", "bash", "edit", "file")
"""The names of all dialects."""


def dialect(name: str, *, default_path: str | None = None) -> Dialect:
    """The dialect of that name.

    Args:
        name: One of :data:`DIALECTS`.
        default_path: For ``edit`` and ``file``: the file of a block without a path.

    Raises:
        ConfigError: There is no such dialect.
    """
    match name:
        case "tools":
            return ToolsDialect()
        case "json":
            return JsonDialect()
        case "bash":
            return BashDialect()
        case "edit":
            return EditDialect(default_path)
        case "file":
            return FileDialect(default_path)
        case _:
            raise ConfigError("unknown dialect", value=name, hint="use one of " + ", ".join(DIALECTS))
