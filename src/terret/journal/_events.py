"""The closed, versioned union of everything a journal can hold.

``kind`` is the tag of each struct and ends in its version (``intent/1``). A field is never renamed or removed
within a version; a new version is a new struct plus a migration, and a golden fixture pins every persisted one.
All payload values are plain JSON types so that an event can be re-encoded byte for byte.
"""

# ruff: noqa: RUF012 - msgspec copies mutable defaults
from __future__ import annotations

from typing import Any

import msgspec

from terret.journal._data import Data
from terret.journal._process_events import (
    EpisodePaused,
    MessageSent,
    ProcessEnded,
    ProcessMoved,
    ProcessReplaced,
    ProcessStarted,
)

INLINE_LIMIT = 2048
"""Characters kept inside an event; anything longer becomes a content-addressed blob."""


class Text(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A text that lives in the event (``inline``) or in a blob.

    ``size`` counts UTF-8 bytes of the whole text. ``head`` is the first line of a blob, for readers.
    """

    size: int
    inline: str | None = None
    blob: str | None = None
    head: str | None = None


class EpisodeOpened(Data, frozen=True, tag="episode.opened/1"):
    """The harness card: everything that fixes what this episode may be and do.

    ``task`` is a blob digest of the canonical task JSON (hidden checks included); ``repository`` holds ``source``,
    ``commit``, ``tree`` and the blob of the initial tree archive; ``enforcement`` is the sandbox tier in force.
    ``ablated`` names responsibilities that were switched off. ``memory`` is the folder of the project memory that was
    open to the episode, ``none`` without one, empty in episodes that did not record it. ``carried`` is the task state
    it began with. ``forked_from`` names the ``episode`` and ``turn`` up to which it shares the record of another, and
    the ``hash`` of the last event shared; ``edits`` is what was changed by hand in it: ``{"form", "turn", "text"}``.
    """

    task_name: str
    task: str
    model: dict[str, Any]
    sampling: dict[str, Any]
    dialect: str
    image: str
    level: str
    repository: dict[str, Any]
    visible_artifacts: list[str]
    allowed_tools: list[str]
    intervention_policy: str
    verification_procedure: list[str]
    outcome_rule: str
    interpreter_persistence: str
    enforcement: dict[str, Any]
    versions: dict[str, str]
    budget: dict[str, float]
    seed: int
    public_key: str
    ablated: list[str] = []
    memory: str = ""
    carried: dict[str, Any] = {}
    forked_from: dict[str, Any] = {}


class EpisodeResumed(Data, frozen=True, tag="episode.resumed/1"):
    """A later process took the episode over after a crash or interrupt.

    ``gap_s`` is the dead time, excluded from the wall budget. ``unknown`` lists effects with an intent and no
    outcome: ``{"effect", "primitive", "rule", "note"}``.
    """

    after_seq: int
    gap_s: float
    unknown: list[dict[str, Any]]
    versions: dict[str, str]


class ContextOffered(Data, frozen=True, tag="context.offered/1"):
    """What the runtime put before the model this turn.

    ``items``: ``{"path", "start", "end", "tokens", "reason"}``; ``tokens`` is the estimated prompt size.
    """

    turn: int
    items: list[dict[str, Any]]
    tokens: int
    limit: int
    dropped: list[dict[str, Any]] = []


class Intent(Data, frozen=True, tag="intent/1"):
    """Written before an effect starts; an intent without outcome after a crash is *unknown*.

    ``effect_class`` is ``read`` (safe to repeat), ``workspace`` (undone by restoring the workspace) or
    ``external`` (can be neither repeated nor undone). ``decision`` is the authority: ``{"effect", "rule", "reason"}``.
    """

    effect: str
    primitive: str
    effect_class: str
    args: dict[str, Any]
    decision: dict[str, Any]
    turn: int
    key: str | None = None


class Outcome(Data, frozen=True, tag="outcome/1"):
    """Written after an effect ended.

    ``status``: ``ok``, ``error``, ``timeout``, ``killed`` or ``unknown``. ``tree`` is the workspace's tree id after
    an effect that may have changed it. ``usage`` counts tokens, seconds, cost.
    """

    effect: str
    status: str
    result: dict[str, Any]
    duration_ms: float
    usage: dict[str, float] = {}
    tree: str | None = None


class Denied(Data, frozen=True, tag="denied/1"):
    """An effect that authority refused; nothing was run."""

    effect: str
    primitive: str
    args: dict[str, Any]
    decision: dict[str, Any]
    turn: int


class Guarded(Data, frozen=True, tag="guard/1"):
    """A hook had something to say: which one, about what, why, and what it changed.

    ``findings``: ``{"part", "rule", "evidence", "score"}``, the deciding one first. ``text`` replaced the text asked
    about, ``note`` was shown to the agent. ``consulted`` marks answers that rest on a model.
    """

    turn: int
    point: str
    name: str
    effect: str
    findings: list[dict[str, Any]]
    text: Text | None = None
    note: str | None = None
    consulted: bool = False


class ActionParsed(Data, frozen=True, tag="action/1"):
    """The one action read from a model reply, or issued by the runtime (``by="runtime"``)."""

    turn: int
    tool: str
    args: dict[str, Any]
    dialect: str
    by: str = "agent"


class ActionRejected(Data, frozen=True, tag="action.rejected/1"):
    """A reply that is not an acceptable action: malformed, unchanged, duplicate.

    ``code`` is the failure code it counts under (``F_tool`` or ``F_model``), ``reason`` a stable slug.
    """

    turn: int
    dialect: str
    code: str
    reason: str
    message: str
    excerpt: Text


class Observed(Data, frozen=True, tag="observation/1"):
    """What the agent was shown for an action.

    ``text`` is what entered the prompt; ``full`` the untruncated output when it was longer; ``failure`` is set when
    the observation is a failure: ``{"type", "detail"}``.
    """

    turn: int
    tool: str
    ok: bool
    text: Text
    effects: list[str] = []
    full: Text | None = None
    failure: dict[str, Any] | None = None


class StateUpdated(Data, frozen=True, tag="state/1"):
    """The agent's task state changed; ``by`` is ``agent`` or ``runtime``."""

    turn: int
    by: str
    changes: dict[str, Any]


class MemoryReferenced(Data, frozen=True, tag="memory/1"):
    """A memory artifact was consulted: what it contributed and whether it influenced a decision."""

    turn: int
    artifact: str
    contributed: str
    influenced: bool


class Attributed(Data, frozen=True, tag="attribution/1"):
    """A failed observation separated from its diagnosis."""

    turn: int
    observed: str
    expected: str
    failure_type: str
    evidence: list[str]
    alternatives: list[str]
    next_action: str
    by: str


class Intervened(Data, frozen=True, tag="intervention/1"):
    """Human help: ``form`` is question, approval, hint, takeover or interrupt."""

    turn: int
    form: str
    text: str
    substantive: bool
    avoidable: bool
    burden: int
    harness_gap: str


class EntropyFound(Data, frozen=True, tag="entropy/1"):
    """One maintenance burden the patch introduced; ``severity`` 0-3."""

    category: str
    severity: int
    rule: str
    evidence: str


class CheckRan(Data, frozen=True, tag="check/1"):
    """One verification step and its result.

    ``phase``: ``episode`` (the agent or its image ran it) or ``evaluator``. ``type`` is one of the paper's types:
    reproduction, check, hidden, registered, targeted, regression, lint, review. ``passed`` is ``None`` when the
    result could not be had (time-out, infrastructure), which never counts as success.
    """

    phase: str
    name: str
    type: str
    command: str
    passed: bool | None
    exit_code: int | None
    covers: list[str]
    detail: str
    duration_ms: float
    output: Text | None = None
    interpretation: str = ""
    after_edit: int = 0


class Declared(Data, frozen=True, tag="declared/1"):
    """The agent (or its image, ``by="runtime"``) declared the task complete."""

    turn: int
    summary: str
    accepted: bool
    reasons: list[str]
    by: str = "agent"


class Stopped(Data, frozen=True, tag="stopped/1"):
    """Why the turn loop ended; ``reason`` is a :class:`terret.runtime.StopReason` value."""

    reason: str
    detail: str
    turns: int


class Faulted(Data, frozen=True, tag="fault/1"):
    """An infrastructure fault: ``part`` is model, sandbox, journal, repository or harness."""

    part: str
    code: str
    message: str
    recovered: bool = False


class PatchTaken(Data, frozen=True, tag="patch/1"):
    """The agent's change against the initial commit, harness files left out."""

    blob: str
    tree: str
    files: list[dict[str, Any]]


class HistoryKept(Data, frozen=True, tag="history/1"):
    """Every state the workspace went through, as one pack of git objects beyond the initial tree.

    ``blob`` is absent where keeping it would have put a secret into the package; ``note`` says so. Without it an
    episode can be verified, but neither replayed nor forked.
    """

    trees: int
    blob: str | None = None
    note: str = ""


class Evaluated(Data, frozen=True, tag="evaluated/1"):
    """The evaluator's facts in a fresh workspace, input of the adjudicator.

    ``facts`` is the JSON form of :class:`terret.verification.Facts`.
    """

    facts: dict[str, Any]


class Labelled(Data, frozen=True, tag="label/1"):
    """The rule's verdict. ``label`` is ``None`` when an infrastructure fault left the episode ungraded."""

    label: str | None
    failure_code: str | None
    reasons: list[str]
    functional_pass: bool | None
    false_completion: bool
    graded: bool


class EpisodeClosed(Data, frozen=True, tag="episode.closed/1"):
    """Last event of a finished episode."""

    turns: int
    usage: dict[str, float]


EventData = (
    EpisodeOpened
    | EpisodeResumed
    | EpisodePaused
    | ContextOffered
    | Intent
    | Outcome
    | Denied
    | Guarded
    | ActionParsed
    | ActionRejected
    | Observed
    | StateUpdated
    | MemoryReferenced
    | Attributed
    | Intervened
    | EntropyFound
    | CheckRan
    | Declared
    | Stopped
    | Faulted
    | PatchTaken
    | HistoryKept
    | Evaluated
    | Labelled
    | EpisodeClosed
    | ProcessStarted
    | ProcessReplaced
    | ProcessMoved
    | ProcessEnded
    | MessageSent
)
"""Every payload an event can carry."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One link of an episode's chain.

    ``seq`` counts from 0; ``ts`` is Unix time in seconds; ``pid`` the agent process (0 is the episode itself);
    ``blobs`` the digests the payload refers to; ``hash = sha256(prev || canonical(event without hash))`` in hex.
    """

    seq: int
    ts: float
    episode: str
    pid: int
    data: EventData
    blobs: list[str]
    prev: str
    hash: str
