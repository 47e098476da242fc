"""``terret ladder``: models x levels x tasks x repeats, one table, one report."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from terret.cli._options import episode_options, machine_options, memory_option, split, with_budget
from terret.cli._output import Output, output_options
from terret.cli._table import COMMANDS
from terret.cli._words import duration, plural
from terret.errors import ConfigError

if TYPE_CHECKING:
    from terret.gym import CellResult, Ladder, LadderSettings, SuiteTask


@click.command("ladder", short_help=COMMANDS["ladder"])
@click.argument("suite")
@click.option("--data", type=click.Path(path_type=Path), help="The suite's data folder.")
@click.option("--model", "models", required=True, envvar="TERRET_MODEL", metavar="SPEC,SPEC", help="As in terret run.")
@click.option("--levels", default="H0,H1,H2,H3", show_default=True, metavar="H0,H3")
@click.option("--repeats", type=click.IntRange(1), default=1, show_default=True, help="Episodes of each task.")
@click.option("--out", "folder", type=click.Path(path_type=Path), required=True, help="A folder used before goes on.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Episodes at a time.")
@click.option("--limit", type=click.IntRange(1), help="At most so many tasks.")
@click.option("--only", metavar="ID,ID", help="Only these tasks.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of order, episodes and intervals.")
@click.option("--budget", "budgets", multiple=True, metavar="NAME=N", help="Override a budget: model_calls=16.")
@click.option("--ablate", metavar="NAME,NAME", help="Switch responsibilities off, such as repair,memory.")
@click.option("--image", metavar="NAME", help="Agent style; the model's own choice by default.")
@click.option("--dialect", metavar="NAME", help="Action format: tools, json, bash, edit or file.")
@click.option("--temperature", type=click.FloatRange(0, 2), help="Sampling temperature [default: 0].")
@click.option("--max-tokens", type=click.IntRange(1), help="Longest reply in tokens [default: 1024].")
@memory_option
@machine_options
@output_options
def command(
    out: Output,
    suite: str,
    data: Path | None,
    models: str,
    levels: str,
    repeats: int,
    folder: Path,
    jobs: int,
    limit: int | None,
    only: str | None,
    seed: int,
    budgets: tuple[str, ...],
    ablate: str | None,
    memory: Any,
    **options: Any,
) -> int:
    """Run every task of SUITE with every model at every level, and say what each level adds.

    Cells run in an order drawn from --seed; the levels of a repeat share their seed. --out gets episodes/ (every
    package), cells.jsonl, ladder.json and report.html. Run the same command again after an interrupt and it goes on.
    `scripted` as model replays the scripted solution of each starter task.

    Exit code 0 when every cell was graded, 3 when an infrastructure fault left some ungraded or unfinished.
    """
    from terret.cli._conduct import shown
    from terret.gym import LadderSettings, claim, load_suite, plan, suite_digest

    specs, steps, ablated = _names("--model", models), _levels(levels), _ablations(ablate or "")
    wanted = _names("--only", only or "")
    tasks = [_budgeted(task, budgets) for task in load_suite(suite, data, wanted, limit)]
    settings = LadderSettings(seed, ablated, episode_options(options, 0), memory)
    common = {"suite": suite, "seed": seed, "ablate": sorted(ablated), "budget": sorted(budgets), **_plain(options)}
    if memory != "fresh":
        common["memory"] = memory
    claim(folder, common, tasks)
    cells = plan(specs, steps, [task.id for task in tasks], repeats, seed=seed)
    out.note(f"{plural(len(cells), 'cell')} of {plural(len(tasks), 'task')}; everything goes to {shown(folder)}")
    results = _run(out, folder, cells, tasks, settings, specs, jobs)
    run = {
        **common,
        "command": _command_line(suite, data, models, levels, repeats, folder, jobs, limit, only, common),
        "suite_sha256": suite_digest(tasks),
        "tasks": [task.id for task in tasks],
        "choice": _choice(wanted, limit),
        "repeats": repeats,
        "seeds": [seed + number for number in range(repeats)],
        "jobs": jobs,
        "memory": memory,
    }
    ladder = _write(folder, suite, results, run, seed)
    _present(out, folder, ladder)
    return 0 if all(result.metrics is not None and result.metrics.graded for result in results) else 3


def _run(
    out: Output,
    folder: Path,
    cells: list[Any],
    tasks: list[SuiteTask],
    settings: LadderSettings,
    specs: list[str],
    jobs: int,
) -> list[CellResult]:
    import asyncio

    from terret.cli._conduct import shown
    from terret.cli._errors import Interrupted
    from terret.gym import CellRunner, ModelPool, run_cells

    progress = _Progress(out, len(cells))

    async def everything() -> list[CellResult]:
        pool = ModelPool()
        for spec in specs:
            pool.connect(spec)
        runner = CellRunner(tasks, pool, settings, folder)
        try:
            return await run_cells(cells, run_one=runner, out=folder, jobs=jobs, on_cell=progress)
        finally:
            await pool.aclose()

    try:
        return asyncio.run(everything())
    except KeyboardInterrupt:
        raise Interrupted("interrupted", hint=f"go on with the same command and --out {shown(folder)}") from None


class _Progress:
    """One line a cell: how far, which, what came of it, how long the rest may take."""

    def __init__(self, out: Output, cells: int) -> None:
        self._out = out
        self._cells = cells
        self._done = self._ran = 0
        self._began = time.monotonic()

    def __call__(self, result: CellResult, ran: bool) -> None:
        self._done += 1
        self._ran += ran
        if not ran:
            return
        cell, metrics = result.cell, result.metrics
        left = (time.monotonic() - self._began) / self._ran * (self._cells - self._done)
        verdict = f"{result.status}: {result.detail}" if metrics is None else metrics.label or "ungraded"
        spent = "" if metrics is None else f", {plural(metrics.steps, 'step')}, {duration(metrics.seconds)}"
        self._out.note(
            f"{self._done:4}/{self._cells}  {cell.level} {cell.task} r{cell.repeat} {cell.model}: {verdict}{spent}"
            f"; about {duration(left)} left"
        )


def _write(folder: Path, suite: str, results: list[CellResult], run: dict[str, Any], seed: int) -> Ladder:
    """Write ``ladder.json`` and ``report.html``."""
    import msgspec

    from terret.gym import SPLITS, gather, harness_card, ladder_document, report_html

    card = harness_card(folder, results, {**run, "split": SPLITS.get(suite, "as the suite defines")})
    ladder = gather(results, card, seed=seed)
    raw = msgspec.json.format(msgspec.json.encode(ladder_document(ladder), enc_hook=str), indent=2) + b"\n"
    (folder / "ladder.json").write_bytes(raw)
    (folder / "report.html").write_text(report_html(ladder), "utf-8")
    return ladder


def _present(out: Output, folder: Path, ladder: Ladder) -> None:
    from terret.cli._conduct import shown
    from terret.gym import ladder_document, ladder_table

    out.document(ladder_document(ladder))
    for line in ladder_table(ladder).splitlines():
        out.line(line)
    out.line(f"report: {shown(folder / 'report.html')}   data: {shown(folder / 'ladder.json')}")


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """The options that change what an episode is; durability does not."""
    return {name: value for name, value in options.items() if name != "durability"}


def _budgeted(task: SuiteTask, budgets: tuple[str, ...]) -> SuiteTask:
    import msgspec

    return msgspec.structs.replace(task, task=with_budget(task.task, budgets))


def _names(option: str, text: str) -> list[str]:
    names = split([text])
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"{option} names something twice", value=twice, hint="name it once")
    return names


def _ablations(text: str) -> frozenset[str]:
    from terret.runtime import ABLATIONS

    names = _names("--ablate", text)
    for name in names:
        if name not in ABLATIONS:
            raise ConfigError("unknown ablation", value=name, hint="use some of " + ", ".join(ABLATIONS))
    return frozenset(names)


def _levels(text: str) -> list[str]:
    from terret.runtime import parse_level

    levels = sorted(parse_level(name.upper()) for name in _names("--levels", text))
    if not levels:
        raise ConfigError("--levels names no level", value=text, hint="write --levels H0,H3")
    return [str(level) for level in levels]


def _choice(only: list[str], limit: int | None) -> str:
    """Which tasks of the suite ran, in words."""
    named = f"the tasks named: {', '.join(only)}" if only else "every task"
    return named if limit is None else f"{named}, at most the first {limit} in the order of the suite"


def _command_line(
    suite: str,
    data: Path | None,
    models: str,
    levels: str,
    repeats: int,
    folder: Path,
    jobs: int,
    limit: int | None,
    only: str | None,
    common: dict[str, Any],
) -> str:
    parts: list[tuple[str, Any]] = [
        ("data", data),
        ("model", models),
        ("levels", levels),
        ("repeats", repeats),
        ("out", folder),
        ("jobs", jobs),
        ("limit", limit),
        ("only", only),
        ("seed", common["seed"]),
        *(("budget", setting) for setting in common["budget"]),
        ("ablate", ",".join(common["ablate"]) or None),
        *((name, common.get(name)) for name in ("memory", "image", "dialect", "temperature", "max_tokens", "tier")),
    ]
    words = ["terret", "ladder", suite]
    for name, value in parts:
        words += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join([*words, *(["--no-sandbox"] if common["no_sandbox"] else [])])
