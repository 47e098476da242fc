"""``terret sequence``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from terret.cli._options import agent_options, machine_options, sequence_options
from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS
from terret.errors import ConfigError

if TYPE_CHECKING:
    from terret.gym import SuiteTask


@click.command("sequence", short_help=COMMANDS["sequence"])
@click.argument("tasks", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--repo", type=click.Path(path_type=Path), help="Where to start; the first task's repository by default.")
@click.option("--model", required=True, envvar="TERRET_MODEL", metavar="SPEC", help="As in terret run.")
@sequence_options
@agent_options
@machine_options
@click.option("--out", "folder", type=click.Path(path_type=Path), required=True, help="A folder used before goes on.")
@output_options
def command(out: Output, tasks: tuple[Path, ...], repo: Path | None, folder: Path, **options: Any) -> int:
    """Run TASKS one after the other in one repository, each from what was accepted before it.

    A change is accepted when its episode is labelled a success; it is then applied and committed. After a failure the
    next task starts from the last good state. Task state and project memory are kept (from H2 on), and entropy is
    audited after each task, for its change and for all changes together. `--model scripted` plays the scripted.yaml
    beside each task.

    --out gets episodes/ (every package), repository/ (the last good state and its history), sequence.jsonl (which
    `terret verify OUT` proves), sequence.json and sequence.html. Run the same command again after an interrupt and it
    goes on. Exit code 0 when every task was accepted, 1 when one was not, 3 when an infrastructure fault holds it up.
    """
    from terret.cli._sequence import present_sequence
    from terret.task import Repository

    loaded = [_loaded(file) for file in tasks]
    names = [task.id for task in loaded]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError("two tasks have the same name", value=twice, hint="give each task a name of its own")
    start = None if repo is None else Repository(path=str(repo.absolute()))
    no_memory = options.pop("no_memory")
    return present_sequence(out, loaded, folder, repository=start, memory=not no_memory, **options)


def _loaded(file: Path) -> SuiteTask:
    from terret.gym import SuiteTask
    from terret.task import load_task, resolve

    task = resolve(load_task(file), file)
    script = file.with_name("scripted.yaml")
    return SuiteTask(task.name, task, script=str(script.absolute()) if script.is_file() else None)
