"""Kinds of settings: each turns a TOML value into a checked one or raises ValueError."""

UNITS = {"s": 1, "m": 60, "h": 3600}


def text(value):
    if not isinstance(value, str) or not value:
        raise ValueError(f"not a text: {value!r}")
    return value


def whole(least, most):
    """The kind of whole numbers from ``least`` to ``most``."""

    def kind(value):
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"not a whole number from {least} to {most}: {value!r}")
        return value

    return kind


def duration(value):
    """Seconds, as a float."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and value[-1:] in UNITS and value[:-1].isdigit():
        seconds = float(int(value[:-1]) * UNITS[value[-1:]])
    else:
        raise ValueError(f"not a duration: {value!r}")
    if seconds <= 0:
        raise ValueError(f"a duration is longer than zero: {value!r}")
    return seconds
