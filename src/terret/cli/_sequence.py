"""Runs a sequence in front of the user: a line a task, then the table, then the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terret.cli._options import episode_options, split, with_budget
from terret.cli._output import Output
from terret.cli._words import plural

if TYPE_CHECKING:
    from terret.gym import SequenceResult, SuiteTask, TaskEnded
    from terret.task import Repository


def present_sequence(
    out: Output,
    tasks: Sequence[SuiteTask],
    folder: Path,
    *,
    model: str,
    level: str,
    on_failure: Any,
    memory: bool,
    budgets: tuple[str, ...],
    seed: int,
    repository: Repository | None = None,
    **options: Any,
) -> int:
    """Run tasks in one repository, write ``sequence.json`` and ``sequence.html``, and print the table.

    Returns 0 when every task was accepted, 1 when one was not, 3 when an infrastructure fault holds the sequence up.
    """
    import asyncio

    import msgspec

    from terret.cli._conduct import shown
    from terret.cli._errors import Interrupted
    from terret.gym import (
        ModelPool,
        SequenceSettings,
        run_sequence,
        sequence_document,
        sequence_html,
        sequence_table,
    )
    from terret.runtime import parse_level

    named = {name: options[name] for name in ("image", "dialect", "temperature", "max_tokens")}
    stated = {name: value for name, value in named.items() if value is not None}
    settings = SequenceSettings(
        model=model,
        level=str(parse_level(level.upper())),
        on_failure=on_failure,
        seed=seed,
        memory=memory,
        ablate=frozenset(split(options["ablations"])),
        episode=episode_options(options, seed),
        record=stated,
    )
    chosen = [msgspec.structs.replace(task, task=with_budget(task.task, budgets)) for task in tasks]

    def told(entry: TaskEnded, ran: bool) -> None:
        state = "accepted" if entry.accepted else "not accepted, the next task starts from the last good state"
        before = "" if ran else " (before)"
        out.note(f"{entry.task}: {entry.label or 'ungraded'}, {state}; entropy {entry.entropy_total}{before}")

    async def everything() -> SequenceResult:
        pool = ModelPool()
        pool.connect(model)
        try:
            return await run_sequence(
                chosen, out=folder, settings=settings, pool=pool, repository=repository, on_task=told
            )
        finally:
            await pool.aclose()

    out.note(f"{plural(len(chosen), 'task')} in one repository; everything goes to {shown(folder)}")
    try:
        result = asyncio.run(everything())
    except KeyboardInterrupt:
        raise Interrupted("interrupted", hint=f"go on with the same command and --out {shown(folder)}") from None
    document = sequence_document(result)
    (folder / "sequence.json").write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    (folder / "sequence.html").write_text(sequence_html(result), "utf-8")
    out.document({"out": str(folder), **document})
    for line in sequence_table(result).splitlines():
        out.line(line)
    out.line(f"report: {shown(folder / 'sequence.html')}   proof: terret verify {shown(folder)}")
    if result.suspended is not None:
        out.error(f"the sequence is suspended at {result.suspended[0]}: {result.suspended[1]}; give the command again")
        return 3
    return 0 if all(task.accepted for task in result.tasks) else 1
