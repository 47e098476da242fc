"""``python -m slots OPENING BOOKING...``"""

import argparse
from collections.abc import Sequence

from slots.gaps import free_intervals
from slots.interval import Interval, parse_interval
from slots.merge import merge_intervals


def _line(label: str, intervals: Sequence[Interval]) -> str:
    return f"{label} {', '.join(map(str, intervals)) or 'none'}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="slots", description="Busy and free time of a meeting room.")
    parser.add_argument("opening", type=parse_interval, help="opening time, such as 08:00-18:00")
    parser.add_argument("bookings", type=parse_interval, nargs="*", help="bookings in any order")
    options = parser.parse_args(arguments)
    print(_line("busy", merge_intervals(options.bookings)))
    print(_line("free", free_intervals(options.opening, options.bookings)))
    return 0
