"""``terret submit``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from terret.cli._fleet import fleet_options, open_fleet
from terret.cli._options import agent_options, sampling, split, with_budget
from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS
from terret.errors import ConfigError


@click.command("submit", short_help=COMMANDS["submit"])
@click.argument("task", type=click.Path(path_type=Path), required=False)
@fleet_options
@click.option("--tenant", default="default", show_default=True, metavar="NAME", help="Whose limit it counts against.")
@click.option("--priority", type=int, default=100, show_default=True, help="1 (first) to 1000, within a tenant.")
@click.option("--id", "name", metavar="ID", help="The episode's id; submitting the same id again changes nothing.")
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="How many episodes of the task.")
@click.option("--again", metavar="ID", help="Instead of a task: put a cancelled episode back; it goes on.")
@click.option("--durability", type=click.Choice(["normal", "full"]), default="normal", show_default=True)
@agent_options
@output_options
def command(
    out: Output,
    task: Path | None,
    store: str | None,
    fleet: str,
    tenant: str,
    priority: int,
    name: str | None,
    count: int,
    again: str | None,
    **options: Any,
) -> int:
    """Put the episode of a TASK file into the queue of a fleet; prints its id.

    The repository travels with it, named by its content: workers need nothing of this machine. Look with
    `terret ps --store URL`, get the package with `terret fetch ID`.
    """
    if (task is None) == (again is None):
        raise ConfigError("give a TASK, or --again ID", value=again)
    if name is not None and count > 1:
        raise ConfigError("--id names one episode", value=count, hint="drop --count")
    with open_fleet(store, fleet) as found:
        if task is None:
            made = [found.requeue(again or "").id]
        else:
            from terret.task import load_task

            loaded = with_budget(load_task(task), options["budgets"])
            drawn = sampling(options["temperature"], options["max_tokens"], options["seed"])
            made = [
                found.submit(
                    loaded,
                    base_folder=task.parent,
                    tenant=tenant,
                    priority=priority,
                    episode=name,
                    level=options["level"].upper(),
                    image=options["image"],
                    dialect=options["dialect"],
                    seed=options["seed"],
                    sampling=_plain(drawn),
                    durability=options["durability"],
                    ablations=split(options["ablations"]),
                )
                for _ in range(count)
            ]
    for line in made:
        out.line(line)
    out.document({"episodes": made, "tenant": tenant, "priority": priority})
    return 0


def _plain(drawn: Any) -> Any:
    import msgspec

    return None if drawn is None else msgspec.to_builtins(drawn)
