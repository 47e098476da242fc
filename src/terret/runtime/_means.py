"""What the caller of an episode lends it."""

from __future__ import annotations

from typing import NamedTuple

from terret.guard import Hooks
from terret.intervention import HumanQueue
from terret.mandates import MandateGate
from terret.memory import ProjectMemory
from terret.tools import Tool


class Means(NamedTuple):
    """What the caller brings to an episode beside the task and the model."""

    tools: dict[str, Tool] | None = None
    memory: ProjectMemory | None = None
    human: HumanQueue | None = None
    mandates: MandateGate | None = None
    hooks: Hooks | None = None
