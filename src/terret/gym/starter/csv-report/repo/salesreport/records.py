"""Typed records of the rows of an export."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

COLUMNS = ["customer", "date", "amount"]


class RecordError(ValueError):
    """A row that cannot be used; the message starts with its line."""


@dataclass(frozen=True)
class Record:
    customer: str
    date: date
    amount: Decimal


def to_records(rows):
    """The records of ``rows``, whose first is the header."""
    if not rows or rows[0].fields != COLUMNS:
        raise RecordError(f"line 1: the header must be {','.join(COLUMNS)}")
    return [_record(row) for row in rows[1:]]


def _record(row):
    if len(row.fields) != len(COLUMNS):
        raise RecordError(f"line {row.line}: expected {len(COLUMNS)} fields, got {len(row.fields)}")
    customer, day, amount = row.fields
    if not customer:
        raise RecordError(f"line {row.line}: the customer is missing")
    try:
        return Record(customer, date.fromisoformat(day), Decimal(amount))
    except InvalidOperation:
        raise RecordError(f"line {row.line}: not an amount: {amount!r}") from None
    except ValueError:
        raise RecordError(f"line {row.line}: not a date: {day!r}") from None
