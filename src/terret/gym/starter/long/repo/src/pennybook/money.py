"""Amounts of money, in cents."""

import re

_AMOUNT = re.compile(r"(-?)(\d+)(?:\.(\d{1,2}))?")


def parse_amount(text: str) -> int:
    """The cents of an amount such as ``12.40``, ``640`` or ``-3.5``.

    Raises:
        ValueError: The text is no amount.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError(f"not an amount: {text!r}")
    whole, part = match[2], match[3]
    cents = int(whole) * 100 + int(part or 0)
    return -cents if match[1] and int(whole) else cents


def format_amount(cents: int) -> str:
    """An amount with two decimals."""
    return f"{cents // 100}.{cents % 100:02}"
