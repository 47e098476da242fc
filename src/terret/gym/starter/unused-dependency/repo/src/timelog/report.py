"""Hours per project as text."""

from collections.abc import Iterable
from datetime import timedelta

from timelog.entries import Entry


def hours_by_project(entries: Iterable[Entry]) -> dict[str, timedelta]:
    """The time of each project, the longest first, then by name."""
    sums: dict[str, timedelta] = {}
    for entry in entries:
        sums[entry.project] = sums.get(entry.project, timedelta()) + entry.duration
    return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))


def format_hours(duration: timedelta) -> str:
    minutes = int(duration.total_seconds() // 60)
    return f"{minutes // 60}:{minutes % 60:02}"


def render(sums: dict[str, timedelta]) -> str:
    lines = [f"{format_hours(duration):>8}  {project}" for project, duration in sums.items()]
    lines.append(f"{format_hours(sum(sums.values(), timedelta())):>8}  total")
    return "\n".join(lines)
