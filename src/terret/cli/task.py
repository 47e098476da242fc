"""``terret task``: write and check task files."""

from __future__ import annotations

from pathlib import Path

import click

from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS
from terret.cli._words import plural
from terret.errors import ConfigError


@click.group("task", no_args_is_help=False, short_help=COMMANDS["task"])
def command() -> None:
    """Write and check task files."""


@command.command("new")
@click.argument("file", type=click.Path(path_type=Path), default=Path("task.yaml"))
@click.option("--name", help="The task's name; the folder's by default.")
@click.option("--repository", metavar="PATH|URL", help="The code; without it the file holds a small example.")
@output_options
def new_task(out: Output, file: Path, name: str | None, repository: str | None) -> int:
    """Write a valid task FILE to fill in; an existing file is left alone."""
    from terret.task import new_task

    text = new_task(file.parent, name=name, repository=repository)
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise ConfigError("the file exists", where=str(file), hint="give another name") from None
    out.document({"file": str(file)})
    out.line(f"{file}: written; edit it, then: terret task lint {file}")
    return 0


@command.command("lint")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_options
def lint_tasks(out: Output, files: tuple[Path, ...]) -> int:
    """Report everything that is wrong with task FILES: the place, the value and the mend.

    Exit code 0 when there are at most warnings, 2 otherwise.
    """
    from terret.task import lint_task

    found = {str(file): lint_task(file) for file in files}
    errors = sum(problem.severity == "error" for problems in found.values() for problem in problems)
    for file, problems in found.items():
        for problem in problems:
            got = "" if problem.value is None else f" (got {_cut(repr(problem.value))})"
            hint = f"; {problem.hint}" if problem.hint else ""
            out.line(f"{problem.severity}: {problem.where}: {problem.message}{got}{hint} [E_TASK]")
        if not problems:
            out.line(f"{file}: ok")
    if errors:
        out.line(plural(errors, "error"))
    out.document({"errors": errors, "files": found})
    return 2 if errors else 0


@command.command("schema")
@output_options
def print_schema(out: Output) -> int:
    """Print the JSON Schema of a task file, for editors."""
    import json

    from terret.task import json_schema

    out.document(json_schema())
    out.line(json.dumps(json_schema(), indent=2))
    return 0


def _cut(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."
