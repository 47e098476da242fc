"""The command line."""

import argparse
import sys
from pathlib import Path

from pennybook.entries import BookError, read_entries
from pennybook.money import format_amount
from pennybook.summary import in_month, totals


def report(options: argparse.Namespace) -> int:
    """Print the totals of a book."""
    entries = list(read_entries(Path(options.book).read_text("utf-8")))
    if options.month:
        entries = in_month(entries, options.month)
    for category, cents in totals(entries):
        print(f"{category:<20} {format_amount(cents):>12}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0 when it worked, 2 when the book cannot be used."""
    parser = argparse.ArgumentParser(prog="pennybook", description="What a household spends.")
    commands = parser.add_subparsers(required=True)
    show = commands.add_parser("report", help="totals by category")
    show.add_argument("--month", help="only this month, such as 2026-03")
    show.add_argument("book")
    show.set_defaults(run=report)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (BookError, OSError) as error:
        print(f"pennybook: {error}", file=sys.stderr)
        return 2
