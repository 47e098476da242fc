"""An episode from its opening to its package, and the way back after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from terret.errors import ConfigError, EpisodeNotFound, JournalCorrupt, JournalError
from terret.guard import Hooks, Subject
from terret.intervention import HumanQueue, NoHuman
from terret.journal import (
    Clock,
    Durability,
    EpisodeClosed,
    EpisodeOpened,
    EpisodeResumed,
    Event,
    EventData,
    Faulted,
    Faults,
    Journal,
    Outcome,
    Scrubber,
    SigningKey,
    Stopped,
    StoreChoice,
)
from terret.mandates import MandateGate
from terret.memory import ProjectMemory
from terret.models import Model, Sampling, dialect
from terret.norms import Charter
from terret.permissions import Approvals, CapabilityTable, GrantSpec, Layer
from terret.runtime._agent import Agent
from terret.runtime._budget import Ledger
from terret.runtime._capable import Capable
from terret.runtime._fetched import Fetched, begin_workspace
from terret.runtime._finish import finish
from terret.runtime._harness import artifacts
from terret.runtime._hooked import hooks_of, trusted_text
from terret.runtime._human import Human, takes_part
from terret.runtime._images import IMAGES, image_of
from terret.runtime._kernel import Kernel
from terret.runtime._levels import allowed_tools, is_visible, parse_level, visible_artifacts
from terret.runtime._live import WORKSPACE, ended_before, open_workspace, orders_of, seal
from terret.runtime._loop import run_loop
from terret.runtime._mandated import same_gate
from terret.runtime._means import Means
from terret.runtime._net import with_net
from terret.runtime._policies import declared, policy_of, recorded
from terret.runtime._prompts import describe
from terret.runtime._reach import egress_of, tools_of
from terret.runtime._recorder import Listener, Recorder
from terret.runtime._result import Episode, summary, unknown_effects, versions
from terret.runtime._staged import StagedImage
from terret.runtime._stop import Suspended
from terret.runtime._support import Support, remember, support_of
from terret.sandbox import Sandbox, Tier, Workspace, machine_admission
from terret.task import Task, decode_task, task_json
from terret.tools import Tool

ABLATIONS: dict[str, str] = {
    "repair": "the repair operators and the comparison among candidates",
    "localisation": "suspicious lines",
    "attribution": "failing cases in the next question",
    "context": "guides and ranked files",
    "memory": "known failures, notes and changed files of earlier episodes",
}
"""What can be switched off in an episode, and what each is."""

OUTCOME_RULE = "terret.verification.adjudicate/1"
VERIFICATION = [
    "apply the patch to a fresh workspace",
    "checks",
    "hidden checks",
    "targeted tests",
    "lint",
    "regression",
]


async def run_episode(
    task: Task,
    *,
    model: Model,
    folder: Path,
    key: SigningKey,
    level: str = "H1",
    base_folder: Path | None = None,
    fetched: Fetched | None = None,
    seed: int = 0,
    durability: Durability = "normal",
    tier: Tier | None = None,
    allow_none: bool = False,
    image: str | None = None,
    dialect_name: str | None = None,
    sampling: Sampling | None = None,
    listener: Listener | None = None,
    clock: Clock | None = None,
    scrubber: Scrubber | None = None,
    extra_tools: dict[str, Tool] | None = None,
    ablate: frozenset[str] = frozenset(),
    memory: ProjectMemory | None = None,
    state: Mapping[str, Any] | None = None,
    human: HumanQueue | None = None,
    mandates: MandateGate | None = None,
    layers: Sequence[Layer] = (),
    approvals: Approvals | None = None,
    norms: Charter | None = None,
    hooks: Hooks | None = None,
    capabilities: CapabilityTable | Sequence[GrantSpec] | None = None,
    faults: Faults | None = None,
    store: StoreChoice = None,
) -> Episode:
    """Run a task from the start; ``folder`` becomes the package and its name the episode's id.

    A relative ``task.repository.path`` is taken from ``base_folder``; with ``fetched`` the repository is that archive,
    and nothing of the task's own is read. ``image`` and ``dialect_name`` default to what
    suits the model. ``ablate`` switches off single responsibilities, see :data:`ABLATIONS`. ``memory``
    is what earlier episodes on the repository left; from H2 on it is read and added to. ``state`` is the task state
    to begin with, shown from H2 on. ``human`` carries questions and approvals to a person; nobody takes part by
    default. With ``mandates`` every external effect, and what that gate names, has to spend one. A cancelled run leaves
    a resumable episode. ``layers`` are policy files over the task's permissions, ``approvals`` what people approved
    before, ``norms`` a charter that can only tighten; all are recorded, and later changes do not reach the episode.
    ``hooks``, such as a :class:`terret.guard.Guard`, are asked along the way and can only make authority stricter.
    With ``capabilities`` nothing is allowed that none of them allows; counted uses of a table move to the episode.
    ``faults`` is told of every boundary of durability as it is reached (see :data:`terret.journal.BOUNDARIES`).
    With a ``store`` (a ``postgresql://`` URL) the events live there, and any machine that reaches it can resume.

    Raises:
        ConfigError: Unknown level, image, dialect or ablation, or ``folder`` holds an episode already.
        RepositoryError: The repository cannot be had.
        SandboxUnavailable: This machine cannot isolate commands and ``allow_none`` is not set.
    """
    at = parse_level(level)
    chosen = image or model.identity.image
    if chosen not in IMAGES:
        raise ConfigError("unknown image", value=chosen, hint="use one of " + ", ".join(IMAGES))
    speech = dialect_name or model.identity.dialect
    dialect(speech)
    if ablate - set(ABLATIONS):
        raise ConfigError("unknown ablation", value=sorted(ablate - set(ABLATIONS)), hint=", ".join(ABLATIONS))
    live = folder / "live"
    if live.exists() or (folder / "episode.json").exists():
        raise ConfigError("the folder holds an episode already", where=str(folder), hint=f"terret resume {folder}")
    under = declared(mandates, hooks, capabilities, (clock or time.time)())
    live.mkdir(parents=True)
    extra_tools = with_net(task, extra_tools)
    try:
        workspace = await asyncio.to_thread(begin_workspace, live / WORKSPACE, task, base_folder, fetched)
        sandbox = _sandbox(workspace, task, tier, allow_none)
        journal = Journal.create(
            live, folder.name, key, store=store, durability=durability, clock=clock, scrubber=scrubber, faults=faults
        )
    except BaseException:
        shutil.rmtree(live, ignore_errors=True)
        raise
    drawn = sampling or Sampling(seed=seed)
    policy = (human or NoHuman()).policy
    opened = EpisodeOpened(
        task_name=task.name,
        task=journal.blobs.put(task_json(task)),
        model=msgspec.to_builtins(model.identity),
        sampling=msgspec.to_builtins(drawn),
        dialect=speech,
        image=chosen,
        level=at,
        repository={
            "source": workspace.source,
            "commit": workspace.commit,
            "tree": workspace.base,
            "archive": journal.blobs.put(await asyncio.to_thread(workspace.archive)),
        },
        visible_artifacts=visible_artifacts(at),
        allowed_tools=[*allowed_tools(at, human=takes_part(policy)), *(extra_tools or {})],
        intervention_policy=policy,
        verification_procedure=VERIFICATION,
        outcome_rule=OUTCOME_RULE,
        interpreter_persistence="none: every command starts a new shell",
        enforcement=sandbox.declare() | recorded(layers, approvals, norms, journal.blobs) | under,
        versions=versions(),
        budget={name: float(value) for name, value in msgspec.structs.asdict(task.budget).items()},
        seed=seed,
        public_key=key.public_hex,
        ablated=sorted(ablate),
        memory="none" if memory is None else str(memory.folder.absolute()),
        carried=dict(state or {}) if is_visible("task_state", at) else {},
    )
    with journal, sandbox:
        recorder = Recorder(journal, listener)
        recorder.emit(opened, durable=True)
        means = Means(extra_tools, memory, human, mandates, hooks)
        return await drive(task, opened, recorder, workspace, sandbox, model, folder, means)


async def resume_episode(
    folder: Path,
    *,
    key: SigningKey,
    connect: Callable[[str], Model],
    durability: Durability = "normal",
    listener: Listener | None = None,
    clock: Clock | None = None,
    scrubber: Scrubber | None = None,
    extra_tools: dict[str, Tool] | None = None,
    memory: ProjectMemory | None = None,
    human: HumanQueue | None = None,
    mandates: MandateGate | None = None,
    hooks: Hooks | None = None,
    faults: Faults | None = None,
    store: StoreChoice = None,
    take_over: bool = False,
) -> Episode:
    """Go on with an episode that a crash, an interrupt or an infrastructure fault cut short.

    ``connect`` turns the recorded model spec into a model; it is closed here. ``memory`` is the one that the episode
    records unless another is given. Without ``human`` nobody answers what is asked from here on. ``take_over`` goes on
    although another process owns the episode, for one that is frozen or cut off: it can record nothing any more. With
    the ``store`` that holds the episode named like ``folder``, the folder may be a new one: its workspace is made from
    the store.

    Raises:
        ConfigError: It was begun with another key, mandate gate or hooks, or without the human that is offered now.
        EpisodeNotFound: The folder holds no episode, or one that never began.
        JournalBusy: Another process is running it.
        JournalCorrupt: The journal is damaged beyond its torn tail.
        Diverged: The journal was written by a terret that decided otherwise.
    """
    live = folder / "live"
    ended = ended_before(folder, store)
    if ended is not None:
        return ended
    named: dict[str, Any] = {"store": store, "episode": folder.name, "durability": durability, "take_over": take_over}
    opening = Journal.open(live, key, clock=clock, scrubber=scrubber, faults=faults, **named)
    with opening as journal:
        events = journal.events()
        if not events or not isinstance(events[0].data, EpisodeOpened):
            raise EpisodeNotFound("the episode never began", where=str(folder), hint="remove the folder and run again")
        opened = events[0].data
        if opened.public_key != key.public_hex:
            raise ConfigError("the episode was begun with another signing key", value=opened.public_key[:16])
        if human is not None and takes_part(human.policy) and not takes_part(opened.intervention_policy):
            raise ConfigError("the episode was begun without a human", value=human.policy, hint="leave the human out")
        if memory is None and opened.memory not in ("", "none"):
            memory = ProjectMemory(Path(opened.memory), scrubber=scrubber)
        if isinstance(events[-1].data, EpisodeClosed):
            return seal(folder, journal, memory)
        same_gate(opened, mandates)
        hooks = hooks_of(opened, hooks)
        resumed = EpisodeResumed(
            after_seq=events[-1].seq,
            gap_s=max(0.0, journal.clock() - events[-1].ts),
            unknown=unknown_effects(events),
            versions=versions(),
        )
        notes: list[EventData] = [resumed]
        if journal.recovery is not None:
            notes.insert(0, Faulted("journal", JournalCorrupt.code, str(journal.recovery), recovered=True))
        for note in notes:
            event = journal.append(note, durable=True)
            if listener is not None:
                listener(event)
        task = decode_task(journal.blobs.get(opened.task))
        workspace = await asyncio.to_thread(open_workspace, live, journal, take_over=take_over)
        model = connect(opened.model["spec"])
        advance = getattr(model, "advance", None)
        if advance is not None:
            advance(sum(1 for event in events if _is_reply(event)))
        tier = opened.enforcement["tier"]
        try:
            with _sandbox(workspace, task, tier, tier == "none") as sandbox:
                recorder = Recorder(journal, listener)
                recorder.emit(opened)
                means = Means(extra_tools, memory, human, mandates, hooks)
                return await drive(task, opened, recorder, workspace, sandbox, model, folder, means)
        finally:
            await model.aclose()


async def drive(
    task: Task,
    opened: EpisodeOpened,
    recorder: Recorder,
    workspace: Workspace,
    sandbox: Sandbox,
    model: Model,
    folder: Path,
    means: Means,
) -> Episode:
    """Run an episode's loop on a recorder that may hold part of it already, then finish and seal it."""
    extra_tools = with_net(task, means.tools)
    level = parse_level(opened.level)
    sampling = msgspec.convert(opened.sampling, Sampling)
    policy = policy_of(task, level, opened, recorder.journal.blobs)
    ledger = Ledger(task.budget)
    ablated = frozenset(opened.ablated)
    events = recorder.journal.events()
    known = remember(recorder, level, means.memory, ablated, workspace.paths(workspace.base))
    support = await asyncio.to_thread(support_of, task, level, workspace, known, ablated, opened.carried)
    start = await asyncio.to_thread(_prepare, task, opened, workspace, events, support, extra_tools)
    kernel = Kernel(
        recorder=recorder,
        model=model,
        sandbox=sandbox,
        workspace=workspace,
        policy=policy,
        ledger=ledger,
        limits=task.limits,
        tree=start,
        human=Human(
            means.human,
            takes_part=takes_part(opened.intervention_policy),
            objective=describe(task),
            known=[known],
            orders=orders_of(folder, recorder.journal),
        ),
        mandates=means.mandates,
        hooks=hooks_of(opened, means.hooks),
        capable=Capable(recorder, opened),
    )
    agent = Agent(task, level, kernel, extra_tools, support, opened.forked_from, opened.enforcement["tier"])
    image = image_of(opened, agent, sampling, model.identity.context)
    agent.ear.takeovers = not isinstance(image, StagedImage)
    try:
        await kernel.hooked.ask("gateway_start", Subject(name=opened.task_name))
        await kernel.hooked.ask("message_received", Subject(text=trusted_text(task), trusted=True, origin="task"))
        if opened.carried:
            await kernel.update_state(opened.carried, by="runtime")
        stop = await run_loop(agent, image)
        await agent.over()
        recorder.emit(Stopped(stop.reason, stop.detail, kernel.turn), durable=True)
        await finish(
            task, agent, folder / "live" / f"evaluator-{recorder.journal.epoch}", opened.enforcement["tier"], stop
        )
        await kernel.hooked.ask("session_end", Subject(name=opened.task_name))
    except Suspended as suspended:
        recorder.journal.commit()
        fault = {"part": suspended.part, "code": suspended.code, "message": suspended.message}
        return summary(folder, recorder.journal.events(), "suspended", fault)
    except BaseException:
        # A cancelled or failing run keeps what it has; the journal may be what failed.
        with contextlib.suppress(JournalError):
            recorder.journal.commit()
        raise
    return seal(folder, recorder.journal, means.memory)


def _prepare(
    task: Task,
    opened: EpisodeOpened,
    workspace: Workspace,
    events: list[Event],
    support: Support,
    extra_tools: dict[str, Tool] | None,
) -> str:
    """Bring the workspace to where the record ends; returns the tree the loop starts from."""
    table = {**tools_of(task, opened.enforcement["tier"]), **(extra_tools or {})}
    workspace.restore(workspace.base)
    level = parse_level(opened.level)
    names = [*allowed_tools(level, human=takes_part(opened.intervention_policy)), *(extra_tools or {})]
    specs = [table[name].spec for name in names]
    for path, content in artifacts(task, level, specs, support.guides).items():
        workspace.write(path, content)
    start = workspace.snapshot()
    trees = [event.data.tree for event in events if isinstance(event.data, Outcome) and event.data.tree]
    if trees and trees[-1] != start:
        workspace.restore(trees[-1])
    return start


def _sandbox(workspace: Workspace, task: Task, tier: Tier | None, allow_none: bool) -> Sandbox:
    environment = task.environment
    return Sandbox(
        workspace.root,
        tier=tier,
        read_only=environment.read_only,
        env=environment.vars,
        allow_none=allow_none,
        warm=True,
        admission=machine_admission(),
        egress=egress_of(task),
    )


def _is_reply(event: Event) -> bool:
    return isinstance(event.data, Outcome) and event.data.status == "ok" and "finish" in event.data.result
