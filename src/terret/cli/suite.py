"""``terret suite``: many tasks, one table."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from terret.cli._options import (
    agent_options,
    episode_options,
    isolation,
    machine_options,
    memory_option,
    sequence_options,
    split,
    with_budget,
)
from terret.cli._output import Output, output_options, table
from terret.cli._table import COMMANDS
from terret.cli._words import duration, plural
from terret.errors import ConfigError

if TYPE_CHECKING:
    from terret.gym import Row, SuiteTask
    from terret.models import Model
    from terret.runtime import Episode


@click.group("suite", no_args_is_help=False, short_help=COMMANDS["suite"])
def command() -> None:
    """List, validate and run suites of tasks."""


@command.command("list")
@output_options
def list_suites(out: Output) -> int:
    """List the suites terret can read."""
    from terret.gym import suites

    known = suites()
    out.document([{"name": s.name, "title": s.title, "needs_data": s.needs_data} for s in known.values()])
    rows = [(suite.name, "--data DIR" if suite.needs_data else "built in", suite.title) for suite in known.values()]
    for line in table([("NAME", "DATA", "WHAT"), *rows]):
        out.line(line)
    return 0


def _picking(body: Any) -> Any:
    for option in (
        click.option("--limit", type=click.IntRange(1), help="At most so many tasks."),
        click.option("--only", metavar="ID,ID", help="Only these tasks."),
        click.option("--data", type=click.Path(path_type=Path), help="The suite's data folder."),
        click.argument("name"),
    ):
        body = option(body)
    return body


@command.command("validate")
@_picking
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@click.option("--tier", help="Isolation to use; the best there is by default.")
@click.option("--no-sandbox", is_flag=True, help="Run the checks without isolation.")
@output_options
def validate_suite(
    out: Output,
    name: str,
    data: Path | None,
    only: str | None,
    limit: int | None,
    repeats: int,
    tier: str | None,
    no_sandbox: bool,
) -> int:
    """Prove that the tasks of suite NAME measure something.

    The buggy program fails, a change that changes nothing fails, the reference fix (where one is known) passes, and
    repeats agree. Exit code 1 when a task does not.
    """
    from terret.gym import load_suite, validate

    chosen: Any
    chosen, allow_none = isolation(tier, no_sandbox)
    tasks = load_suite(name, data, _names(only), limit)

    def progress(what: str, done: int, total: int) -> None:
        out.note(f"{done + 1} of {total}  {what}")

    with tempfile.TemporaryDirectory(prefix="terret-validate-") as folder:
        rows = validate(tasks, Path(folder), repeats=repeats, on_progress=progress, tier=chosen, allow_none=allow_none)
    good = sum(row.ok for row in rows)
    out.document({"suite": name, "tasks": len(rows), "ok": good, "rows": rows})
    conditions = ("buggy_fails", "noop_fails", "reference_passes", "repeats_agree", "exposed")
    head = ("TASK", "OK", *(name.replace("_", " ").upper() for name in conditions), "DETAIL")
    cells = [(row.id, _word(row.ok), *(_word(getattr(row, name)) for name in conditions), row.detail) for row in rows]
    for line in [*table([head, *cells]), "", f"{good} of {plural(len(rows), 'task')} ok"]:
        out.line(line)
    return 0 if good == len(rows) else 1


@command.command("run")
@_picking
@click.option("--model", required=True, envvar="TERRET_MODEL", metavar="SPEC", help="As in terret run.")
@memory_option
@sequence_options
@agent_options
@machine_options
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Tasks at a time.")
@click.option("--out", "folder", type=click.Path(path_type=Path), help="Results; a folder used before is continued.")
@output_options
def run_suite(
    out: Output, name: str, data: Path | None, only: str | None, limit: int | None, jobs: int, **options: Any
) -> int:
    """Run the tasks of suite NAME and print one row a task and the totals with 95% Wilson intervals.

    Episodes do not learn from one another unless --memory shared is given. The tasks of starter-long follow one another
    in one repository, see `terret sequence --help`; --on-failure and --no-memory are for such suites alone.

    Every row is kept as it comes in --out: run the same command again after an interrupt and it goes on. Exit code 0
    when every task was graded, 3 when an infrastructure fault left some ungraded.
    """
    import asyncio

    from terret.cli._conduct import shown
    from terret.cli._errors import Interrupted
    from terret.cli._sequence import present_sequence
    from terret.gym import load_suite, run_suite, suites, summarise
    from terret.gym import table as suite_table

    tasks = load_suite(name, data, _names(only), limit)
    on_failure, no_memory = options.pop("on_failure"), options.pop("no_memory")
    folder: Path = options.pop("folder") or Path("episodes") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    if suites()[name].is_sequence:
        if jobs != 1:
            raise ConfigError("the tasks of a sequence follow one another", value=jobs, hint="leave out --jobs")
        options.pop("memory")
        return present_sequence(out, tasks, folder, on_failure=on_failure, memory=not no_memory, **options)
    out.note(f"{plural(len(tasks), 'task')}; rows and packages in {folder}")
    done = 0

    def told(row: Row) -> None:
        nonlocal done
        done += 1
        verdict = row.error or row.label or "ungraded"
        out.note(f"{done:4}  {row.id:<28} {verdict:<28} {plural(row.steps, 'step')}, {duration(row.seconds)}")

    async def everything() -> list[Row]:
        runner = _Runner(folder, options)
        try:
            return await run_suite(tasks, run_one=runner, jobs=jobs, on_row=told, out=folder)
        finally:
            await runner.aclose()

    try:
        rows = asyncio.run(everything())
    except KeyboardInterrupt:
        raise Interrupted("interrupted", hint=f"go on with the same command and --out {shown(folder)}") from None
    out.document({"suite": name, "out": str(folder), "summary": summarise(rows), "rows": rows})
    for line in suite_table(rows).splitlines():
        out.line(line)
    return 3 if any(row.error for row in rows) else 0


class _Runner:
    """Runs one task of a suite as an episode; all tasks share the model, unless it is ``scripted``."""

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        from terret.models import connect

        model, level = options["model"], options["level"].upper()
        self._options: dict[str, Any] = episode_options(options, options["seed"]) | {
            "level": level,
            "seed": options["seed"],
            "ablate": frozenset(split(options["ablations"])),
        }
        self._shared: Model | None = None if model == "scripted" else connect(model)
        self._folder = folder
        self._budgets: tuple[str, ...] = options["budgets"]
        self._memory = (model, level) if options["memory"] == "shared" else None

    async def __call__(self, task: SuiteTask) -> Row:
        from terret.gym import scripted_model, shared_memory
        from terret.runtime import episode_id, run_episode

        package = self._folder / episode_id(task.id.replace("/", "-"))
        run: Callable[..., Awaitable[Episode]] = run_episode
        model = self._shared or scripted_model(task)
        began = time.monotonic()
        memory = shared_memory(self._folder, task, *self._memory) if self._memory else None
        budgeted = with_budget(task.task, self._budgets)
        episode = await run(budgeted, model=model, folder=package, memory=memory, **self._options)
        return _row(task, episode, time.monotonic() - began)

    async def aclose(self) -> None:
        """Close the shared model."""
        if self._shared is not None:
            await self._shared.aclose()


def _row(task: SuiteTask, episode: Episode, seconds: float) -> Row:
    from terret.gym import Row

    fault = episode.fault
    return Row(
        task.id,
        label=episode.label,
        functional_pass=episode.functional_pass if episode.graded else None,
        false_completion=episode.false_completion,
        steps=episode.turns,
        tokens=round(episode.usage.get("tokens", 0)),
        seconds=round(seconds, 2),
        failure_code=episode.failure_code,
        stop_reason=episode.stop_reason,
        package=str(episode.folder),
        error=f"{fault['message']} [{fault['code']}]" if fault else None,
    )


def _names(only: str | None) -> list[str]:
    return split([only or ""])


def _word(held: bool | None) -> str:
    return {True: "yes", False: "NO", None: "-"}[held]
