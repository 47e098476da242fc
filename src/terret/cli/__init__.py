"""The command line: one file a command, imported when that command runs.

``terret --help`` and ``terret --version`` are answered from a table without importing click.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors are one line on stderr.

    Args:
        argv: Arguments without the program name; ``sys.argv[1:]`` by default.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    from terret.cli._table import quick_answer

    text = quick_answer(args)
    if text is None:
        from terret.cli._app import execute

        return execute(args)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        from terret.cli._errors import silence_stdout

        return silence_stdout()
    return 0
