"""Derives every file of a package but the journal itself, by pure functions of the events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from terret.journal import _events as e
from terret.journal._blobs import BlobStore
from terret.journal._codec import canonical
from terret.journal._events import Data, Event, PatchTaken
from terret.journal._process_record import process_record
from terret.journal._records import (
    episode_record,
    memory_record,
    observation_record,
    permission_record,
    state_record,
    task_content,
    task_fields,
    verification_record,
)
from terret.journal._report import report
from terret.journal._traces import (
    Row,
    action_trace,
    attribution_trace,
    context_trace,
    entropy_trace,
    intervention_trace,
    last,
    outcome_record,
    tool_trace,
    verification_trace,
)

PATCH = "patch.diff"
PROCESSES = "records/process.jsonl"

_EFFECTS = (e.Intent, e.Outcome)
_OUTCOME = (
    *(e.EpisodeOpened, *_EFFECTS, e.Denied, e.ActionParsed, e.ActionRejected, e.Intervened, e.Declared),
    *(e.Faulted, e.Stopped, e.Evaluated, e.Labelled, e.EpisodeClosed),
)
_SOURCES: dict[str, tuple[type[Data], ...]] = {
    "episode.json": (e.EpisodeOpened, e.Labelled, e.EpisodeClosed),
    "traces/action.jsonl": (e.ActionParsed, e.ActionRejected, e.Declared, e.Observed),
    "traces/tool.jsonl": _EFFECTS,
    "traces/context.jsonl": (e.ContextOffered, *_EFFECTS, e.MemoryReferenced),
    "traces/verification.jsonl": (e.CheckRan,),
    "traces/attribution.jsonl": (e.Attributed,),
    "traces/intervention.jsonl": (e.Intervened,),
    "traces/entropy.jsonl": (e.EntropyFound,),
    "traces/outcome.json": _OUTCOME,
    "records/task.json": (e.EpisodeOpened,),
    "records/memory.jsonl": (e.MemoryReferenced,),
    "records/state.json": (e.StateUpdated,),
    "records/observation.jsonl": (e.Observed, *_EFFECTS, e.Faulted, e.EpisodePaused, e.EpisodeResumed),
    "records/permission.jsonl": (e.Intent, e.Denied, e.Guarded),
    PROCESSES: (*(e.ProcessStarted, e.ProcessReplaced, e.ProcessMoved), *(e.ProcessEnded, e.MessageSent)),
    "patch.diff": (e.PatchTaken,),
    "verification.json": (e.EpisodeOpened, e.CheckRan, e.Evaluated, e.Labelled),
    "report.md": (
        *(e.EpisodeOpened, e.EpisodeResumed, *_EFFECTS, e.Denied, e.ActionParsed, e.ActionRejected, e.Observed),
        *(e.Intervened, e.EntropyFound, e.CheckRan, e.Declared, e.Stopped, e.Faulted, e.PatchTaken, e.Labelled),
        e.EpisodeClosed,
    ),
}


def kind_of(kind: type[Data]) -> str:
    """The versioned name of a kind, as in the journal."""
    return str(kind.__struct_config__.tag)


SOURCES: dict[str, tuple[str, ...]] = {path: tuple(kind_of(kind) for kind in kinds) for path, kinds in _SOURCES.items()}
"""Every derived file and the kinds of events it is made of."""


def project(events: Sequence[Event], blobs: BlobStore) -> dict[str, bytes]:
    """Every derived file of the package, relative path to content; the same events give the same bytes.

    Works on unfinished episodes; a file nothing fed is empty, or an object without values. The record of processes is
    left out when there were none.

    Raises:
        BlobMismatch: The blob of the task or the patch is missing or damaged.
    """
    task = task_content(events, blobs)
    known = task_fields(task)
    patch = last(events, PatchTaken)
    processes = process_record(events)
    return {
        "episode.json": _object(episode_record(events)),
        "traces/action.jsonl": _lines(action_trace(events)),
        "traces/tool.jsonl": _lines(tool_trace(events)),
        "traces/context.jsonl": _lines(context_trace(events)),
        "traces/verification.jsonl": _lines(verification_trace(events)),
        "traces/attribution.jsonl": _lines(attribution_trace(events)),
        "traces/intervention.jsonl": _lines(intervention_trace(events)),
        "traces/entropy.jsonl": _lines(entropy_trace(events)),
        "traces/outcome.json": _object(outcome_record(events)),
        "records/task.json": task,
        "records/memory.jsonl": _lines(memory_record(events)),
        "records/state.json": _object(state_record(events)),
        "records/observation.jsonl": _lines(observation_record(events)),
        "records/permission.jsonl": _lines(permission_record(events)),
        **({PROCESSES: _lines(processes)} if processes else {}),
        PATCH: blobs.get(patch.blob) if patch else b"",
        "verification.json": _object(verification_record(events, known)),
        "report.md": report(events, known).encode("utf-8", "replace"),
    }


def _lines(rows: Iterable[Row]) -> bytes:
    return b"".join(canonical(row) + b"\n" for row in rows)


def _object(value: Row) -> bytes:
    return msgspec.json.format(canonical(value), indent=2) + b"\n"
