"""terret: a runtime substrate for software agents.

Everything public is imported on first use, so ``import terret`` stays cheap.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False  # importing ``typing`` would be most of the cost of importing terret

if TYPE_CHECKING:
    from terret.errors import TerretError
    from terret.runtime import Episode, VerifyReport, resume, run, verify
    from terret.task import Task, load_task

_HOME = {
    "Episode": "terret.runtime",
    "Task": "terret.task",
    "TerretError": "terret.errors",
    "VerifyReport": "terret.runtime",
    "load_task": "terret.task",
    "resume": "terret.runtime",
    "run": "terret.runtime",
    "verify": "terret.runtime",
}

__all__ = ["Episode", "Task", "TerretError", "VerifyReport", "__version__", "load_task", "resume", "run", "verify"]


def __getattr__(name: str) -> object:
    """Import a public name from its room on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
