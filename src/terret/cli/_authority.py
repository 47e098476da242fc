"""What an agent is given and held to besides its task: capabilities, a guard, a charter and mandates."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from terret.errors import ConfigError

if TYPE_CHECKING:
    from terret.permissions import GrantSpec

F = TypeVar("F")

NAMES = ("grants", "denials", "grant_file", "guard", "norms", "mandates", "mandated", "trusted")
"""The options, by the names of their values."""

_FILE = click.Path(path_type=Path)


def authority_options(body: F) -> F:
    """The options that :func:`authority_of` reads."""
    options: list[Any] = [
        click.option("--grant", "grants", multiple=True, metavar="WHAT", help="RESOURCE=RIGHTS[;uses=N][;ttl=S]."),
        click.option("--deny", "denials", multiple=True, metavar="WHAT", help="RESOURCE[=RIGHTS]; beats every grant."),
        click.option("--grant-file", type=_FILE, metavar="FILE", help="A file of grants."),
        click.option("--guard", metavar="FILE", help="Watch for injected instructions: a configuration, or default."),
        click.option("--norms", type=_FILE, metavar="FILE", help="A charter of norms that can only tighten."),
        click.option("--mandate", "mandates", type=_FILE, multiple=True, metavar="FILE", help="A mandate to spend."),
        click.option("--mandated", multiple=True, metavar="NAME", help="A primitive that needs a mandate: shell.*"),
        click.option("--trust", "trusted", multiple=True, metavar="KEY", help="Whose mandates count too, in hex."),
    ]
    wrapped: Any = body
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


@contextmanager
def authority_of(options: Mapping[str, Any]) -> Generator[dict[str, Any], None, None]:
    """What :func:`terret.runtime.run_episode` takes for the options that were given.

    Raises:
        ConfigError: One of them is malformed, or a file cannot be used.
    """
    found: dict[str, Any] = {}
    with ExitStack() as stack:
        grants = _grants(options)
        if grants:
            found["capabilities"] = grants
        if options.get("guard") is not None:
            from terret.guard import Guard, load_guard

            found["hooks"] = Guard(load_guard(options["guard"]))
        if options.get("norms") is not None:
            from terret.norms import load_charter

            found["norms"] = load_charter(options["norms"])
        mandates, mandated = options.get("mandates") or (), options.get("mandated") or ()
        if mandates or mandated:
            from terret.cli._mandates import gate_of

            found["mandates"] = stack.enter_context(gate_of(mandates, mandated, options.get("trusted") or ()))
        elif options.get("trusted"):
            raise ConfigError("--trust without mandates", value=options["trusted"][0], hint="add --mandate FILE")
        yield found


def _grants(options: Mapping[str, Any]) -> list[GrantSpec]:
    from terret.permissions import load_grants, parse_grant

    file = options.get("grant_file")
    found = [] if file is None else load_grants(file)
    if file is not None and not found:
        raise ConfigError("the file holds no grants", where=str(file), hint="an agent without any could do nothing")
    found += [parse_grant(text) for text in options.get("grants") or ()]
    return found + [parse_grant(text, "deny") for text in options.get("denials") or ()]
