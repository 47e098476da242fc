"""Reads a settings file and checks it against the schema."""

import tomllib
from pathlib import Path

from relay.schema import SETTINGS


class SettingsError(ValueError):
    """A file that cannot be used; ``problems`` are all of them, one line each."""

    def __init__(self, problems):
        super().__init__("; ".join(problems))
        self.problems = problems


def load_settings(path):
    """The settings of a file by dotted name, defaults filled in."""
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"not TOML: {error}"]) from None
    return check(dict(_flatten(document)))


def check(given):
    """Settings by dotted name, checked, defaults filled in."""
    settings = {}
    problems = [f"{name}: unknown setting" for name in given if name not in SETTINGS]
    for name, (kind, default) in SETTINGS.items():
        if name not in given:
            if default is None:
                problems.append(f"{name}: missing")
            settings[name] = default
            continue
        try:
            settings[name] = kind(given[name])
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise SettingsError(problems)
    return settings


def _flatten(table, prefix=""):
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
