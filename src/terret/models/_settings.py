"""Settings: the process environment, completed by a ``.env`` file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from terret.errors import ConfigError

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'[^']*')\s*(?:#.*)?""")
_ESCAPE = re.compile(r"\\(.)")
_OURS = ("OPENAI_", "TERRET_")
_ENDPOINTS = {"OPENAI_BASE_URL": "OPENAI_API_KEY"}


def load_settings(folder: Path, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment over the ``OPENAI_*`` and ``TERRET_*`` lines of a folder's ``.env``; other lines are not read.

    Raises:
        ConfigError: Such a line is malformed, or would send a key of the environment to an address of its own.
    """
    environment = os.environ if environment is None else environment
    path = folder / ".env"
    if not path.is_file():
        return dict(environment)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the settings file cannot be read: {error}", where=str(path)) from None
    own = parse_env(text, str(path), _OURS)
    for address, key in _ENDPOINTS.items():
        # A folder from elsewhere must not be able to draw the caller's key to its own server.
        if address in own and address not in environment and key in environment:
            raise ConfigError(
                f"{address} comes from the settings file but {key} from the environment",
                where=str(path),
                hint="set both in the same place",
            )
    return {**own, **environment}


def parse_env(text: str, where: str = ".env", prefixes: tuple[str, ...] = ("",)) -> dict[str, str]:
    r"""The settings of a ``.env`` text whose names start with one of ``prefixes``.

    A line is ``KEY=VALUE``, optionally after ``export``; empty lines and lines starting with ``#`` are skipped. An
    unquoted value ends before `` #``; a value in single quotes is literal; in double quotes ``\n``, ``\t``, ``\"``
    and ``\\`` are escapes. Nothing is expanded. A later line wins.

    Raises:
        ConfigError: A line is none of these. Its content is not shown: it may be a secret.
    """
    found: dict[str, str] = {}
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#") or not line.removeprefix("export").lstrip().startswith(prefixes):
            continue
        match = _LINE.fullmatch(line)
        value = _value(match[2]) if match else None
        if match is None or value is None:
            raise ConfigError("the line is not a setting", where=f"{where}:{number}", hint="write KEY=VALUE")
        found[match[1]] = value
    return found


def _value(raw: str) -> str | None:
    if raw[:1] not in ("'", '"'):
        return re.split(r"\s+#", raw, maxsplit=1)[0] if not raw.startswith("#") else ""
    match = _QUOTED.fullmatch(raw)
    if match is None:
        return None
    inner = match[1][1:-1]
    if raw[0] == "'":
        return inner
    return _ESCAPE.sub(lambda found: {"n": "\n", "t": "\t", "r": "\r"}.get(found[1], found[1]), inner)
