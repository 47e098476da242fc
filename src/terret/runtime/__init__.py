"""The hall: levels, the effect path, agent images, the loop, episodes and their verification."""

from __future__ import annotations

from terret.runtime._agent import Agent, Image, Question
from terret.runtime._api import environment_scrubber, episode_id, resume, run, verify
from terret.runtime._audit import AuditRow, ChainLink, audit, chain_of
from terret.runtime._budget import Ledger
from terret.runtime._compare import Comparison, Side, compare_packages
from terret.runtime._edits import EDIT_FORMS, EditForm
from terret.runtime._episode import ABLATIONS, IMAGES, resume_episode, run_episode
from terret.runtime._fetched import Fetched
from terret.runtime._fork import fork_package
from terret.runtime._kernel import Kernel
from terret.runtime._levels import (
    LEVELS,
    TOOLS,
    VISIBILITY,
    Level,
    allowed_tools,
    is_visible,
    parse_level,
    visible_artifacts,
)
from terret.runtime._loop import run_loop
from terret.runtime._machine import TRANSITIONS, Machine
from terret.runtime._net import (
    DirectHttp,
    HttpProvider,
    HttpReply,
    HttpRequest,
    NoReply,
    NotSent,
    net_request,
    net_tools,
)
from terret.runtime._recorder import Listener, Recorder
from terret.runtime._replay import Divergence, ReplayReport, opened_of, replay_package
from terret.runtime._result import Episode, finished_episode, unknown_effects
from terret.runtime._splice import NotSpliceable, meaning, outline, specification, splice
from terret.runtime._stop import STOP_REASONS, Stop, StopReason, Suspended
from terret.runtime._stuck import Repetition
from terret.runtime._transcript import Transcript
from terret.runtime._verify import Proofs, VerifyReport, VerifyStep, verify_package

__all__ = [
    "ABLATIONS",
    "EDIT_FORMS",
    "IMAGES",
    "LEVELS",
    "STOP_REASONS",
    "TOOLS",
    "TRANSITIONS",
    "VISIBILITY",
    "Agent",
    "AuditRow",
    "ChainLink",
    "Comparison",
    "DirectHttp",
    "Divergence",
    "EditForm",
    "Episode",
    "Fetched",
    "HttpProvider",
    "HttpReply",
    "HttpRequest",
    "Image",
    "Kernel",
    "Ledger",
    "Level",
    "Listener",
    "Machine",
    "NoReply",
    "NotSent",
    "NotSpliceable",
    "Proofs",
    "Question",
    "Recorder",
    "Repetition",
    "ReplayReport",
    "Side",
    "Stop",
    "StopReason",
    "Suspended",
    "Transcript",
    "VerifyReport",
    "VerifyStep",
    "allowed_tools",
    "audit",
    "chain_of",
    "compare_packages",
    "environment_scrubber",
    "episode_id",
    "finished_episode",
    "fork_package",
    "is_visible",
    "meaning",
    "net_request",
    "net_tools",
    "opened_of",
    "outline",
    "parse_level",
    "replay_package",
    "resume",
    "resume_episode",
    "run",
    "run_episode",
    "run_loop",
    "specification",
    "splice",
    "unknown_effects",
    "verify",
    "verify_package",
    "visible_artifacts",
]
