"""Days and months."""

from datetime import date

try:
    from dateutil.parser import isoparse
except ImportError:  # the old image has none
    isoparse = None


def parse_day(text: str) -> date:
    """The day of an ISO 8601 date.

    Raises:
        ValueError: The text is no date.
    """
    if isoparse is not None:
        return isoparse(text).date()
    return date.fromisoformat(text)


def month_of(day: date) -> str:
    """The month of a day, as ``2026-03``."""
    return f"{day:%Y-%m}"
