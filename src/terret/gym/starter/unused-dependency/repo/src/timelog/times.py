"""Moments of time, as the log writes them."""

from datetime import UTC, datetime

from dateutil.parser import isoparse


def parse_moment(text: str) -> datetime:
    """The moment of an ISO 8601 text, in UTC; a text without offset is UTC already.

    Raises:
        ValueError: The text is not ISO 8601.
    """
    moment = isoparse(text)
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)
