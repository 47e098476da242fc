"""After the loop: take the patch, evaluate it in a fresh workspace, label it by rule."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import msgspec

from terret.entropy import Burden, audit
from terret.journal import (
    CheckRan,
    EntropyFound,
    EpisodeClosed,
    Evaluated,
    Faulted,
    HistoryKept,
    Intervened,
    Labelled,
    MemoryReferenced,
    PatchTaken,
)
from terret.runtime._agent import Agent
from terret.runtime._harness import FOLDER
from terret.runtime._history import keep_history
from terret.runtime._stop import Stop
from terret.runtime._support import influences
from terret.sandbox import Tier
from terret.task import Task
from terret.verification import CheckResult, Evaluation, Facts, adjudicate, evaluate


async def finish(task: Task, agent: Agent, scratch: Path, tier: Tier, stop: Stop) -> None:
    """Record patch, evaluation, label and end of an episode; every part already recorded is kept."""
    kernel = agent.kernel
    recorder = kernel.recorder
    workspace = kernel.workspace
    changed = [change.path for change in await asyncio.to_thread(workspace.changes, workspace.base, kernel.tree)]
    for artifact, used in influences(recorder, agent.support, task, changed).items():
        recorder.emit(MemoryReferenced(kernel.turn, artifact, "offered when the episode began", used))
    patch = recorder.step(PatchTaken, lambda: _take_patch(agent), durable=True)
    ran: list[CheckRan] = []
    while (recorded := recorder.take(CheckRan)) is not None:
        ran.append(recorded)
    evaluated = recorder.take(Evaluated)
    if evaluated is None:
        facts = await _evaluate(task, agent, patch, ran, scratch, tier, stop)
        evaluated = recorder.emit(Evaluated(msgspec.to_builtins(facts)), durable=True)
    facts = msgspec.convert(evaluated.facts, Facts)
    for burden in await asyncio.to_thread(_burdens, task, agent, facts):
        place = f"{burden.path}:{burden.line}" if burden.line else burden.path
        recorder.emit(EntropyFound(burden.category, burden.severity, burden.rule, f"{place}: {burden.evidence}"))
    for fault in facts.infra:
        recorder.emit(Faulted(fault["part"], fault["code"], fault["message"]))
    recorder.step(HistoryKept, lambda: keep_history(recorder.journal, workspace, kernel.start))
    verdict = adjudicate(facts)
    recorder.emit(Labelled(**msgspec.to_builtins(verdict)))
    recorder.emit(EpisodeClosed(kernel.turn, {**kernel.ledger.used, "wall": round(recorder.elapsed, 3)}), durable=True)


async def _evaluate(
    task: Task, agent: Agent, patch: PatchTaken, ran: list[CheckRan], scratch: Path, tier: Tier, stop: Stop
) -> Facts:
    kernel = agent.kernel
    recorder = kernel.recorder
    opened = recorder.journal.events()[0].data
    archive = recorder.journal.blobs.get(opened.repository["archive"])  # type: ignore[union-attr]
    content = recorder.journal.blobs.get(patch.blob)
    loop = asyncio.get_running_loop()

    async def record(result: CheckResult) -> None:
        recorder.emit(_check_event(result, recorder.journal.text(result.output)), durable=True)

    def on_result(result: CheckResult) -> None:
        asyncio.run_coroutine_threadsafe(record(result), loop).result()

    def work() -> Evaluation:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        done = {event.name: _result_of(event, kernel.load(event.output) if event.output else "") for event in ran}
        try:
            return evaluate(
                task, archive, content, scratch, tier=tier, allow_none=tier == "none", on_result=on_result, done=done
            )
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    evaluation = await asyncio.to_thread(work)
    events = recorder.journal.events()
    helped = [event.data for event in events if isinstance(event.data, Intervened)]
    interventions = sum(help.substantive or help.avoidable for help in helped)
    return Facts(
        checks=[msgspec.structs.replace(check, output="") for check in evaluation.checks],
        patch_files=evaluation.patch_files,
        applied=evaluation.applied,
        apply_error=evaluation.apply_error,
        weakened=evaluation.weakened,
        boundary=evaluation.boundary,
        declared=kernel.completed is not None,
        stop_reason=stop.reason,
        infra=evaluation.infra,
        episode_checks=_episode_checks(agent),
        interventions=interventions,
        requirements=[requirement.id for requirement in task.requirements],
        empty_patch=evaluation.empty_patch,
        counts=agent.counts,
    )


def _burdens(task: Task, agent: Agent, facts: Facts) -> list[Burden]:
    workspace, tree = agent.kernel.workspace, agent.kernel.tree
    return audit(
        lambda path: workspace.show(workspace.base, path),
        lambda path: workspace.show(tree, path),
        workspace.changes(workspace.base, tree),
        paths=[path for path in workspace.paths(tree) if not path.startswith(f"{FOLDER}/")],
        hints=task.hints,
        state=agent.kernel.state,
        weakened=[msgspec.to_builtins(finding) for finding in facts.weakened],
    )


def _take_patch(agent: Agent) -> PatchTaken:
    workspace = agent.kernel.workspace
    tree = agent.kernel.tree
    patch = workspace.diff(workspace.base, tree)
    files = [msgspec.to_builtins(change) for change in workspace.changes(workspace.base, tree)]
    return PatchTaken(agent.kernel.recorder.journal.blobs.put(patch), tree, files)


def _episode_checks(agent: Agent) -> list[dict[str, Any]]:
    events = agent.kernel.recorder.journal.events()
    return [
        {
            "name": event.data.name,
            "type": event.data.type,
            "passed": event.data.passed,
            "covers": event.data.covers,
            "fresh": event.data.after_edit == agent.kernel.edits,
        }
        for event in events
        if isinstance(event.data, CheckRan) and event.data.phase == "episode"
    ]


def _check_event(result: CheckResult, output: Any) -> CheckRan:
    return CheckRan(
        phase="evaluator",
        name=result.name,
        type=result.type,
        command=result.command,
        passed=result.passed,
        exit_code=result.exit_code,
        covers=list(result.covers),
        detail=result.detail,
        duration_ms=result.duration_ms,
        output=output,
    )


def _result_of(event: CheckRan, output: str) -> CheckResult:
    return CheckResult(
        name=event.name,
        type=event.type,  # type: ignore[arg-type]
        command=event.command,
        passed=event.passed,
        exit_code=event.exit_code,
        covers=event.covers,
        detail=event.detail,
        duration_ms=event.duration_ms,
        output=output,
    )
