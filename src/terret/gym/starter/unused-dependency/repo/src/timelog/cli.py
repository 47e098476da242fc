"""``python -m timelog [--color] FILE``"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from timelog.entries import LogError, read_entries
from timelog.report import hours_by_project, render


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="timelog", description="Hours per project.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--color", action="store_true", help="needs the extra 'color'")
    options = parser.parse_args(arguments)
    try:
        text = render(hours_by_project(read_entries(options.file.read_text(encoding="utf-8"))))
    except LogError as error:
        print(f"{options.file}: {error}", file=sys.stderr)
        return 1
    if options.color:
        from rich import print as print_in_color

        print_in_color(text)
    else:
        print(text)
    return 0
