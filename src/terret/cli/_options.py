"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from terret.errors import ConfigError

if TYPE_CHECKING:
    from terret.models import Sampling
    from terret.task import Task

_STORE = "Keep the journal in PostgreSQL, for any machine to go on: postgresql://USER@HOST/NAME."

F = TypeVar("F")

TIERS = ("full", "rlimit", "none")


def agent_options(body: F) -> F:
    """How the agent is set up: level, style, seed, sampling, budget."""
    options = [
        click.option("--level", default="H1", show_default=True, metavar="H0..H3", help="How much support it gets."),
        click.option("--image", metavar="NAME", help="Agent style; the model's own choice by default."),
        click.option("--dialect", metavar="NAME", help="Action format: tools, json, bash, edit or file."),
        click.option("--seed", type=int, default=0, show_default=True, help="Seed of the run and of sampling."),
        click.option("--temperature", type=click.FloatRange(0, 2), help="Sampling temperature [default: 0]."),
        click.option("--max-tokens", type=click.IntRange(1), help="Longest reply in tokens [default: 1024]."),
        click.option("--budget", "budgets", multiple=True, metavar="NAME=N", help="Override a budget: steps=20."),
        click.option("--ablate", "ablations", multiple=True, metavar="NAME", help="Switch one responsibility off."),
    ]
    return _apply(body, options)


def machine_options(body: F) -> F:
    """Where the episode lives and how it is isolated."""
    options = [
        click.option("--durability", type=click.Choice(["normal", "full"]), default="normal", show_default=True),
        click.option("--tier", type=click.Choice(TIERS), help="Isolation to use; the best there is by default."),
        click.option("--no-sandbox", is_flag=True, help="Run without isolation (tier none); the package will say so."),
    ]
    return _apply(body, options)


def store_option(body: F) -> F:
    """Where the journal lives."""
    return _apply(body, [click.option("--store", envvar="TERRET_STORE", metavar="URL", help=_STORE)])


def sequence_options(body: F) -> F:
    """How the tasks of a sequence depend on one another."""
    options = [
        click.option(
            "--on-failure",
            type=click.Choice(["continue", "stop"]),
            default="continue",
            show_default=True,
            help="Go on from the last good state, or end the sequence.",
        ),
        click.option("--no-memory", is_flag=True, help="No task learns from the ones before."),
    ]
    return _apply(body, options)


def memory_option(body: F) -> F:
    """Whether the episodes of a run learn from one another."""
    option = click.option(
        "--memory",
        type=click.Choice(["fresh", "shared"]),
        default="fresh",
        show_default=True,
        help="Project memory: none from other episodes, or shared by those of one model, level and repository.",
    )
    return _apply(body, [option])


def isolation(tier: str | None, no_sandbox: bool) -> tuple[str | None, bool]:
    """The tier to ask for, and whether having none is allowed.

    Raises:
        ConfigError: The two options contradict each other.
    """
    if no_sandbox and tier not in (None, "none"):
        raise ConfigError("--no-sandbox contradicts --tier", value=tier, hint="drop one of them")
    return ("none", True) if no_sandbox or tier == "none" else (tier, False)


def with_budget(task: Task, settings: Iterable[str]) -> Task:
    """The task with some of its budget replaced by ``NAME=N`` settings, which may also be joined by commas.

    Raises:
        ConfigError: A name is no budget, or a value is no positive number.
    """
    import msgspec

    names = {field.name: field.type for field in msgspec.structs.fields(type(task.budget))}
    changes: dict[str, Any] = {}
    for setting in split(settings):
        name, _, text = setting.partition("=")
        if name not in names:
            raise ConfigError("--budget names no budget", value=setting, hint="use one of " + ", ".join(names))
        changes[name] = _number(setting, text, whole=names[name] is int)
    if not changes:
        return task
    return msgspec.structs.replace(task, budget=msgspec.structs.replace(task.budget, **changes))


def split(settings: Iterable[str]) -> list[str]:
    """The parts of settings that may be repeated or joined by commas."""
    return [part for text in settings for part in text.split(",") if part]


def sampling(temperature: float | None, max_tokens: int | None, seed: int) -> Sampling | None:
    """The sampling asked for; ``None`` leaves it to the agent style."""
    if temperature is None and max_tokens is None:
        return None
    from terret.models import Sampling

    default = Sampling()
    return Sampling(
        temperature=default.temperature if temperature is None else temperature,
        max_tokens=max_tokens or default.max_tokens,
        seed=seed,
    )


def episode_options(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """What every episode of a run gets besides task, model and level: :func:`agent_options`, :func:`machine_options`.

    Raises:
        ConfigError: The options contradict each other, or the signing key cannot be used.
    """
    from terret.journal import SigningKey, default_key_path
    from terret.runtime import environment_scrubber

    tier, allow_none = isolation(options["tier"], options["no_sandbox"])
    return {
        "key": SigningKey.load_or_create(default_key_path()),
        "durability": options["durability"],
        "tier": tier,
        "allow_none": allow_none,
        "image": options["image"],
        "dialect_name": options["dialect"],
        "sampling": sampling(options["temperature"], options["max_tokens"], seed),
        "scrubber": environment_scrubber(),
    }


def _number(setting: str, text: str, *, whole: bool) -> float:
    try:
        number = int(text.replace("_", "")) if whole else float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"--budget needs {kind} above zero", value=setting, hint="write --budget steps=20")
    return number


def _apply(body: F, options: list[Any]) -> F:
    for option in reversed(options):
        body = option(body)
    return body
