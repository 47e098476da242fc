"""Reads the export of the shop."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """The fields of one row and the line of the file on which it starts, counted from 1."""

    line: int
    fields: list[str]


def read_rows(text):
    """The rows of an export, the header included."""
    return [
        Row(number, [field.strip() for field in line.split(",")])
        for number, line in enumerate(text.splitlines(), 1)
    ]
